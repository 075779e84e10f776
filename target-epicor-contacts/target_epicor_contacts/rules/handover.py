"""Plans what target-mailchimp hands over: flags to set and to take back, and addresses to change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from kinetic_mailchimp.audit.state.flag_state import FlagCause, FlagState
from kinetic_mailchimp.audit.state.handover import Handover, HandoverAction
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from msgspec import structs

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status, parse_update
from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.rules.address_change import apply_move
from target_epicor_contacts.rules.consent import (
    ADDRESS_CORRECTED,
    OPT_OUT_OF_REP,
    apply_status,
    write_status,
)
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.plan import BatchPlan, finish
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import StatusSeen

STREAM = "consent_handover"
WITHDRAWN = "opt_out_withdrawn"
FORMER_ADDRESS = "flag_of_former_address"
ROW_OF_REP_GONE = "row_of_rep_gone"
COPY_OF_OURS = "copy_of_our_flag"
FLAG_OF_REP = "flag_of_rep"


@dataclass(frozen=True)
class HandedOver:
    """A handover, as a contact update.

    Attributes:
        update: The same for the audit trail and the rules.
    """

    row: str
    handover: Handover
    update: ContactUpdate


def read_handover(row: str, handover: Handover) -> HandedOver:
    """A handover as a contact update."""
    status = Status.SUBSCRIBED.value if not handover.rows else None
    is_move = handover.action is HandoverAction.MOVE
    if handover.action is HandoverAction.FLAG:
        status = handover.status or Status.UNSUBSCRIBED.value
    record = {
        "email": handover.address,
        "contact_status": status,
        "occurred_at": handover.at or format_timestamp(utc_now()),
        "list_id": handover.list_id,
        "source_key": None if is_move else row,
        "new_email": handover.new_address,
    }
    return HandedOver(row, handover, parse_update(STREAM, record))


def plan_handovers(
    handed_over: Iterable[HandedOver], working: WorkingCopy, gone: Collection[str] = ()
) -> BatchPlan:
    """Plan the flags to set and to take back, and the addresses to change.

    Args:
        handed_over: What waits.
        working: The rows and states.
        gone: Names of rows that were deleted: a wish that stood on one sets no other flag, and a flag or an
            address of ours goes on to the row that has come in its place.
    """
    events: list[EventPlan] = []
    moves: list[tuple[EventPlan, Handover]] = []
    ids = {row.name: row_id for row_id, row in working.rows.items()}
    for number, given in enumerate(handed_over):
        event = EventPlan(given.update, given.update.key, number)
        events.append(event)
        if given.handover.action is HandoverAction.MOVE:
            moves.append((event, given.handover))
        elif given.handover.action is HandoverAction.ADOPT:
            _adopt(working, event, given, ids.get(given.row), gone)
        elif given.handover.action is HandoverAction.FLAG and given.handover.origin in gone:
            event.ignored = ROW_OF_REP_GONE
        elif given.handover.action is HandoverAction.FLAG:
            _set(working, event, given, ids.get(given.row))
        elif given.handover.origin:
            _withdraw(working, event, given.handover, ids)
        else:
            _take_back(working, event, given, ids.get(given.row))
    # An address that one contact left may be another's by now.
    for event, handover in sorted(moves, key=lambda move: move[0].update.event_time.at):
        _move(working, event, handover, gone)
    return finish(working, events)


def _set(working: WorkingCopy, event: EventPlan, given: HandedOver, row_id: str | None) -> None:
    update, handover = given.update, given.handover
    matches = {name: kind for name, kind in working.match(update.key).items() if name == row_id}
    event.matched = tuple(matches)
    known = working.state(update.key).status
    status = update.status or Status.UNSUBSCRIBED
    returned = known is not None and known.value is Status.SUBSCRIBED and bool(handover.at)
    if returned and known and update.event_time.age(known.event_time) is Age.OLDER:
        event.superseded["status"] = "newer_event"
        return
    origins = (handover.origin,) if handover.cause is FlagCause.REP else ()
    seen = StatusSeen(update.event_time, status, update.event_time, origins=origins)
    if known and known.origins and not origins:
        # Mailchimp shows by now that it was the person's own.
        working.states[update.key] = replace(working.state(update.key), status=seen)
    elif known and known.value is not Status.SUBSCRIBED:
        # Reason, campaign and time are those of the opt-out that this row did not get.
        of_audience = {update.list_id} if update.list_id and known.audiences else set()
        seen = replace(known, audiences=known.audiences | of_audience)
    event.reason = OPT_OUT_OF_REP if seen.origins else ""
    write_status(working, event, matches, seen)


def _take_back(working: WorkingCopy, event: EventPlan, given: HandedOver, row_id: str | None) -> None:
    """The row's own flag: the person came back, or it belongs to an address that the row had before."""
    update, handover = given.update, given.handover
    matches = {name: kind for name, kind in working.match(update.key).items() if name == row_id}
    event.matched = tuple(matches)
    known = working.state(update.key).status
    flag = working.flags.get(given.row)
    is_former = flag is not None and flag.address != update.key
    if known and working.rules.opts_out(known.value) and (is_former or not handover.at):
        event.superseded["status"] = "newer_event"
        return
    for name in matches if working.rules.clear_on_subscribe else ():
        if is_former and working.is_flagged(name):
            event.reason = FORMER_ADDRESS
            working.write(event, name, working.rules.flag_column, not working.rules.flag_value)
            del working.flags[given.row]
    if is_former:
        # Nobody said anything about the address that the row has now.
        event.update = replace(update, status=None)
        return
    for name in matches:
        if working.is_flagged(name):
            working.flags.setdefault(given.row, FlagState(update.key, handover.cause))
    apply_status(working, event, matches)


def _adopt(
    working: WorkingCopy, event: EventPlan, given: HandedOver, row_id: str | None, gone: Collection[str]
) -> None:
    """Take a flag for ours, which a row has that came in the place of another one."""
    key = given.update.key
    matches = {name: kind for name, kind in working.match(key).items() if name == row_id}
    ours = sorted(given.handover.rows & working.flags.keys() & set(gone))
    if given.row in working.flags or not (ours and any(map(working.is_flagged, matches))):
        event.ignored = FLAG_OF_REP
        return
    event.matched, event.reason = tuple(matches), COPY_OF_OURS
    row_id = next(iter(matches))
    flag = working.flags.pop(ours[0])
    working.flags[given.row] = structs.replace(flag, row_id=working.rows[row_id].short_id)
    known = working.state(key).status
    if known and known.value is Status.SUBSCRIBED:
        write_status(working, event, matches, known)


def _withdraw(working: WorkingCopy, event: EventPlan, handover: Handover, ids: Mapping[str, str]) -> None:
    """Every flag that came from a rep's flag on another row."""
    rules, event.reason = working.rules, WITHDRAWN
    carried = {name: flag for name, flag in working.flags.items() if flag.origin == handover.origin}
    event.matched = tuple(ids[name] for name in carried if name in ids)
    for name in carried:
        row_id = ids.get(name)
        if row_id is None:
            del working.flags[name]
            continue
        if working.is_flagged(row_id) and not rules.clear_on_subscribe:
            event.flag_kept.add(row_id)
            continue
        if working.is_flagged(row_id):
            working.write(event, row_id, rules.flag_column, not rules.flag_value)
        del working.flags[name]
    for address in {email_key(handover.address), *(flag.address for flag in carried.values())}:
        state = working.state(address)
        if state.status and handover.origin in state.status.origins:
            working.states[address] = state.without_status()


def _move(working: WorkingCopy, event: EventPlan, handover: Handover, gone: Collection[str]) -> None:
    """Give the rows of a contact the address that it has in Mailchimp, and no one's opt-out but its own."""
    names: Collection[str] = handover.rows
    if not handover.is_taken and not handover.rows.isdisjoint(gone):
        # Rows have come in the place of some, as where customers are merged.
        names = [row.name for row in working.rows.values()]
    time, old, passed = event.update.event_time, event.person, set[str]()
    # Events may have told of the first of several changes.
    while not (matches := _rows_at(working, old, names)):
        moved = working.state(old).moved
        if old in passed or moved is None or time.age(moved.event_time) is not Age.NEWER:
            event.ignored = ADDRESS_CORRECTED
            return
        passed.add(old)
        old = moved.to
    event.person, before = old, working.state(old)
    is_subscriber = handover.status == Status.SUBSCRIBED
    if is_subscriber or handover.is_taken:
        working.states[old] = before.without_status()
    if handover.is_taken:
        # The move that is known there is of the person who has the address by now.
        working.states[old] = replace(working.states[old], settled=None, moved=None)
    event.matched = tuple(apply_move(working, event, matches))
    if event.person == old:
        working.states[old] = before
        return
    if handover.is_taken:
        is_older = time.age(before.settled) is Age.OLDER
        working.states[old] = before if is_older else replace(before, settled=time)
    not_theirs = {
        row_id: kind
        for row_id, kind in matches.items()
        if is_subscriber and (flag := working.flag_of(row_id)) and flag.list_id in {"", handover.list_id}
    }
    write_status(working, event, not_theirs, StatusSeen(time, Status.SUBSCRIBED, time))


def _rows_at(working: WorkingCopy, address: str, names: Collection[str]) -> dict[str, MatchKind]:
    matches = working.match(address)
    return {row_id: kind for row_id, kind in matches.items() if working.rows[row_id].name in names}
