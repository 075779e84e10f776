"""Corrections after forged events: the values before, for each person once, and no opt-out taken back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.console.cli import main

TARGET = "target-epicor-contacts"


def event(subject: str, *parts: Decision, **more: Any) -> Decision:
    given = {"stream": "contact_events", "action": Action.UPDATED, "reason": "written", "event_id": "e"}
    return Decision(**{**given, "subject": subject, "parts": parts, **more})


def part(row: str, **changes: Any) -> Decision:
    return Decision(
        stream="contact_events", action=Action.UPDATED, reason="written", targets=row, changes=changes
    )


@pytest.fixture
def undo(sqlite_trail: AuditTrail, sqlite_url: str) -> Callable[..., Result]:
    def call(decisions: list[Decision], *options: str) -> Result:
        run = sqlite_trail.start_run(plugin=TARGET, version="0.1.0")
        run.read(len(decisions))
        run.record(decisions)
        run.finish()
        arguments = ["--database", sqlite_url, "undo", "--since", "2000-01-01", "--plugin", TARGET, *options]
        return CliRunner().invoke(main, arguments)

    return call


def updates(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["update"] for line in result.stdout.splitlines()]


def test_the_value_before_the_first_event_comes_back(undo: Callable[..., Result]) -> None:
    (update,) = updates(
        undo(
            [
                event("ada@example.com", part("row 1", FirstName=("Ada", "Eve"), City=(None, "Paris"))),
                event("ADA@example.com", part("row 1", FirstName=("Eve", "Mallory"))),
            ]
        )
    )
    assert (update["FirstName"], update["City"]) == ("Ada", "")
    assert update["event_id"].startswith("undo-")


def test_a_changed_address_comes_back_with_what_was_written_before_and_after(
    undo: Callable[..., Result],
) -> None:
    (update,) = updates(
        undo(
            [
                event("ada@example.com", part("row 1", FirstName=("Ada", "Eve"))),
                event(
                    "eve@evil.example",
                    part("row 1", EMailAddress=("Ada@example.com", "eve@evil.example")),
                    former_subject="ada@example.com",
                ),
                event("eve@evil.example", part("row 1", City=("London", "Paris"))),
            ]
        )
    )
    assert (update["email"], update["new_email"]) == ("eve@evil.example", "ada@example.com")
    assert (update["FirstName"], update["City"]) == ("Ada", "London")
    assert "EMailAddress" not in update


def test_rows_that_differed_need_a_person(undo: Callable[..., Result]) -> None:
    result = undo(
        [event("ada@example.com", part("row 1", City=("London", "P")), part("row 2", City=("Rome", "P")))]
    )
    assert json.loads(result.stdout)["needs_a_person"] == ["City"]
    assert "City" not in updates(result)[0]


@pytest.mark.rule("R1")
def test_an_opt_out_is_not_taken_back_unless_a_person_says_so(undo: Callable[..., Result]) -> None:
    made = [event("ada@example.com", part("row 1", NoContact=(False, True)), consent="unsubscribed")]
    result = undo(made)
    assert updates(result) == []
    assert "1 opt-outs stay" in result.stderr
    assert [update["NoContact"] for update in updates(undo([], "--with-opt-outs"))] == [False]


def test_what_came_without_an_event_or_on_another_stream_stays(undo: Callable[..., Result]) -> None:
    made = [
        event("ada@example.com", part("row 1", City=("London", "P")), event_id=None),
        event("bob@example.com", part("row 2", City=("London", "P"))),
    ]
    assert updates(undo(made, "--stream", "another")) == []
    assert [update["email"] for update in updates(undo([]))] == ["bob@example.com"]


def test_only_the_named_events_are_undone(undo: Callable[..., Result], tmp_path: Path) -> None:
    named = tmp_path / "events"
    named.write_text("forged\nanother\n")
    made = [
        event("ada@example.com", part("row 1", City=("London", "P")), event_id="forged"),
        event("bob@example.com", part("row 2", City=("London", "P")), event_id="genuine"),
    ]
    assert [update["email"] for update in updates(undo(made, "--events", str(named)))] == ["ada@example.com"]
    named.write_text("")
    assert updates(undo([], "--events", str(named))) == []


def test_corrections_go_to_the_target_on_request(undo: Callable[..., Result], tmp_path: Path) -> None:
    taken = tmp_path / "taken.jsonl"
    program = f"import sys, pathlib; pathlib.Path({str(taken)!r}).write_text(sys.stdin.read())"
    made = [event("ada@example.com", part("row 1", City=("London", "P")))]
    result = undo(made, "--into", f'{sys.executable} -c "{program}"')
    assert result.exit_code == 0, result.output
    assert json.loads(taken.read_text().splitlines()[1])["record"]["City"] == "London"
