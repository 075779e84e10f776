"""Evidence of consent, from the command line: a document of its own, and the check of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.console.cli import main

Make = Callable[..., Decision]


@pytest.fixture
def sync_audit(trail: AuditTrail, url: str, decision: Make) -> Callable[..., Result]:
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
    part = decision(targets="CustCnt EPIC06/1/4")
    run.read(3)
    run.record(
        [
            decision(1),
            decision(1, Action.FLAGGED, consent="unsubscribed", detail="</script><b>", parts=[part]),
            decision(2, Action.FAILED, consent="cleaned", dead_letter={"email": "person2@example.com"}),
        ]
    )
    run.finish()
    return lambda *given: CliRunner().invoke(main, ["--database", url, "evidence", *given])


def test_a_document_tells_of_consent_alone_and_is_checked(
    sync_audit: Callable[..., Result], tmp_path: Path
) -> None:
    for number, entries in ((1, 2), (2, 1), (3, 0)):
        file = tmp_path / f"{number}.html"
        written = sync_audit(f"person{number}@example.com", "--output", str(file))
        assert written.exit_code == 0, written.output
        checked = sync_audit("--check", str(file))
        assert checked.exit_code == 0, checked.output
        assert checked.output.count("in the trail, as it is here") == entries
    document = (tmp_path / "1.html").read_text(encoding="utf-8")
    assert document.count("</script>") == 1
    assert "&lt;/script&gt;&lt;b&gt;" in document
    changed = tmp_path / "changed.html"
    changed.write_text(document.replace('"unsubscribed"', '"subscribed"'), encoding="utf-8")
    forged = sync_audit("--check", str(changed))
    assert (forged.exit_code, "its facts do not make its digest" in forged.output) == (1, True)


def test_wrong_use_is_told(sync_audit: Callable[..., Result], tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    for content in ("<p>Hello</p>", '<script type="application/json" id="facts">[1]</script>'):
        other.write_text(content, encoding="utf-8")
        refused = sync_audit("--check", str(other))
        assert (refused.exit_code, "is not one that" in refused.stderr) == (3, True)
    assert sync_audit().exit_code == 2
    assert sync_audit("a@example.com", "--check", str(other)).exit_code == 2
