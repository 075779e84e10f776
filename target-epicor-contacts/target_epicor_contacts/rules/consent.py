"""Applies the status of an event: the flag, and the columns with its particulars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kinetic_mailchimp.audit.state.flag_state import FlagCause, FlagState
from kinetic_mailchimp.kit.parsing.email_address import domain_spellings
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status
from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.epicor.entities import EMAIL, EpicorRow
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import StatusSeen

COMPLAINT_OUTRANKS = "complaint_outranks"
OTHER_AUDIENCE = "opted_out_of_other_audience"
OTHER_SPELLING = "opted_out_in_other_spelling"
OPT_OUT_OF_REP = "opt_out_of_rep"
OWN_OPT_OUT = "own_opt_out"
ADDRESS_CORRECTED = "address_corrected"
_CAUSES = {
    Status.UNSUBSCRIBED: FlagCause.PERSON,
    Status.COMPLAINT: FlagCause.COMPLAINT,
    Status.CLEANED: FlagCause.BOUNCE,
}
_BY_WEIGHT = (FlagCause.REP, FlagCause.BOUNCE, FlagCause.PERSON, FlagCause.COMPLAINT)
WEAKER_THAN_COMPLAINT = frozenset({Status.UNSUBSCRIBED, Status.CLEANED})


def apply_status(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Bring the matched rows to the newest status; an event without one brings only what is pending."""
    event.ignored = _ignored(event)
    before = working.state(event.person).status
    if event.update.status and not event.ignored:
        if _is_known(working, event):
            _note_audience(working, event)
        else:
            _remember(working, event, event.update.status, matched=bool(matches))
    seen = working.state(event.person).status
    if seen and event.update.status and working.rules.opts_out(event.update.status):
        known = before.audiences if before else frozenset()
        event.counts_in = seen.audiences - known - {event.update.list_id or ""}
    if seen and event.superseded.get("status") == OTHER_AUDIENCE:
        _release(working, event, matches, seen)
    has_news = (
        event.update.status
        and not event.ignored
        and event.superseded.get("status") in {None, COMPLAINT_OUTRANKS}
    )
    if seen is None or not matches or not (has_news or seen.pending):
        return
    event.reason = OPT_OUT_OF_REP if seen.origins else ""
    write_status(working, event, matches, seen)
    state = working.state(event.person)
    working.states[event.person] = replace(state, status=replace(seen, pending=False))


def _note_audience(working: WorkingCopy, event: EventPlan) -> None:
    """Take note of a further audience in which a known opt-out holds: there it may reach other rows."""
    state, list_id = working.state(event.person), event.update.list_id
    if state.status and state.status.audiences and list_id and working.rules.opt_outs_count_in:
        status = replace(state.status, audiences=state.status.audiences | {list_id})
        working.states[event.person] = replace(state, status=status)


def _release(
    working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind], seen: StatusSeen
) -> None:
    """Take our flag back on the rows that no opt-out of the person reaches any more."""
    released = {
        row_id: kind
        for row_id, kind in matches.items()
        if not working.rules.reaches(seen, working.rows[row_id].company)
    }
    time = event.update.event_time
    write_status(working, event, released, StatusSeen(time, Status.SUBSCRIBED, time))


def _is_known(working: WorkingCopy, event: EventPlan) -> bool:
    """True in a repair for an opt-out that is known: what is remembered of it stays, and each row gets it."""
    known, status = working.state(event.person).status, event.update.status
    opts_out = working.rules.opts_out
    return bool(working.rules.repair and known and status and opts_out(known.value) and opts_out(status))


def _ignored(event: EventPlan) -> str:
    """Why a status says nothing about the person; empty where it does."""
    update = event.update
    if update.status is Status.CLEANED and event.followed:
        return ADDRESS_CORRECTED
    return OWN_OPT_OUT if update.echo and update.echo.withdrawn else ""


def write_status(
    working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind], seen: StatusSeen
) -> None:
    """Bring rows to a status: an opt-out, those of the companies in which it counts."""
    particulars = working.rules.particulars(seen)
    if event.update.status is Status.SUBSCRIBED and _is_out_in_other_spelling(working, event):
        event.superseded.setdefault("status", OTHER_SPELLING)
    for row_id, kind in matches.items():
        if working.rules.opts_out(seen.value) and not working.rules.reaches(
            seen, working.rows[row_id].company
        ):
            event.unreached.add(row_id)
            continue
        if not working.rules.opts_out(seen.value) and not may_clear_flag(working, event, row_id, kind):
            continue
        _write_flag(working, event, row_id, seen)
        for column, value in particulars.items():
            working.coerce_and_write(event, row_id, column, value)


def may_clear_flag(working: WorkingCopy, event: EventPlan, row_id: str, kind: MatchKind) -> bool:
    """True if a person who subscribes again may clear the flag of a row: not one of another address too.

    Nor while they are out under the other spelling of their domain.
    """
    if _is_out_in_other_spelling(working, event):
        return False
    if kind is MatchKind.LINKED_PERSON:
        return not addresses_in(working.values(row_id).get(EMAIL))
    return kind in {MatchKind.ONLY_ADDRESS, MatchKind.OTHER_SPELLING}


def _is_out_in_other_spelling(working: WorkingCopy, event: EventPlan) -> bool:
    others = (working.state(spelling).status for spelling in domain_spellings(event.person)[1:])
    return any(seen and working.rules.opts_out(seen.value) for seen in others)


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
        origins=update.echo.rows if update.echo else (),
    )
    if known:
        is_out = working.rules.opts_out(status) and working.rules.opts_out(known.value)
        age = update.event_time.age(known.event_time)
        if is_out and known.origins and not seen.origins:
            # The person's own opt-out holds, also one from before that of the rep.
            newest = known.event_time if age is Age.OLDER else update.event_time
            working.states[event.person] = replace(state, status=replace(seen, event_time=newest))
            return
        if is_out and seen.origins and not known.origins and age is not Age.OLDER:
            working.states[event.person] = replace(
                state, status=replace(known, event_time=update.event_time, audiences=audiences)
            )
            return
        if age is Age.OLDER:
            event.superseded["status"] = "newer_event"
            return
        if age is Age.SAME and status.weight < known.value.weight:
            event.superseded["status"] = "same_time_lower_weight"
            return
        if known.value is Status.COMPLAINT and status in WEAKER_THAN_COMPLAINT:
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
        # A bounce is of its audience, and a rep's word came from the rows.
        is_own = status is not Status.CLEANED and update.echo is None
        return before.union(mine, *(working.rules.counts_in(one) for one in mine if is_own))
    if status is not Status.SUBSCRIBED:
        return before
    return before - mine if mine else frozenset()


def _write_flag(working: WorkingCopy, event: EventPlan, row_id: str, seen: StatusSeen) -> None:
    rules, name, flag = working.rules, working.rows[row_id].name, working.flag_of(row_id)
    is_flagged = working.is_flagged(row_id)
    if not is_flagged:
        working.flags.pop(name, None)
    if rules.opts_out(seen.value):
        if name in seen.origins or (is_flagged and flag is None):
            # The wish of a rep, which is not ours to take back.
            return
        if not is_flagged:
            working.write(event, row_id, rules.flag_column, rules.flag_value)
        new = _flag(event, seen, working.rows[row_id])
        if not (is_flagged and flag and _BY_WEIGHT.index(flag.cause) >= _BY_WEIGHT.index(new.cause)):
            working.flags[name] = new
    elif seen.value is Status.SUBSCRIBED and is_flagged:
        if flag and flag.cause is not FlagCause.REP and rules.clear_on_subscribe:
            working.write(event, row_id, rules.flag_column, not rules.flag_value)
            del working.flags[name]
        else:
            event.flag_kept.add(row_id)


def _flag(event: EventPlan, seen: StatusSeen, row: EpicorRow) -> FlagState:
    return FlagState(
        event.person,
        FlagCause.REP if seen.origins else _CAUSES[seen.value],
        seen.origins[0] if seen.origins else "",
        event.update.list_id or "",
        format_timestamp(seen.cause.by_source),
        row_id=row.short_id,
    )
