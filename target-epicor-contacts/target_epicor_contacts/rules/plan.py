"""Applies a batch of events in the order in which they happened, and tells what must be written.

Nothing here reads or writes: rows, memories and events go in, changes and outcomes come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.columns import InvalidValueError
from target_epicor_contacts.epicor.entities import Row
from target_epicor_contacts.rules.address_change import apply_move, resolve
from target_epicor_contacts.rules.consent import apply_status
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.profile import apply_profile
from target_epicor_contacts.rules.working_copy import Draft
from target_epicor_contacts.state.person_state import PersonMemory


@dataclass(frozen=True)
class Plan:
    """What a batch comes to.

    Attributes:
        outcomes: One per event, in the order in which the events were handed in.
        writes: Row id to the columns to set, with only those that differ.
        memories: What to remember, by address, should all of it succeed.
    """

    outcomes: Sequence[Outcome]
    writes: Mapping[str, Mapping[str, Any]]
    memories: Mapping[str, PersonMemory]


def plan(
    updates: Sequence[ContactUpdate],
    rows: Iterable[Row],
    memories: Mapping[str, PersonMemory],
    rules: Rules,
) -> Plan:
    """Apply a batch of events to copies of rows and memories.

    Args:
        updates: In the order of arrival.
        rows: Every row that holds one of the addresses, and rows linked to those.
        memories: By address; an address that is not there is not known.
        rules: How events become changes.
    """
    draft = Draft(rows, memories, rules)
    outcomes = [Outcome(update, update.key, number) for number, update in enumerate(updates)]
    for outcome in sorted(outcomes, key=_when):
        _apply(draft, outcome)
    writes = draft.writes()
    for outcome in outcomes:
        draft.settle(outcome, writes)
    return Plan(outcomes, writes, draft.memories)


def _when(outcome: Outcome) -> tuple[Any, ...]:
    moment = outcome.update.moment
    return moment.at, moment.sequence or 0, outcome.number


def _apply(draft: Draft, outcome: Outcome) -> None:
    update = outcome.update
    outcome.person = resolve(update.key, update.moment, draft.memories)
    # Who has moved on may have left rows behind, such as one whose move Epicor refused.
    holds = {**draft.match(update.key), **draft.match(outcome.person)}
    holds = apply_move(draft, outcome, holds)
    outcome.matched = tuple(holds)
    apply_status(draft, outcome, holds)
    try:
        apply_profile(draft, outcome, holds)
    except InvalidValueError as error:
        outcome.error = error
