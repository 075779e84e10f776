"""Applies a batch of events in the order in which they happened, and plans the writes.

Nothing here reads or writes: rows, states and events go in, changes and events come out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

from target_epicor_contacts.contract.contact_update import ContactUpdate, Status
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.rules.address_change import apply_move, resolve
from target_epicor_contacts.rules.audience_status import apply_audience_status
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
        flags: The flags that are ours afterwards, by the names of their rows.
    """

    events: Sequence[EventPlan]
    writes: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, PersonState]
    flags: Mapping[str, FlagState] = field(default_factory=dict)


def plan(
    updates: Sequence[ContactUpdate],
    rows: Iterable[EpicorRow],
    states: Mapping[str, PersonState],
    rules: Rules,
    flags: Mapping[str, FlagState] | None = None,
    followed: Mapping[str, Collection[str]] | None = None,
) -> BatchPlan:
    """Apply a batch of events to copies of rows and states.

    Args:
        updates: In the order of arrival.
        rows: Every row that holds one of the addresses, and rows linked to those.
        states: By address; an address that is not there is not known.
        rules: The configured rules.
        flags: The flags that are ours, by the names of their rows.
        followed: Ids of the rows that an address had, where no row has it any more.
    """
    working = WorkingCopy(rows, states, rules, flags, followed)
    events = [EventPlan(update, update.key, number) for number, update in enumerate(updates)]
    for event in sorted(events, key=_when):
        _apply(working, event)
    return finish(working, events)


def finish(working: WorkingCopy, events: Sequence[EventPlan]) -> BatchPlan:
    """The plan that a working copy has come to.

    Args:
        working: After all events.
        events: In the order of arrival.
    """
    writes = working.writes()
    for event in events:
        working.settle(event, writes)
    return BatchPlan(events, writes, working.states, working.flags)


def untried(updates: Iterable[ContactUpdate]) -> BatchPlan:
    """The plan of a batch of which nothing is written."""
    return BatchPlan([EventPlan(update, update.key) for update in updates], {}, {})


def _when(event: EventPlan) -> tuple[Any, ...]:
    """The order of events; a change of address comes before what is told of its second under the new one.

    Mailchimp tells of both at once, and webhooks may arrive in any order.
    """
    update = event.update
    return update.event_time.at, update.new_key is None, update.event_time.sequence or 0, event.number


def _apply(working: WorkingCopy, event: EventPlan) -> None:
    event.update = update = _without_old_echo(working, _with_return(working, event.update))
    # A bounce stays with its address.
    list_id = None if update.status is Status.CLEANED else update.list_id
    event.person = resolve(update.key, update.event_time, working.states, list_id)
    # A person who has moved on may have left rows behind, such as one whose move Epicor refused.
    matches = {**working.match(update.key), **working.match(event.person)}
    matches = apply_move(working, event, matches)
    event.matched = tuple(matches)
    followed = working.follow(update.key)
    event.followed = followed is not None and matches == followed
    event.lost = not matches and followed is not None
    apply_status(working, event, matches)
    apply_audience_status(working, event, matches)
    apply_profile(working, event, matches)


def _without_old_echo(working: WorkingCopy, update: ContactUpdate) -> ContactUpdate:
    """The event as the person's own opt-out, where they came back after the one that was sent for a rep."""
    seen = working.state(update.key).status
    if update.echo is None or seen is None or seen.value is not Status.SUBSCRIBED:
        return update
    returned = seen.cause.by_source > parse_timestamp(update.echo.at)
    return replace(update, echo=None) if returned else update


def _with_return(working: WorkingCopy, update: ContactUpdate) -> ContactUpdate:
    """The event as a return, where it is told as `profile` and the person opted in after their opt-out."""
    seen = working.state(update.key).status
    if update.status or update.opted_in_at is None or seen is None or not working.rules.opts_out(seen.value):
        return update
    returned = seen.cause.by_source < update.opted_in_at <= update.event_time.by_source
    return replace(update, status=Status.SUBSCRIBED) if returned else update
