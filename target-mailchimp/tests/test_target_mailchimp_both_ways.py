"""Consent while the other direction runs too: whose statement it is, and which one holds."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagCause, FlagState, short_row_id
from kinetic_mailchimp.audit.state.handover import (
    HANDOVER_NAMESPACE,
    Handover,
    HandoverAction,
    read_handovers,
)
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.audit.state.people import PEOPLE_NAMESPACE
from kinetic_mailchimp.mailchimp import subscriber_hash

PERSON = "person@example.com"
OTHER, NEW = "other@example.com", "new@example.com"
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


@pytest.mark.rule("R1")
@pytest.mark.parametrize("told_as", ["subscribe", "profile"])
@pytest.mark.parametrize("known", [True, False])
def test_our_own_flag_unsubscribes_nobody_who_came_back(bench: Any, told_as: str, known: bool) -> None:
    bench.run([ROW])
    pass_time(bench)
    bench.mailchimp.control.unsubscribe(PERSON)
    set_flag(bench, at=str(bench.members()[PERSON]["last_changed"]))
    pass_time(bench)
    if known:
        bench.run([OUT])
    if told_as == "subscribe":
        bench.mailchimp.control.subscribe(PERSON)
    else:
        bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    pass_time(bench)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.consent) == ("unchanged", "")
    assert status(bench) == "subscribed"
    # The other direction may have missed the return.
    assert handovers(bench)[CONTACT].action is HandoverAction.CLEAR


@pytest.mark.rule("R1")
def test_our_own_flag_keeps_the_person_from_becoming_a_member(bench: Any) -> None:
    set_flag(bench)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.reason) == ("skipped", "opted_out_at_source")
    assert bench.members() == {}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("cause", [FlagCause.PERSON, FlagCause.COMPLAINT])
def test_an_opt_out_of_the_person_holds_for_a_corrected_address(bench: Any, cause: FlagCause) -> None:
    set_flag(bench, address="former@example.com", cause=cause)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.reason) == ("skipped", "opted_out_at_source")
    assert handovers(bench) == {}


def test_a_corrected_address_after_a_bounce_becomes_a_member(bench: Any) -> None:
    bench.run([{**ROW, "email_address": "bounced@example.com"}])
    pass_time(bench)
    bench.mailchimp.control.bounce("bounced@example.com")
    set_flag(bench, address="bounced@example.com", cause=FlagCause.BOUNCE)
    pass_time(bench)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.reason) == ("created", "new_subscribed")
    assert {name: member["status"] for name, member in bench.members().items()} == {
        "bounced@example.com": "cleaned",
        PERSON: "subscribed",
    }
    found = handovers(bench)[CONTACT]
    assert (found.action, found.cause, found.address) == (HandoverAction.CLEAR, FlagCause.BOUNCE, PERSON)


def test_a_flag_from_one_audience_says_nothing_about_another(bench: Any) -> None:
    other = bench.mailchimp.control.add_list("Other")
    for list_id in (bench.mailchimp.list_id, other):
        bench.run([ROW], list_id=list_id)
    pass_time(bench)
    bench.mailchimp.control.unsubscribe(PERSON)
    set_flag(bench, list_id=bench.mailchimp.list_id, at=str(bench.members()[PERSON]["last_changed"]))
    pass_time(bench)
    [decided] = bench.run([OUT], list_id=other)
    assert decided.action == "unchanged"
    assert bench.members(other)[PERSON]["status"] == "subscribed"
    assert handovers(bench) == {}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("left_before", [True, False])
def test_mailchimps_history_decides_after_the_audit_database_is_lost(bench: Any, left_before: bool) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    if left_before:
        bench.mailchimp.control.unsubscribe(PERSON)
        pass_time(bench)
        bench.mailchimp.control.subscribe(PERSON)
    pass_time(bench)
    for _ in range(2):
        [decided] = bench.run([OUT])
        pass_time(bench)
        if left_before:
            assert (decided.action, decided.reason) == ("unchanged", "flag_of_former_opt_out")
            found = handovers(bench)[CONTACT]
            assert (found.action, found.cause) == (HandoverAction.CLEAR, FlagCause.PERSON)
    assert status(bench) == ("subscribed" if left_before else "unsubscribed")


@pytest.mark.rule("R1")
def test_a_reps_wish_from_before_the_persons_return_is_no_news(bench: Any) -> None:
    bench.run([ROW])
    pass_time(bench)
    bench.mailchimp.control.unsubscribe(PERSON)
    pass_time(bench)
    bench.run([{**ROW, "FNAME": "A"}])
    bench.mailchimp.control.subscribe(PERSON)
    pass_time(bench)
    bench.run([{**ROW, "FNAME": "B"}])
    bench.run([{**OUT, "source_updated_on": "2020-01-01T00:00:00Z"}])
    assert status(bench) == "subscribed"
    bench.run([{**ROW, "source_updated_on": "2098-01-01T00:00:00Z"}])
    bench.run([{**OUT, "source_updated_on": "2099-01-01T00:00:00Z"}])
    assert status(bench) == "unsubscribed"


def test_an_opt_out_that_we_sent_is_noted_as_the_reps_until_the_rep_takes_it_back(bench: Any) -> None:
    bench.run([ROW])
    pass_time(bench)
    bench.run([OUT])
    carried = state_of(bench).carried_opt_out
    assert carried is not None
    assert (carried.rows, carried.withdrawn) == ((CONTACT,), False)
    assert carried.at == bench.members()[PERSON]["last_changed"]
    pass_time(bench)
    # Another row with the address is the rep's wish too.
    bench.run([{**ROW, "source_key": SECOND}])
    found = handovers(bench)[SECOND]
    assert (found.action, found.cause, found.origin) == (HandoverAction.FLAG, FlagCause.REP, CONTACT)
    pass_time(bench)
    [decided] = bench.run([ROW])
    assert (decided.action, decided.reason) == ("unchanged", "opt_out_withdrawn")
    assert status(bench) == "unsubscribed"
    found = handovers(bench)[CONTACT]
    assert (found.action, found.origin) == (HandoverAction.CLEAR, CONTACT)
    carried = state_of(bench).carried_opt_out
    assert carried is not None
    assert carried.withdrawn
    change(bench, {HANDOVER_NAMESPACE: {CONTACT: None, SECOND: None}})
    bench.run([ROW])
    assert handovers(bench) == {}


def test_nobody_is_flagged_for_a_customer_who_became_inactive(bench: Any) -> None:
    bench.run([ROW])
    bench.run([{**ROW, "source_active": False}], inactive_action="unsubscribe")
    assert status(bench) == "unsubscribed"
    pass_time(bench)
    bench.run([{**ROW, "source_key": SECOND}], inactive_action="unsubscribe")
    assert handovers(bench) == {}


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    ("act", "expected", "cause"),
    [
        ("unsubscribe", "unsubscribed", FlagCause.PERSON),
        ("complain", "complaint", FlagCause.COMPLAINT),
        ("bounce", "cleaned", FlagCause.BOUNCE),
    ],
)
def test_a_row_that_gets_the_address_of_somebody_who_opted_out_is_to_be_flagged(
    bench: Any, act: str, expected: str, cause: FlagCause
) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    bench.mailchimp.control.act(act, PERSON)
    bench.run([ROW, {"email_address": OTHER, "source_key": SECOND}])
    pass_time(bench)
    bench.run([{**ROW, "source_key": SECOND}])
    for row in (CONTACT, SECOND):
        found = handovers(bench)[row]
        assert (found.action, found.status, found.cause) == (HandoverAction.FLAG, expected, cause)
        assert (found.address, found.list_id) == (PERSON, bench.mailchimp.list_id)


def test_a_dry_run_hands_nothing_over(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "unsubscribed_by_contact"}])
    bench.run([ROW], dry_run=True)
    assert handovers(bench) == {}


def left_behind(bench: Any, **columns: str) -> None:
    """Give the row of one member the address of another one."""
    bench.run([{**ROW, **columns, "email_address": OTHER}])
    pass_time(bench)
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    pass_time(bench)
    decided = bench.run([{**ROW, **columns}])
    assert [(entry.action, entry.reason, entry.subject) for entry in decided if entry.subject == OTHER] == [
        ("skipped", "left_behind", OTHER)
    ]
    assert bench.last_run()["records_read"] == len(decided) == 2
    pass_time(bench)


@pytest.mark.rule("R2")
def test_an_opt_out_reaches_the_member_that_the_row_left_behind(bench: Any) -> None:
    left_behind(bench)
    decided = bench.run([OUT])
    assert {(entry.subject, entry.action) for entry in decided} == {(PERSON, "flagged"), (OTHER, "flagged")}
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "unsubscribed")
    carried = state_of(bench, OTHER).carried_opt_out
    assert carried is not None
    assert carried.rows == (CONTACT,)
    # A return of the person under the former address stays.
    pass_time(bench)
    bench.mailchimp.control.subscribe(OTHER)
    pass_time(bench)
    bench.run([OUT])
    assert status(bench, OTHER) == "subscribed"


@pytest.mark.rule("R2")
def test_a_member_that_was_left_behind_is_reached_where_the_new_one_was_written_at_once(bench: Any) -> None:
    bench.run([{**ROW, "email_address": OTHER}])
    pass_time(bench)
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    pass_time(bench)
    decided = bench.run([{**ROW, "LNAME": "New"}])
    assert {entry.reason for entry in decided} == {"left_behind", "fields_differ"}
    bench.run([OUT])
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "unsubscribed")


@pytest.mark.rule("R1")
@pytest.mark.parametrize("batch_size", [1, 500])
def test_an_opt_out_under_an_address_that_is_refused_for_a_former_one_keeps_other_rows_from_it(
    bench: Any, batch_size: int
) -> None:
    keeps = {"email_address": OTHER, "source_key": "CustCnt EPIC06/8//1"}
    bench.run([{**ROW, "email_address": OTHER}, keeps])
    bench.run([{**OUT, "email_address": OTHER}])
    pass_time(bench)
    other = {"email_address": PERSON, "source_key": SECOND, "FNAME": "Bob"}
    for _ in range(2):
        bench.run([OUT, other], batch_size=batch_size)
        bench.run([other])
        assert PERSON not in bench.members()
    # Once the rep has taken it back, the row alone is refused, for its former address.
    assert [entry.reason for entry in bench.run([ROW])] == ["former_address_opted_out"]
    assert PERSON not in bench.members()
    assert [entry.action for entry in bench.run([other])] == ["created"]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("batch_size", [1, 500])
def test_an_opt_out_in_the_edit_that_leaves_a_member_behind_reaches_it_at_once(
    bench: Any, batch_size: int
) -> None:
    bench.run([{**ROW, "email_address": OTHER}])
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    pass_time(bench)
    decided = bench.run([OUT], batch_size=batch_size)
    assert bench.last_run()["records_read"] == len(decided) == 2
    assert {(entry.subject, entry.action) for entry in decided} == {(PERSON, "flagged"), (OTHER, "flagged")}
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "unsubscribed")
    assert [entry.action for entry in bench.run([OUT])] == ["unchanged"]


@pytest.mark.rule("R2")
def test_a_person_who_came_back_after_an_opt_out_is_not_reached_by_it_when_the_row_leaves(bench: Any) -> None:
    bench.run([{**ROW, "email_address": OTHER}])
    bench.run([{**OUT, "email_address": OTHER}])
    pass_time(bench)
    bench.mailchimp.control.subscribe(OTHER)
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed"}])
    pass_time(bench)
    for _ in range(3):
        bench.run([OUT])
        pass_time(bench)
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "subscribed")


def test_the_opt_out_of_a_row_made_again_is_not_that_of_the_row_that_left_a_member(bench: Any) -> None:
    left_behind(bench, source_id="first")
    bench.run([{**OUT, "source_id": "second"}])
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "subscribed")


def test_a_member_that_was_left_behind_and_has_another_row_is_not_lowered(bench: Any) -> None:
    left_behind(bench)
    bench.run([{"email_address": OTHER, "source_key": SECOND}])
    bench.run([OUT])
    assert (status(bench), status(bench, OTHER)) == ("unsubscribed", "subscribed")


def test_a_member_that_was_left_behind_is_a_drift_of_its_own(bench: Any) -> None:
    left_behind(bench)
    schema = {"type": "SCHEMA", "stream": "customers", "schema": {"properties": {}}, "key_properties": []}
    lines = [
        schema,
        {"type": "RECORD", "stream": "customers", "record": ROW},
        {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1},
    ]
    decided = bench.run_messages(lines, reconcile=True)
    assert [
        (entry.reason, entry.subject, entry.source_key) for entry in decided if entry.action == "drifted"
    ] == [("member_left_behind", OTHER, CONTACT)]


@pytest.mark.rule("R8")
@pytest.mark.parametrize("batch_size", [1, 500])
def test_two_rows_that_swap_their_addresses_keep_their_own_values(bench: Any, batch_size: int) -> None:
    ann, bob = {**ROW, "FNAME": "Ann"}, {"email_address": OTHER, "source_key": SECOND, "FNAME": "Bob"}
    bench.run([{**row, "source_updated_on": "2026-01-01T00:00:00Z"} for row in (ann, bob)])
    pass_time(bench)
    at = {"source_updated_on": "2026-02-01T00:00:00Z"}
    swapped = [{**ann, "email_address": OTHER, **at}, {**bob, "email_address": PERSON, **at}]
    bench.run(swapped, batch_size=batch_size)
    for _ in range(2):
        names = {address: member["merge_fields"]["FNAME"] for address, member in bench.members().items()}
        assert names == {OTHER: "Ann", PERSON: "Bob"}
        assert set(state_of(bench, OTHER).rows) == {f"customers/{CONTACT}"}
        assert set(state_of(bench, PERSON).rows) == {f"customers/{SECOND}"}
        pass_time(bench)
        bench.run(swapped)


# Contacts that moved in Mailchimp


def moved(bench: Any, address: str, new: str) -> None:
    """Let somebody change the address, of which no event tells."""
    pass_time(bench)
    bench.mailchimp.control.change_address(address, new)
    pass_time(bench)


@pytest.mark.rule("R2")
def test_a_contact_that_is_listed_under_another_address_is_handed_over_with_its_rows(bench: Any) -> None:
    bench.run([ROW, {"email_address": OTHER, "source_key": SECOND}])
    moved(bench, PERSON, NEW)
    bench.run([{"email_address": OTHER, "source_key": SECOND, "FNAME": "A"}])
    [found] = handovers(bench).values()
    assert (found.action, found.address, found.new_address) == (HandoverAction.MOVE, PERSON, NEW)
    assert (found.instead_of, found.status, found.is_taken) == ((CONTACT,), "subscribed", False)
    [decided] = bench.run([{**OUT, "FNAME": "B"}])
    assert (decided.action, decided.reason) == ("skipped", "moved_in_mailchimp")
    assert set(bench.members()) == {NEW, OTHER}
    [decided] = bench.run([{**OUT, "email_address": NEW, "FNAME": "B"}])
    assert (decided.action, status(bench, NEW)) == ("flagged", "unsubscribed")


@pytest.mark.rule("R1")
def test_rows_of_a_contact_whose_address_another_one_took_say_nothing_about_that_one(bench: Any) -> None:
    bench.run([ROW, {"email_address": OTHER, "source_key": SECOND}])
    moved(bench, PERSON, NEW)
    moved(bench, OTHER, PERSON)
    [decided] = bench.run([OUT])
    assert (decided.action, decided.reason) == ("skipped", "moved_in_mailchimp")
    assert (status(bench), status(bench, NEW)) == ("subscribed", "subscribed")
    found = {(one.address, one.new_address, one.is_taken) for one in handovers(bench).values()}
    assert found == {(PERSON, NEW, True), (OTHER, PERSON, False)}


def test_a_change_of_address_that_an_event_told_of_is_not_handed_over(bench: Any) -> None:
    bench.run([ROW])
    moved(bench, PERSON, NEW)
    change(bench, {PEOPLE_NAMESPACE: {PERSON: {"moved": {"to": NEW}}}})
    bench.run([{"email_address": OTHER, "source_key": SECOND}])
    assert handovers(bench) == {}


@pytest.mark.rule("R1")
def test_a_flag_on_a_row_that_had_the_key_before_is_no_flag_of_ours(bench: Any) -> None:
    bench.run([{**ROW, "source_id": "A"}])
    set_flag(bench, row_id=short_row_id("B"))
    [decided] = bench.run([{**OUT, "source_id": "a"}])
    assert (decided.action, decided.reason) == ("flagged", "opted_out_at_source")


@pytest.mark.rule("R1")
@pytest.mark.parametrize(("new_id", "action"), [("B", "created"), ("A", "moved"), (None, "moved")])
def test_a_row_under_the_key_of_a_deleted_one_is_another_member(
    bench: Any, new_id: str | None, action: str
) -> None:
    bench.run([{**ROW, "source_id": "A"}])
    bench.mailchimp.control.unsubscribe(PERSON)
    pass_time(bench)
    [decided] = bench.run([{**ROW, "email_address": NEW, "source_id": new_id}])
    assert decided.action == action
    assert status(bench, NEW) == ("subscribed" if action == "created" else "unsubscribed")
