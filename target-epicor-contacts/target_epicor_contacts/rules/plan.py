"""Applies a batch of events in the order in which they happened, and plans the writes.

Nothing here reads or writes: rows, states and events go in, changes and events come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.columns import InvalidValueError
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.rules.address_change import apply_move, resolve
from target_epicor_contacts.rules.consent import apply_status
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.profile import apply_profile
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import PersonState


@dataclass(frozen=True)
class BatchPlan:
    """Plan of a batch.

    Attributes:
        events: One per event, in the order in which the events were handed in.
        writes: Row id to the columns to set, with only those that differ.
        states: The person states to store, by address, should all of it succeed.
    """

    events: Sequence[EventPlan]
    writes: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, PersonState]


def plan(
    updates: Sequence[ContactUpdate],
    rows: Iterable[EpicorRow],
    states: Mapping[str, PersonState],
    rules: Rules,
) -> BatchPlan:
    """Apply a batch of events to copies of rows and states.

    Args:
        updates: In the order of arrival.
        rows: Every row that holds one of the addresses, and rows linked to those.
        states: By address; an address that is not there is not known.
        rules: The configured rules.
    """
    working = WorkingCopy(rows, states, rules)
    events = [EventPlan(update, update.key, number) for number, update in enumerate(updates)]
    for event in sorted(events, key=_when):
        _apply(working, event)
    writes = working.writes()
    for event in events:
        working.settle(event, writes)
    return BatchPlan(events, writes, working.states)


def _when(event: EventPlan) -> tuple[Any, ...]:
    event_time = event.update.event_time
    return event_time.at, event_time.sequence or 0, event.number


def _apply(working: WorkingCopy, event: EventPlan) -> None:
    update = event.update
    event.person = resolve(update.key, update.event_time, working.states)
    # A person who has moved on may have left rows behind, such as one whose move Epicor refused.
    matches = {**working.match(update.key), **working.match(event.person)}
    matches = apply_move(working, event, matches)
    event.matched = tuple(matches)
    apply_status(working, event, matches)
    try:
        apply_profile(working, event, matches)
    except InvalidValueError as error:
        event.error = error
