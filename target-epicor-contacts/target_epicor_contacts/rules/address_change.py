"""Moves a person to a new address, and finds those who have moved on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from target_epicor_contacts.contract.event_order import Age, Moment
from target_epicor_contacts.epicor.entities import EMAIL, SYNC_EMAIL
from target_epicor_contacts.rules.consent import write_status
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.matching import Hold
from target_epicor_contacts.rules.working_copy import Draft
from target_epicor_contacts.state.person_state import Moved, PersonMemory


def resolve(key: str, moment: Moment, memories: Mapping[str, PersonMemory]) -> str:
    """The address that a person had moved on to, for an event from before the move that arrives after it."""
    passed = {key}
    while (memory := memories.get(key)) and memory.moved and moment.age(memory.moved.moment) is Age.OLDER:
        if memory.moved.to in passed:
            break
        key = memory.moved.to
        passed.add(key)
    return key


def apply_move(draft: Draft, outcome: Outcome, holds: dict[str, Hold]) -> dict[str, Hold]:
    """Give the rows that hold the old address the new one, and the new address the person's memory.

    Returns:
        The rows that the rest of the event applies to.
    """
    update, old = outcome.update, outcome.person
    if update.new_key is None or update.new_key == old or update.new_email is None:
        return holds
    memory = draft.memory(old)
    known = memory.moved.moment if memory.moved else memory.settled
    if update.moment.age(known) is Age.OLDER:
        outcome.superseded["address"] = "newer_event"
        return holds
    # Later moves may have arrived before this one.
    new = resolve(update.new_key, update.moment, draft.memories)
    new_email = update.new_email if new == update.new_key else new
    if new == old:
        outcome.superseded["address"] = "newer_event"
        return holds
    own = {row_id for row_id, hold in holds.items() if hold is Hold.SOLE}
    for row_id in sorted(own):
        draft.write(outcome, row_id, EMAIL, new_email)
        if draft.values(row_id).get(SYNC_EMAIL) and not own.issuperset(draft.contacts_of_same_person(row_id)):
            # Kinetic would carry the address on to contacts of this person that have another one.
            draft.write(outcome, row_id, SYNC_EMAIL, value=False)
    joined = draft.memory(new).taking_over(memory)
    if new == update.new_key:
        joined = replace(joined, settled=update.moment)
    draft.memories[old] = PersonMemory(moved=Moved(update.moment, update.new_key))
    draft.memories[new] = joined
    outcome.person = new
    moved = draft.match(new)
    if joined.status and moved:
        # What is newest of both addresses holds for all rows of the new one.
        write_status(draft, outcome, moved, joined.status)
        draft.memories[new] = replace(draft.memory(new), status=replace(joined.status, pending=False))
    return moved or holds
