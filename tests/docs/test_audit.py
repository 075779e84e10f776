"""The audit of dependencies: a database out of reach is told, and never taken for a clean one."""

from __future__ import annotations

import json
from email.message import Message
from types import SimpleNamespace

import audit
import pytest


def of_licence(file: str | None = None, **headers: str) -> SimpleNamespace:
    metadata = Message()
    for name, value in headers.items():
        metadata[name.replace("_", "-")] = value
    return SimpleNamespace(metadata=metadata, read_text=lambda _: file)


@pytest.mark.parametrize(
    ("headers", "is_free"),
    [
        ({"License_Expression": "MIT OR Apache-2.0"}, True),
        ({"License": "BSD 3-Clause\n\nlong text"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"}, True),
        ({"License_Expression": "GPL-3.0-only"}, False),
        ({"License": "GNU Affero General Public License"}, False),
        ({"License": "Proprietary"}, False),
        ({}, False),
        ({"License": "UNKNOWN"}, False),
        ({"License": "UNKNOWN", "file": "MIT License\n\nPermission is"}, True),
        ({"file": "A Licence of Somebody\n\nMIT"}, False),
        ({"file": f"{next(iter(audit.READ))}\n"}, True),
    ],
)
def test_a_licence_that_asks_more_than_ours_or_is_unknown_is_a_problem(monkeypatch, headers, is_free):
    monkeypatch.setattr(audit, "locked", lambda: ["made-up"])
    monkeypatch.setattr(audit, "distribution", lambda _: of_licence(**headers))
    assert bool(audit.licence_problems()) is not is_free


def test_the_licences_of_the_lock_file_are_in_order():
    assert audit.licence_problems() == []


@pytest.mark.parametrize(
    "output",
    [None, "", "no JSON", json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]})],
)
def test_a_database_out_of_reach_is_told(monkeypatch, capsys, output):
    monkeypatch.setattr(audit, "run_tool", lambda *_, **__: output)
    assert audit.vulnerability_problems(1) is None
    assert audit.main(quick=True) == 0
    assert "known vulnerabilities: NOT CHECKED" in capsys.readouterr().out


def test_a_known_vulnerability_is_a_problem(monkeypatch):
    flaw = {"id": "PYSEC-1", "fix_versions": ["2"]}
    part = {"name": "a", "version": "1", "vulns": [flaw]}
    monkeypatch.setattr(audit, "run_tool", lambda *_, **__: json.dumps({"dependencies": [part]}))
    assert audit.vulnerability_problems(1) == ["a 1: PYSEC-1, fixed in 2"]
    assert audit.main(quick=True) == 1


@pytest.mark.parametrize(("rule", "is_explained"), [("B603", True), ("B602", False)])
def test_a_finding_of_bandit_is_explained_or_a_problem(monkeypatch, rule, is_explained):
    finding = {"filename": "a.py", "line_number": 1, "test_id": rule, "issue_text": "x"}
    monkeypatch.setattr(audit, "run_tool", lambda *_, **__: json.dumps({"results": [finding]}))
    assert (audit.bandit_problems(1) == []) is is_explained
