"""Recording: what a target relies on when it hands over its decisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from sync_audit import Action, AuditTrail, Decision, default_database_url


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    return AuditTrail.open(f"sqlite:///{tmp_path}/data/sync-audit.sqlite3")


def decision(action: Action = Action.UPDATED, number: int = 1) -> Decision:
    return Decision(
        stream="customers",
        action=action,
        reason="fields_differ",
        subject=f"person{number}@example.com",
        source_key=f"EPIC06/{number}",
    )


def test_a_run_counts_decisions_and_not_their_parts(trail: AuditTrail) -> None:
    with trail:
        run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
        run.read(2)
        rows = [
            Decision(
                stream="contact_events",
                action=Action.FLAGGED,
                reason="opted_out",
                targets=f"CustCnt EPIC06/{n}",
            )
            for n in range(3)
        ]
        opt_out = Decision(stream="contact_events", action=Action.FLAGGED, reason="opted_out", parts=rows)
        run.record([opt_out, decision(Action.UNCHANGED)])
        summary = run.finish()
        assert run.counts == {Action.FLAGGED: 1, Action.UNCHANGED: 1}
    assert summary.status == "succeeded"
    assert summary.read == summary.decided == 2
    assert "2 records read: 1 flagged, 1 unchanged" in str(summary)


def test_the_ledger_changes_with_the_decisions(trail: AuditTrail) -> None:
    with trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.record(
            [], ledger={"members": {"a": {"FNAME": "Ada"}, "b": {"FNAME": "Bo"}}, "other": {"a": {"x": 1}}}
        )
        run.record([], ledger={"members": {"a": {"FNAME": "Eda"}, "b": None}})
        members = trail.ledger("members")
        assert members.get_many(["a", "b", "c"]) == {"a": {"FNAME": "Eda"}}
        assert members.get("b") is None
        assert members.count() == 1
        assert list(trail.ledger("other").items()) == [("a", {"x": 1})]


def test_a_run_that_lost_a_record_has_not_succeeded(trail: AuditTrail) -> None:
    with trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read(3)
        run.record([decision()])
        summary = run.finish("succeeded")
    assert summary.status == "failed"
    assert summary.undecided == 2
    assert "2 without a decision" in str(summary)


@pytest.mark.parametrize(
    ("failed", "read", "max_failed", "max_ratio", "expected"),
    [
        (0, 0, 0, 0.0, False),
        (1, 10, None, None, False),
        (1, 10, 0, None, True),
        (1, 10, 1, None, False),
        (1, 10, None, 0.1, False),
        (2, 10, None, 0.1, True),
        (1, 10, 5, 0.0, True),
    ],
)
def test_limits_of_failures(
    trail: AuditTrail,
    failed: int,
    read: int,
    max_failed: int | None,
    max_ratio: float | None,
    *,
    expected: bool,
) -> None:
    with trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read(read)
        run.record([decision(Action.FAILED, n) for n in range(failed)])
        assert run.exceeds(max_failed, max_ratio) is expected


def test_the_default_database_lies_in_the_meltano_project() -> None:
    assert (
        default_database_url({"MELTANO_PROJECT_ROOT": "/srv/sync"})
        == "sqlite:////srv/sync/data/sync-audit.sqlite3"
    )
