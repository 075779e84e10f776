"""Moves a person to a new address, and finds the address that a person has moved on to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from msgspec import structs

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.contract.event_order import Age, EventTime
from target_epicor_contacts.epicor.column_values import InvalidValueError
from target_epicor_contacts.epicor.entities import EMAIL, SYNC_EMAIL
from target_epicor_contacts.rules.consent import write_status
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import Moved, PersonState


def resolve(
    key: str, event_time: EventTime, states: Mapping[str, PersonState], list_id: str | None = None
) -> str:
    """The address that a person had moved on to.

    So it is for an event from before the move that arrives after it, and for one of an audience in which they
    still have the address.

    Args:
        key: The address of the event.
        event_time: Its time.
        states: By address.
        list_id: Its audience; None for an event that stays with the address.
    """
    start, passed = key, {key}
    while (state := states.get(key)) and (moved := state.moved):
        is_elsewhere = list_id and moved.audiences and list_id not in moved.audiences
        if not (is_elsewhere or event_time.age(moved.event_time) is Age.OLDER):
            break
        if moved.to in passed:
            # Who came back gave nothing up in the end.
            return start if moved.to == start else key
        key = moved.to
        passed.add(key)
    return key


def apply_move(working: WorkingCopy, event: EventPlan, matches: dict[str, MatchKind]) -> dict[str, MatchKind]:
    """Give the rows that hold the old address the new one, and the new address the person's state.

    Returns:
        The rows that the rest of the event applies to.
    """
    update, old = event.update, event.person
    if update.new_key and update.new_key == old:
        _note_audience(working, update)
    if update.new_key is None or update.new_key == old or update.new_email is None:
        return matches
    state = working.state(old)
    known = state.moved.event_time if state.moved else state.settled
    if update.event_time.age(known) is Age.OLDER:
        event.superseded["address"] = "newer_event"
        return matches
    # Later moves may have arrived before this one.
    new = resolve(update.new_key, update.event_time, working.states, update.list_id)
    new_email = update.new_email if new == update.new_key else new
    if new == old:
        event.superseded["address"] = "newer_event"
        return matches
    own = {row_id for row_id, kind in matches.items() if kind is MatchKind.ONLY_ADDRESS}
    if error := _misfit(working, own, new_email):
        event.error = event.error or error
        return matches
    _write_address(working, event, own, new_email)
    joined = working.state(new).taking_over(state)
    if new == update.new_key:
        joined = replace(joined, settled=update.event_time)
    audiences = frozenset({update.list_id} if update.list_id else ())
    working.states[old] = PersonState(moved=Moved(update.event_time, update.new_key, audiences))
    working.states[new] = joined
    event.person = new
    for row_id in own:
        if (flag := working.flag_of(row_id)) and flag.address == old:
            working.flags[working.rows[row_id].name] = structs.replace(flag, address=new)
    moved = working.match(new)
    if joined.status and moved:
        # The newest status of both addresses holds for all rows of the new one.
        write_status(working, event, moved, joined.status)
        working.states[new] = replace(working.state(new), status=replace(joined.status, pending=False))
    return moved or matches


def _note_audience(working: WorkingCopy, update: ContactUpdate) -> None:
    """Take note that the address was given up in a further audience for the one that the person has."""
    state = working.state(update.key)
    if state.moved and state.moved.audiences and update.list_id:
        audiences = state.moved.audiences | {update.list_id}
        working.states[update.key] = replace(state, moved=replace(state.moved, audiences=audiences))


def _write_address(working: WorkingCopy, event: EventPlan, own: set[str], address: str) -> None:
    for row_id in sorted(own):
        working.write(event, row_id, EMAIL, address)
        if working.values(row_id).get(SYNC_EMAIL) and not own.issuperset(
            working.contacts_of_same_person(row_id)
        ):
            # Kinetic would carry the address on to contacts of this person that have another one.
            working.write(event, row_id, SYNC_EMAIL, value=False)


def _misfit(working: WorkingCopy, row_ids: Iterable[str], address: str) -> InvalidValueError | None:
    """The reason why the column of an address does not take it."""
    try:
        for row_id in row_ids:
            working.rules.columns.coerced(working.rows[row_id].entity, EMAIL, address)
    except InvalidValueError as error:
        return error
    return None
