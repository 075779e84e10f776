"""Applies what an event says about consent: the flag, and the columns that say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status
from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.columns import coerce
from target_epicor_contacts.epicor.entities import EMAIL
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.matching import Hold, addresses_in
from target_epicor_contacts.rules.working_copy import Draft
from target_epicor_contacts.state.person_state import StatusSeen

COMPLAINT_OUTRANKS = "complaint_outranks"
OTHER_AUDIENCE = "opted_out_of_other_audience"
_WEAKER_THAN_COMPLAINT = frozenset({Status.UNSUBSCRIBED, Status.CLEANED})


def apply_status(draft: Draft, outcome: Outcome, holds: Mapping[str, Hold]) -> None:
    """Bring the matched rows to the newest status; an event without one brings only what is pending."""
    if outcome.update.status:
        _remember(draft, outcome, outcome.update.status, matched=bool(holds))
    seen = draft.memory(outcome.person).status
    has_news = outcome.update.status and outcome.superseded.get("status") in {None, COMPLAINT_OUTRANKS}
    if seen is None or not holds or not (has_news or seen.pending):
        return
    write_status(draft, outcome, holds, seen)
    memory = draft.memory(outcome.person)
    draft.memories[outcome.person] = replace(memory, status=replace(seen, pending=False))


def write_status(draft: Draft, outcome: Outcome, holds: Mapping[str, Hold], seen: StatusSeen) -> None:
    """Bring rows to a status."""
    particulars = draft.rules.particulars(seen)
    for row_id, hold in holds.items():
        if not draft.rules.opts_out(seen.value) and not _speaks_for(draft, row_id, hold):
            continue
        _write_flag(draft, outcome, row_id, seen.value)
        for column, value in particulars.items():
            if edm_type := draft.edm_type(row_id, column):
                draft.write_if_other(outcome, row_id, column, coerce(column, value, edm_type), edm_type)


def _speaks_for(draft: Draft, row_id: str, hold: Hold) -> bool:
    """Whether a person who comes back may say so for a row: not where another address has a say too."""
    if hold is Hold.BY_PERSON:
        return not addresses_in(draft.values(row_id).get(EMAIL))
    return hold is Hold.SOLE


def _remember(draft: Draft, outcome: Outcome, status: Status, *, matched: bool) -> None:
    update = outcome.update
    memory = draft.memory(outcome.person)
    known = memory.status
    audiences = _audiences(draft, update, status, known)
    seen = StatusSeen(
        update.moment,
        status,
        update.moment,
        update.reason,
        update.campaign_id,
        pending=not matched,
        audiences=audiences,
    )
    if known:
        age = update.moment.age(known.moment)
        if age is Age.OLDER:
            outcome.superseded["status"] = "newer_event"
            return
        if age is Age.SAME and status.weight < known.value.weight:
            outcome.superseded["status"] = "same_time_lower_weight"
            return
        if known.value is Status.COMPLAINT and status in _WEAKER_THAN_COMPLAINT:
            # The newer moment is kept: a `subscribed` from between the two must not count as news.
            seen = replace(known, moment=update.moment, audiences=audiences)
            outcome.superseded["status"] = COMPLAINT_OUTRANKS
        if status is Status.SUBSCRIBED and audiences:
            # The moment of the opt-out stays: it is the one that holds.
            seen = replace(known, audiences=audiences)
            outcome.superseded["status"] = OTHER_AUDIENCE
    draft.memories[outcome.person] = replace(memory, status=seen)


def _audiences(
    draft: Draft, update: ContactUpdate, status: Status, known: StatusSeen | None
) -> frozenset[str]:
    """The audiences in which an opt-out holds after an event; who comes back without naming one, to all."""
    before = known.audiences if known else frozenset()
    mine = frozenset({update.list_id} if update.list_id else ())
    if draft.rules.opts_out(status):
        return before | mine
    if status is not Status.SUBSCRIBED:
        return before
    return before - mine if mine else frozenset()


def _write_flag(draft: Draft, outcome: Outcome, row_id: str, status: Status) -> None:
    rules, memory = draft.rules, draft.memory(outcome.person)
    flagged = bool(draft.values(row_id).get(rules.flag_column)) == rules.flag_value
    is_ours = flagged and row_id in memory.flagged
    if rules.opts_out(status) and not flagged:
        draft.write(outcome, row_id, rules.flag_column, rules.flag_value)
        is_ours = True
    elif status is Status.SUBSCRIBED and flagged:
        if is_ours and rules.clear_on_subscribe:
            draft.write(outcome, row_id, rules.flag_column, not rules.flag_value)
            is_ours = False
        else:
            outcome.flag_kept.add(row_id)
    flags = memory.flagged | {row_id} if is_ours else memory.flagged - {row_id}
    draft.memories[outcome.person] = replace(memory, flagged=flags)
