"""Consent while the other direction runs too: whose statement it is, and which one holds."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState
from kinetic_mailchimp.audit.state.handover import (
    HANDOVER_NAMESPACE,
    Handover,
    read_handovers,
)
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.mailchimp import subscriber_hash

PERSON = "person@example.com"
OTHER = "other@example.com"
CONTACT, SECOND = "CustCnt EPIC06/1//1", "CustCnt EPIC06/2//1"

ROW = {"email_address": PERSON, "source_key": CONTACT}
OUT = {**ROW, "status": "unsubscribed"}


def pass_time(bench: Any, minutes: float = 10) -> None:
    bench.mailchimp.control.advance_clock(minutes * 60)


def set_flag(bench: Any, row: str = CONTACT, **flag: Any) -> None:
    """Note that target-epicor-contacts has set a flag."""
    change(bench, {FLAGS_NAMESPACE: {row: FlagState(**{"address": PERSON, **flag}).to_json()}})


def take_back(bench: Any, row: str = CONTACT) -> None:
    change(bench, {FLAGS_NAMESPACE: {row: None}})


def change(bench: Any, ledger: Any) -> None:
    with AuditTrail.open(bench.database_url) as trail:
        run = trail.start_run(plugin="target-epicor-contacts", version="1")
        run.record([], ledger=ledger)
        run.finish("succeeded")


def handovers(bench: Any) -> dict[str, Handover]:
    with AuditTrail.open(bench.database_url) as trail:
        return read_handovers(trail.ledger(HANDOVER_NAMESPACE))


def state_of(bench: Any, address: str = PERSON) -> MemberState:
    with AuditTrail.open(bench.database_url) as trail:
        ledger = trail.ledger(members_namespace(bench.mailchimp.list_id))
        return read_members(ledger, [subscriber_hash(address)])[subscriber_hash(address)]


def status(bench: Any, address: str = PERSON) -> str:
    return str(bench.members()[address]["status"])


@pytest.mark.rule("R1")
@pytest.mark.parametrize("together", [True, False])
def test_a_reps_opt_out_arrives_after_the_person_left_and_came_back(bench: Any, together: bool) -> None:
    bench.run([ROW])
    pass_time(bench)
    bench.mailchimp.control.unsubscribe(PERSON)
    set_flag(bench)
    pass_time(bench)
    bench.run([OUT])
    pass_time(bench)
    bench.mailchimp.control.subscribe(PERSON)
    take_back(bench)
    pass_time(bench)
    # The other row causes a look at Mailchimp, in the batch of a record that needs none.
    others = [{"email_address": OTHER, "source_key": SECOND, "status": "unsubscribed"}]
    for batch in [[ROW, *others]] if together else [[ROW], others]:
        bench.run(batch)
        pass_time(bench)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.reason) == ("flagged", "opted_out_at_source")
    assert status(bench) == "unsubscribed"
