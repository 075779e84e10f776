"""Retention: what is old goes, what proves something stays, and the rest still verifies."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.dead_letters.dispatch import dispatch, resolve, waiting
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy import retention
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.privacy.retention import prune
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.audit.trail.administration import administrative_run
from kinetic_mailchimp.mailchimp import subscriber_hash

Make = Callable[..., Decision]
TWO_YEARS = timedelta(days=730)
SECOND = (decisions.c.run_id == 1, decisions.c.seq == 2)


def keys(trail: AuditTrail) -> list[tuple[int, int]]:
    query = sa.select(decisions.c.run_id, decisions.c.seq).order_by(decisions.c.run_id, decisions.c.seq)
    with trail.database.reading() as connection:
        rows = connection.execute(query.where(decisions.c.stream != "trail")).all()
    return [(run_id, seq) for run_id, seq in rows]


@pytest.fixture
def filled(trail: AuditTrail, decision: Make, clock: Any) -> AuditTrail:
    """A run of a service that goes on for years: entries 1 to 6 are old, 7 is new."""
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
    run.read(4)
    run.record(
        [
            decision(1),
            decision(2, Action.FLAGGED, consent="unsubscribed", parts=[decision(2)]),
            decision(3, Action.FAILED, dead_letter={"email": "x@example.com"}),
            decision(4, parts=[decision(4)]),
        ]
    )
    clock.advance(days=800)
    run.read(1)
    run.record([decision(5)])
    return trail


def test_old_entries_go_and_proofs_stay(filled: AuditTrail) -> None:
    outcome = prune(filled, TWO_YEARS)
    assert (outcome.removed, outcome.kept) == (3, 3)
    assert keys(filled) == [(1, 2), (1, 3), (1, 4), (1, 7)]
    assert verify(filled).problems == ()


def test_a_second_pruning_removes_nothing(filled: AuditTrail) -> None:
    prune(filled, TWO_YEARS)
    outcome = prune(filled, TWO_YEARS)
    assert (outcome.removed, outcome.kept) == (0, 0)
    assert verify(filled).problems == ()


def test_small_steps_come_to_the_same(filled: AuditTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_STEP", 1)
    outcome = prune(filled, TWO_YEARS)
    assert (outcome.removed, outcome.kept) == (3, 3)
    assert keys(filled) == [(1, 2), (1, 3), (1, 4), (1, 7)]
    assert verify(filled).problems == ()


def test_a_kept_entry_can_be_erased_and_then_still_verifies(filled: AuditTrail) -> None:
    prune(filled, TWO_YEARS)
    assert erase(filled, "person2@example.com", vendor_hash=subscriber_hash).records == 2
    assert verify(filled).problems == ()


def test_a_kept_entry_that_vanishes_or_changes_is_found(filled: AuditTrail) -> None:
    prune(filled, TWO_YEARS)
    with filled.database.writing() as connection:
        connection.execute(sa.update(decisions).where(*SECOND).values(reason="another"))
        connection.execute(sa.delete(decisions).where(decisions.c.seq == 3, decisions.c.run_id == 1))
    assert [str(problem) for problem in verify(filled).problems] == [
        "run 1 entry 2: was changed",
        "run 1 entry 3: was kept by a pruning and is missing",
    ]


def test_a_removal_that_no_pruning_recorded_is_found(filled: AuditTrail) -> None:
    with filled.database.writing() as connection:
        connection.execute(sa.delete(decisions).where(decisions.c.seq == 1))
    assert not verify(filled).is_whole


def test_a_dead_letter_goes_once_it_is_settled(filled: AuditTrail, decision: Make) -> None:
    prune(filled, TWO_YEARS)
    with administrative_run(filled, "replay") as run:
        dispatch(filled, run, waiting(filled), io.StringIO())
    target = filled.start_run(plugin="target-epicor-contacts", version="0.1.0")
    target.read(1)
    target.record([decision(3)])
    with administrative_run(filled, "replay") as run:
        assert resolve(filled, run, waiting(filled, state="in_flight"), requeue=False) == {"resolved": 1}
    assert prune(filled, TWO_YEARS).removed == 1
    assert keys(filled) == [(1, 2), (1, 3), (1, 7), (4, 1)]
    assert verify(filled).problems == ()


def test_the_run_goes_on_after_a_pruning(filled: AuditTrail, decision: Make, clock: Any) -> None:
    clock.advance(days=800)
    prune(filled, TWO_YEARS)
    assert keys(filled) == [(1, 2), (1, 3), (1, 4)]
    assert verify(filled).problems == ()
