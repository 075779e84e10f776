"""Applies the status of an event: the flag, and the columns with its particulars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status
from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.epicor.columns import coerce
from target_epicor_contacts.epicor.entities import EMAIL
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import StatusSeen

COMPLAINT_OUTRANKS = "complaint_outranks"
OTHER_AUDIENCE = "opted_out_of_other_audience"
_WEAKER_THAN_COMPLAINT = frozenset({Status.UNSUBSCRIBED, Status.CLEANED})


def apply_status(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Bring the matched rows to the newest status; an event without one brings only what is pending."""
    if event.update.status:
        _remember(working, event, event.update.status, matched=bool(matches))
    seen = working.state(event.person).status
    has_news = event.update.status and event.superseded.get("status") in {None, COMPLAINT_OUTRANKS}
    if seen is None or not matches or not (has_news or seen.pending):
        return
    write_status(working, event, matches, seen)
    state = working.state(event.person)
    working.states[event.person] = replace(state, status=replace(seen, pending=False))


def write_status(
    working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind], seen: StatusSeen
) -> None:
    """Bring rows to a status."""
    particulars = working.rules.particulars(seen)
    for row_id, kind in matches.items():
        if not working.rules.opts_out(seen.value) and not _may_clear_flag(working, row_id, kind):
            continue
        _write_flag(working, event, row_id, seen.value)
        for column, value in particulars.items():
            if edm_type := working.edm_type(row_id, column):
                working.write_if_other(event, row_id, column, coerce(column, value, edm_type), edm_type)


def _may_clear_flag(working: WorkingCopy, row_id: str, kind: MatchKind) -> bool:
    """True if a person who subscribes again may clear the flag of a row: not one of another address too."""
    if kind is MatchKind.LINKED_PERSON:
        return not addresses_in(working.values(row_id).get(EMAIL))
    return kind is MatchKind.ONLY_ADDRESS


def _remember(working: WorkingCopy, event: EventPlan, status: Status, *, matched: bool) -> None:
    update = event.update
    state = working.state(event.person)
    known = state.status
    audiences = _audiences(working, update, status, known)
    seen = StatusSeen(
        update.event_time,
        status,
        update.event_time,
        update.reason,
        update.campaign_id,
        pending=not matched,
        audiences=audiences,
    )
    if known:
        age = update.event_time.age(known.event_time)
        if age is Age.OLDER:
            event.superseded["status"] = "newer_event"
            return
        if age is Age.SAME and status.weight < known.value.weight:
            event.superseded["status"] = "same_time_lower_weight"
            return
        if known.value is Status.COMPLAINT and status in _WEAKER_THAN_COMPLAINT:
            # The newer time is kept: a `subscribed` from between the two must not count as news.
            seen = replace(known, event_time=update.event_time, audiences=audiences)
            event.superseded["status"] = COMPLAINT_OUTRANKS
        if status is Status.SUBSCRIBED and audiences:
            # The time of the opt-out stays: it is the one that holds.
            seen = replace(known, audiences=audiences)
            event.superseded["status"] = OTHER_AUDIENCE
    working.states[event.person] = replace(state, status=seen)


def _audiences(
    working: WorkingCopy, update: ContactUpdate, status: Status, known: StatusSeen | None
) -> frozenset[str]:
    """The audiences in which an opt-out holds after an event; a `subscribed` without a list is for all."""
    before = known.audiences if known else frozenset()
    mine = frozenset({update.list_id} if update.list_id else ())
    if working.rules.opts_out(status):
        return before | mine
    if status is not Status.SUBSCRIBED:
        return before
    return before - mine if mine else frozenset()


def _write_flag(working: WorkingCopy, event: EventPlan, row_id: str, status: Status) -> None:
    rules, state = working.rules, working.state(event.person)
    flagged = bool(working.values(row_id).get(rules.flag_column)) == rules.flag_value
    is_ours = flagged and row_id in state.flagged
    if rules.opts_out(status) and not flagged:
        working.write(event, row_id, rules.flag_column, rules.flag_value)
        is_ours = True
    elif status is Status.SUBSCRIBED and flagged:
        if is_ours and rules.clear_on_subscribe:
            working.write(event, row_id, rules.flag_column, not rules.flag_value)
            is_ours = False
        else:
            event.flag_kept.add(row_id)
    flags = state.flagged | {row_id} if is_ours else state.flagged - {row_id}
    working.states[event.person] = replace(state, flagged=flags)
