"""Consent from both sides: whose flag it is, what is handed over, and whose opt-out an event tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.flag_state import (
    FLAGS_NAMESPACE,
    FlagCause,
    FlagState,
    read_flags,
    short_row_id,
    still_set,
)
from kinetic_mailchimp.audit.state.handover import (
    HANDOVER_NAMESPACE,
    Handover,
    HandoverAction,
    read_handovers,
)
from kinetic_mailchimp.audit.state.member_state import (
    CarriedOptOut,
    MemberState,
    SourceRow,
    members_namespace,
)
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec.structs import replace
from target_epicor_contacts.epicor.entities import named_row
from target_epicor_contacts.target import TargetEpicorContacts

Update = Callable[..., dict[str, Any]]
PAT, NEW = "pat@example.com", "new@example.com"
ROW, OTHER_ROW = "EPIC06/CustCnt/1//1", "EPIC06/Customer/2"
NAME, OTHER_NAME = "CustCnt EPIC06/1//1", "Customer EPIC06/2"
LIST = "a1b2c3"
SOURCES = {f"member_names/{NAME}": SourceRow(), f"members/{OTHER_NAME}": SourceRow()}


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact and a customer."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress=PAT)
    return bench


def flags(bench: Any) -> dict[str, FlagState]:
    with AuditTrail.open(bench.audit_url) as trail:
        return still_set(read_flags(trail.ledger(FLAGS_NAMESPACE), [NAME, OTHER_NAME]))


def store(bench: Any, namespace: str, entries: dict[str, dict[str, Any] | None]) -> None:
    with AuditTrail.open(bench.audit_url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="1")
        run.record([], ledger={namespace: entries})
        run.finish()


def hand_over(bench: Any, name: str, action: HandoverAction, **given: Any) -> None:
    store(bench, HANDOVER_NAMESPACE, {name: Handover(PAT, action, **given).to_json()})


def waiting(bench: Any) -> dict[str, Handover]:
    with AuditTrail.open(bench.audit_url) as trail:
        return read_handovers(trail.ledger(HANDOVER_NAMESPACE))


def know(bench: Any, **given: Any) -> None:
    store(bench, members_namespace(LIST), {subscriber_hash(PAT): MemberState(PAT, **given).to_json()})


# Whose flag it is


def test_a_flag_that_was_set_here_is_known_with_its_cause(pat: Any, update: Update) -> None:
    pat.edit(OTHER_ROW, NoContact=True)
    pat.deliver(update(PAT, "cleaned", list_id=LIST))
    row_id = short_row_id(pat.all_rows()[ROW]["SysRowID"])
    assert flags(pat) == {
        NAME: FlagState(PAT, FlagCause.BOUNCE, list_id=LIST, at="2026-03-01T18:00:00.000000Z", row_id=row_id)
    }
    pat.deliver(update(PAT, "subscribed", second=1, list_id=LIST))
    assert flags(pat) == {}
    assert {ROW, OTHER_ROW} & pat.flagged() == {OTHER_ROW}


@pytest.mark.rule("R1")
def test_a_flag_is_claimed_before_it_is_set_and_given_up_where_epicor_refuses_it(
    pat: Any, update: Update
) -> None:
    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    pat.deliver(update(PAT, "unsubscribed"))
    assert set(flags(pat)) == {OTHER_NAME}


@pytest.mark.rule("R1")
def test_the_persons_return_leaves_the_wish_of_a_rep(pat: Any, update: Update) -> None:
    pat.edit(OTHER_ROW, NoContact=True)
    hand_over(pat, NAME, HandoverAction.FLAG, cause=FlagCause.REP, origin=OTHER_NAME)
    pat.deliver()
    assert {ROW, OTHER_ROW} <= pat.flagged()
    pat.deliver(update(PAT, "subscribed", second=9))
    assert {ROW, OTHER_ROW} <= pat.flagged()


def test_a_return_that_is_told_as_profile_clears_the_flag(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", list_id=LIST))
    know(pat, status="subscribed", returned_at="2026-03-01T18:00:05.000000Z")
    pat.deliver(update(PAT, type="profile", second=6, list_id=LIST, PhoneNum="1"))
    assert not {ROW, OTHER_ROW} & pat.flagged()


@pytest.mark.rule("R1")
def test_a_profile_from_before_the_opt_out_is_no_return(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", second=9, list_id=LIST))
    know(pat, status="subscribed", returned_at="2026-03-01T18:00:05.000000Z")
    pat.deliver(update(PAT, type="profile", second=10, list_id=LIST, PhoneNum="1"))
    assert {ROW, OTHER_ROW} <= pat.flagged()


# Opt-outs under an address of which no event told

UNTOLD = "pat.smith@example.com"


@pytest.mark.rule("R2")
@pytest.mark.parametrize("status", ["unsubscribed", "complaint"])
def test_an_opt_out_under_an_unknown_address_reaches_the_rows_of_its_contact(
    pat: Any, update: Update, status: str
) -> None:
    know(pat, contact_id="c1", web_id="404", rows=SOURCES)
    pat.deliver(update(UNTOLD, status, list_id=LIST, web_id="404", PhoneNum="666"))
    assert {ROW, OTHER_ROW} <= pat.flagged()
    assert "666" not in {row["PhoneNum"] for row in pat.all_rows().values()}


@pytest.mark.parametrize(
    "given",
    [
        {"web_id": "405"},
        {"web_id": "404", "list_id": "b2"},
        {"web_id": "404", "contact_status": "subscribed"},
        {"web_id": "404", "contact_status": "cleaned"},
        {"web_id": "404", "contact_status": None, "type": "profile"},
    ],
)
def test_a_number_finds_rows_for_the_opt_outs_of_its_contact_alone(
    pat: Any, update: Update, given: dict[str, str]
) -> None:
    know(pat, contact_id="c1", web_id="404", rows=SOURCES)
    before = pat.all_rows()
    pat.deliver(
        update(UNTOLD, **{"contact_status": "unsubscribed", "list_id": LIST, "PhoneNum": "666", **given})
    )
    assert pat.all_rows() == before


# What target-mailchimp hands over


def move(bench: Any, status: str, **given: Any) -> None:
    """Hand over that the contact of one of the rows has another address."""
    rows, at = (NAME,), "2026-03-02T18:00:00+00:00"
    moved = Handover(PAT, HandoverAction.MOVE, status, list_id=LIST, at=at, instead_of=rows, new_address=NEW)
    store(bench, HANDOVER_NAMESPACE, {f"{LIST}/{NEW}": replace(moved, **given).to_json()})


@pytest.mark.rule("R2")
def test_a_change_of_address_that_no_event_told_of_brings_the_opt_out_that_waited_for_a_row(
    pat: Any, update: Update
) -> None:
    pat.deliver(update(NEW, "unsubscribed", list_id=LIST))
    assert pat.actions() == [("unmatched", "no_row")]
    move(pat, "unsubscribed")
    pat.deliver()
    assert pat.actions()[-1] == ("moved", "address_changed")
    assert (pat.all_rows()[ROW]["EMailAddress"], pat.all_rows()[OTHER_ROW]["EMailAddress"]) == (NEW, PAT)
    assert {ROW, OTHER_ROW} & pat.flagged() == {ROW}
    assert waiting(pat) == {}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("status", ["unsubscribed", "complaint"])
def test_an_opt_out_of_whoever_took_an_address_stays_when_its_former_contact_moves(
    pat: Any, update: Update, status: str
) -> None:
    pat.deliver(update(PAT, status, list_id=LIST))
    move(pat, "subscribed", is_taken=True)
    pat.deliver()
    assert {ROW, OTHER_ROW} & pat.flagged() == {OTHER_ROW}
    pat.edit(ROW, EMailAddress=PAT)
    pat.deliver(update(PAT, type="profile", second=1, list_id=LIST, PhoneNum="1"))
    assert set(flags(pat)) == {OTHER_NAME}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("given", [{"cause": FlagCause.REP, "origin": OTHER_NAME}, {"list_id": "another"}])
def test_a_change_of_address_leaves_the_flags_of_reps_and_of_other_audiences(pat: Any, given: Any) -> None:
    pat.edit(ROW, NoContact=True)
    store(pat, FLAGS_NAMESPACE, {NAME: FlagState(PAT, **given).to_json()})
    move(pat, "subscribed")
    pat.deliver()
    assert (pat.all_rows()[ROW]["EMailAddress"], ROW in pat.flagged()) == (NEW, True)


def test_a_change_of_address_of_before_a_correction_changes_nothing(pat: Any) -> None:
    pat.edit(ROW, EMailAddress="corrected@example.com")
    move(pat, "subscribed")
    pat.deliver()
    assert pat.actions() == [("ignored", "address_corrected")]
    assert pat.all_rows()[ROW]["EMailAddress"] == "corrected@example.com"


@pytest.mark.rule("R2")
def test_a_row_that_appeared_after_the_opt_out_is_flagged_by_a_run_without_events(pat: Any) -> None:
    hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed", list_id=LIST)
    pat.deliver()
    assert {ROW, OTHER_ROW} & pat.flagged() == {ROW}
    assert pat.actions() == [("flagged", "unsubscribed")]
    assert (waiting(pat), set(flags(pat))) == ({}, {NAME})
    assert pat.runs()[-1]["records_read"] == 1


@pytest.mark.rule("R2")
def test_a_handover_does_not_wait_for_the_end_of_a_tap_that_follows(
    pat: Any, update: Update, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_epicor_contacts.target.HANDOVER_SECONDS", 0)
    pat.deliver_between(
        [update("first@example.com", "unsubscribed", second=1)],
        lambda: hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed", list_id=LIST),
        [update("second@example.com", "unsubscribed", second=2)],
        batch_size=1,
    )
    assert [action for action, _ in pat.actions()] == ["unmatched", "flagged", "unmatched"]


@pytest.mark.rule("R2")
def test_a_handover_does_not_wait_for_an_event(pat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_epicor_contacts.target.HANDOVER_SECONDS", 0)
    monkeypatch.setattr(TargetEpicorContacts, "after_input", lambda _: None)
    pat.deliver_between(
        [], lambda: hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed", list_id=LIST), []
    )
    assert pat.actions() == [("flagged", "unsubscribed")]


@pytest.mark.rule("R1")
def test_an_opt_out_after_a_return_is_no_echo_of_the_reps(pat: Any, update: Update) -> None:
    at = "2026-03-01T18:00:03.000000Z"
    know(pat, status="unsubscribed", changed_at=at, carried_opt_out=CarriedOptOut((NAME,), at))
    pat.deliver(
        update(PAT, "subscribed", second=5, list_id=LIST), update(PAT, "unsubscribed", second=7, list_id=LIST)
    )
    assert {flag.cause for flag in flags(pat).values()} == {FlagCause.PERSON}


@pytest.mark.rule("R1")
def test_the_wish_on_a_row_that_was_deleted_asks_for_no_flag(pat: Any) -> None:
    gone = {"cause": FlagCause.REP, "origin": "Customer EPIC06/999"}
    hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed", list_id=LIST, **gone)
    pat.deliver()
    assert (pat.actions(), waiting(pat)) == ([("ignored", "row_of_rep_gone")], {})
    assert ROW not in pat.flagged()


@pytest.mark.rule("R6")
def test_a_handover_for_a_row_that_has_the_flag_or_is_gone_is_one_decision(pat: Any) -> None:
    pat.edit(ROW, NoContact=True)
    hand_over(pat, NAME, HandoverAction.FLAG, status="cleaned")
    hand_over(pat, "CustCnt EPIC06/9999//1", HandoverAction.FLAG, status="cleaned")
    pat.deliver()
    assert sorted(pat.actions()) == [("unchanged", "already_so"), ("unmatched", "no_row")]
    assert (waiting(pat), flags(pat)) == ({}, {})


@pytest.mark.rule("R2")
def test_a_handover_that_epicor_refuses_waits_for_the_next_run(pat: Any) -> None:
    hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed")
    pat.epicor.control.switches(business_errors={"CustCnt": "Not today."})
    pat.deliver()
    assert pat.actions() == [("failed", "refused_by_epicor")]
    assert set(waiting(pat)) == {NAME}
    pat.epicor.control.switches(business_errors={})
    pat.deliver()
    assert (ROW in pat.flagged(), waiting(pat)) == (True, {})


def test_a_dry_run_leaves_handovers_where_they_are(pat: Any) -> None:
    hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed")
    pat.deliver(dry_run=True)
    assert (ROW in pat.flagged(), set(waiting(pat))) == (False, {NAME})
    assert pat.actions() == [("flagged", "unsubscribed")]


def test_a_flag_of_which_nothing_is_known_any_more_falls_where_it_was_the_persons(pat: Any) -> None:
    pat.edit(ROW, NoContact=True)
    hand_over(pat, NAME, HandoverAction.CLEAR, cause=FlagCause.PERSON)
    pat.deliver()
    assert ROW not in pat.flagged()
    assert pat.actions() == [("cleared", "subscribed_again")]


@pytest.mark.parametrize("cause", [FlagCause.BOUNCE, FlagCause.REP])
def test_a_flag_of_an_address_that_was_corrected_falls_and_nobody_said_a_word(
    pat: Any, update: Update, cause: FlagCause
) -> None:
    pat.edit(ROW, EMailAddress="old@example.com", NoContact=True)
    store(pat, FLAGS_NAMESPACE, {NAME: FlagState("old@example.com", cause).to_json()})
    pat.edit(ROW, EMailAddress=PAT)
    hand_over(pat, NAME, HandoverAction.CLEAR, cause=cause, list_id=LIST)
    pat.deliver()
    assert (ROW in pat.flagged(), flags(pat)) == (False, {})
    assert pat.actions() == [("cleared", "flag_of_former_address")]
    assert pat.decisions()[-1]["consent"] is None


@pytest.mark.rule("R1")
def test_a_flag_does_not_fall_where_the_person_opted_out_at_an_unknown_time(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", list_id=LIST))
    hand_over(pat, NAME, HandoverAction.CLEAR, cause=FlagCause.PERSON, list_id=LIST)
    pat.deliver()
    assert ROW in pat.flagged()
    assert pat.actions()[-1] == ("superseded", "newer_event")


def test_an_older_opt_out_does_not_come_back_after_the_return(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "subscribed", second=9, list_id=LIST))
    hand_over(pat, NAME, HandoverAction.FLAG, status="unsubscribed", at="2026-03-01T18:00:03Z")
    pat.deliver()
    assert (ROW in pat.flagged(), pat.actions()[-1]) == (False, ("superseded", "newer_event"))


# The opt-out that this software carried to Mailchimp


CARRIED = CarriedOptOut((OTHER_NAME,), "2026-03-01T18:00:05.000000Z")


@pytest.mark.rule("R2")
def test_the_echo_of_a_reps_opt_out_flags_the_other_rows_until_the_rep_takes_it_back(
    pat: Any, update: Update
) -> None:
    pat.edit(OTHER_ROW, NoContact=True)
    know(pat, status="unsubscribed", carried_opt_out=CARRIED)
    pat.deliver(update(PAT, "unsubscribed", second=6, list_id=LIST, origin="catch_up"))
    assert {ROW, OTHER_ROW} <= pat.flagged()
    assert {name: (flag.cause, flag.origin) for name, flag in flags(pat).items()} == {
        NAME: (FlagCause.REP, OTHER_NAME)
    }
    assert pat.actions() == [("flagged", "opt_out_of_rep")]
    pat.edit(OTHER_ROW, NoContact=False)
    hand_over(pat, OTHER_NAME, HandoverAction.CLEAR, cause=FlagCause.REP, origin=OTHER_NAME)
    pat.deliver()
    assert not {ROW, OTHER_ROW} & pat.flagged()
    assert pat.actions()[-1] == ("cleared", "opt_out_withdrawn")
    assert pat.decisions()[-1]["consent"] is None


def test_the_echo_of_an_opt_out_that_was_withdrawn_flags_nobody(pat: Any, update: Update) -> None:
    know(pat, status="unsubscribed", carried_opt_out=CarriedOptOut(CARRIED.rows, CARRIED.at, withdrawn=True))
    pat.deliver(update(PAT, "unsubscribed", second=6, list_id=LIST))
    assert not {ROW, OTHER_ROW} & pat.flagged()
    assert pat.actions() == [("ignored", "own_opt_out")]


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "own",
    [{"second": 4}, {"second": 6, "campaign_id": "c1"}, {"second": 6, "status": "complaint"}],
    ids=["before", "of a campaign", "complaint"],
)
@pytest.mark.parametrize("echo_first", [True, False])
def test_an_opt_out_of_the_person_beside_the_reps_stays_when_the_rep_takes_theirs_back(
    pat: Any, update: Update, own: dict[str, Any], *, echo_first: bool
) -> None:
    pat.edit(OTHER_ROW, NoContact=True)
    know(pat, status="unsubscribed", carried_opt_out=CARRIED)
    given = {"status": "unsubscribed", "list_id": LIST, "event_id": "own", **own}
    events = [update(PAT, "unsubscribed", second=6, list_id=LIST), update(PAT, **given)]
    for event in events if echo_first else reversed(events):
        pat.deliver(event)
    hand_over(pat, OTHER_NAME, HandoverAction.CLEAR, cause=FlagCause.REP, origin=OTHER_NAME)
    pat.deliver()
    assert ROW in pat.flagged()


# An address that was changed in Epicor


@pytest.mark.rule("R2")
def test_an_event_under_an_old_address_follows_the_row(pat: Any, update: Update) -> None:
    know(pat, rows=SOURCES)
    for name in (ROW, OTHER_ROW):
        pat.edit(name, EMailAddress="new@example.net")
    pat.deliver(update(PAT, "unsubscribed", list_id=LIST))
    assert {ROW, OTHER_ROW} <= pat.flagged()
    pat.deliver(update(PAT, new_email="pat@example.org", second=5, type="upemail", list_id=LIST))
    assert {pat.all_rows()[name]["EMailAddress"] for name in (ROW, OTHER_ROW)} == {"pat@example.org"}


def test_the_bounce_of_an_address_that_was_corrected_is_none_of_the_new_one(pat: Any, update: Update) -> None:
    know(pat, rows=SOURCES)
    for name in (ROW, OTHER_ROW):
        pat.edit(name, EMailAddress="new@example.net")
    pat.deliver(update(PAT, "cleaned", list_id=LIST))
    assert not {ROW, OTHER_ROW} & pat.flagged()
    assert pat.actions() == [("ignored", "address_corrected")]


@pytest.mark.rule("R2")
def test_an_opt_out_whose_rows_are_gone_is_a_dead_letter(pat: Any, update: Update) -> None:
    know(pat, rows={"member_names/CustCnt EPIC06/9999//1": SourceRow()})
    for name in (ROW, OTHER_ROW):
        pat.edit(name, EMailAddress="")
    pat.deliver(update(PAT, "unsubscribed", list_id=LIST))
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("unmatched", "no_row")
    assert decision["dead_letter"]


@pytest.mark.parametrize(
    ("name", "row_id"),
    [
        ("CustCnt EPIC06/12//3", "EPIC06/CustCnt/12//3"),
        ("CustCnt EPIC06/12/A/B/3", "EPIC06/CustCnt/12/A/B/3"),
        ("Customer EPIC06/12", "EPIC06/Customer/12"),
        ("Customer EPIC06/12/3", None),
        ("CustCnt EPIC06/x//3", None),
        ("Part A/1", None),
        ("", None),
    ],
)
def test_a_row_is_found_by_its_name(name: str, row_id: str | None) -> None:
    row = named_row(name)
    assert (row.id if row else None) == row_id
    assert row is None or row.name == name


# The baseline


@pytest.mark.rule("R8")
def test_what_was_written_back_is_the_value_that_both_sides_have_in_common(pat: Any, update: Update) -> None:
    fields = {"merge_fields": {"PhoneNum": "PHONE"}, "conflict_policy": "epicor_wins"}
    pat.edit(ROW, PhoneNum="1")
    pat.edit(OTHER_ROW, EMailAddress="")
    know(pat, sent={"merge_fields.PHONE": "1"})
    pat.deliver(update(PAT, type="profile", merges={"PHONE": "2"}, list_id=LIST), **fields)
    # Somebody takes it back in Epicor, and the forward run has not come yet.
    pat.edit(ROW, PhoneNum="1")
    pat.deliver(update(PAT, type="profile", merges={"PHONE": "2"}, second=5, list_id=LIST), **fields)
    assert pat.all_rows()[ROW]["PhoneNum"] == "1"
    # And the person goes from A to B to A.
    pat.edit(ROW, PhoneNum="2")
    pat.deliver(update(PAT, type="profile", merges={"PHONE": "1"}, second=6, list_id=LIST), **fields)
    assert pat.all_rows()[ROW]["PhoneNum"] == "1"


@pytest.mark.rule("R8")
def test_an_event_from_before_what_mailchimp_shows_now_brings_no_stale_value(
    pat: Any, update: Update
) -> None:
    pat.edit(ROW, PhoneNum="3")
    know(pat, sent={"merge_fields.PHONE": "3"}, changed_at="2026-03-01T18:00:30.000000Z")
    event = update(PAT, type="profile", merges={"PHONE": "2"}, second=5, list_id=LIST)
    pat.deliver(event, merge_fields={"PhoneNum": "PHONE"})
    assert pat.all_rows()[ROW]["PhoneNum"] == "3"


# Repair


@pytest.mark.rule("R2")
def test_a_repair_sets_a_flag_that_was_taken_away_whatever_is_remembered(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", second=60, sequence=7, reason="manual", list_id=LIST))
    pat.edit(ROW, NoContact=False)
    present = update(PAT, "unsubscribed", second=58, list_id=LIST)
    pat.deliver(present)
    assert ROW not in pat.flagged()
    pat.deliver(present, repair=True, dry_run=True)
    assert (ROW in pat.flagged(), pat.actions()[-1]) == (False, ("flagged", "unsubscribed"))
    assert pat.deliver(present, repair=True) == []
    assert ROW in pat.flagged()
    assert pat.runs()[-1]["pipeline"] == "repair"
    pat.deliver(present, reconcile=True)
    assert pat.actions()[-1] == ("unchanged", "already_so")


@pytest.mark.parametrize("settings", [{"repair": True}, {"reconcile": True}], ids=str)
def test_an_opt_out_of_ours_that_was_withdrawn_is_no_drift(
    pat: Any, update: Update, settings: dict[str, Any]
) -> None:
    know(pat, status="unsubscribed", carried_opt_out=CarriedOptOut(CARRIED.rows, CARRIED.at, withdrawn=True))
    pat.deliver(update(PAT, "unsubscribed", second=6, list_id=LIST), **settings)
    assert (not {ROW, OTHER_ROW} & pat.flagged(), pat.actions()) == (True, [("ignored", "own_opt_out")])
