"""Dead letters of one source row: the newest stands for the row, and a later success closes it."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.storage.schema import dead_letters
from kinetic_mailchimp.kit.errors import TransientError

ROW = {"email_address": "bad@example.com"}


def decide(trail: AuditTrail, action: Action, *, dry_run: bool = False, **more: Any) -> None:
    values = {"source_key": "C/1", "dead_letter": ROW if action.is_failure else None, **more}
    run = trail.start_run(plugin="target-mailchimp", version="1", dry_run=dry_run)
    run.read()
    run.record([Decision(stream="members", action=action, reason="r", subject="bad@example.com", **values)])
    run.finish()


def states(trail: AuditTrail) -> list[str]:
    with trail.database.reading() as connection:
        query = dead_letters.select().order_by(dead_letters.c.run_id, dead_letters.c.seq)
        return [row.state for row in connection.execute(query)]


@pytest.mark.rule("R6")
def test_one_bad_row_makes_one_dead_letter_and_not_one_a_run(trail: AuditTrail) -> None:
    for _ in range(4):
        decide(trail, Action.FAILED)
    assert states(trail) == ["failed_again", "failed_again", "failed_again", "open"]
    [letter] = waiting(trail)
    assert letter.note.run_id == 4
    assert verify(trail).is_whole


@pytest.mark.parametrize("action", [Action.UPDATED, Action.UNCHANGED, Action.FLAGGED])
def test_a_later_success_of_the_row_closes_its_dead_letter(trail: AuditTrail, action: Action) -> None:
    decide(trail, Action.QUARANTINED, consent="unsubscribed")
    decide(trail, action)
    assert (states(trail), waiting(trail)) == (["resolved"], [])
    assert verify(trail).is_whole


@pytest.mark.parametrize(
    "more",
    [
        {"source_key": "C/2"},
        {"event_id": "another"},
        {"action": Action.SKIPPED},
        {"action": Action.REFUSED},
        {"action": Action.FAILED, "dead_letter": None},
        {"dry_run": True},
    ],
)
def test_what_is_no_success_of_the_row_closes_nothing(trail: AuditTrail, more: dict[str, Any]) -> None:
    decide(trail, Action.FAILED)
    decide(trail, **{"action": Action.UPDATED, **more})
    assert states(trail) == ["open"]
    assert verify(trail).is_whole


def test_the_row_may_come_twice_in_one_run(trail: AuditTrail) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="1")
    run.read(3)
    bad = Decision(stream="members", action=Action.FAILED, reason="r", source_key="C/1", dead_letter=ROW)
    run.record([bad])
    run.record([bad])
    run.record([Decision(stream="members", action=Action.UPDATED, reason="r", source_key="C/1")])
    assert run.finish().status == "succeeded"
    assert states(trail) == ["failed_again", "resolved"]
    assert verify(trail).is_whole


def test_a_dead_letter_that_went_out_meanwhile_is_left_to_its_replay(trail: AuditTrail) -> None:
    decide(trail, Action.FAILED)
    run = trail.start_run(plugin="target-mailchimp", version="1")
    run.read(2)
    run.record([Decision(stream="members", action=Action.SKIPPED, reason="r", source_key="C/2")])
    with trail.database.writing() as connection:
        connection.execute(dead_letters.update().values(state="in_flight"))
    success = Decision(stream="members", action=Action.UPDATED, reason="r", source_key="C/1")
    with pytest.raises(TransientError):
        run.record([success])
    run.record([success])
    assert run.finish().status == "succeeded"
    assert states(trail) == ["in_flight"]
