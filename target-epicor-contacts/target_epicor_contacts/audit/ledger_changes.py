"""Entries of the ledger after a batch: the states of people, and the flags that are ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_dataclass
from typing import Any

from kinetic_mailchimp.audit.state.audience_matrix import CountedOptOut, counted_namespace
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState
from kinetic_mailchimp.audit.state.people import PEOPLE_NAMESPACE
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp
from msgspec.structs import replace

from target_epicor_contacts.audit.event_result import BatchResult, EventResult
from target_epicor_contacts.contract.contact_update import Status
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.rules.plan import BatchPlan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.state.person_state import PersonState

PersonStates = Mapping[str, PersonState]
"""By address."""


@dataclass(frozen=True)
class Before:
    """The stored state and the rows before a batch.

    Attributes:
        states: By address.
        rows: By id.
        flags: Those that are ours, by the names of their rows.
    """

    states: PersonStates = field(default_factory=dict)
    rows: Mapping[str, EpicorRow] = field(default_factory=dict)
    flags: Mapping[str, FlagState] = field(default_factory=dict)


def ledger_changes(before: Before, planned: BatchPlan, result: BatchResult, rules: Rules) -> dict[str, Any]:
    """The changes of the ledger, for states and flags, and for opt-outs that count in other audiences.

    Args:
        before: What was stored before the batch.
        planned: The plan.
        result: What became of it.
        rules: The configured rules.
    """
    changes = {
        **(_counted(planned, result) if rules.opt_outs_count_in else {}),
        PEOPLE_NAMESPACE: _states_to_store(before.states, planned, result),
        FLAGS_NAMESPACE: _flags_to_store(before, planned, result, rules.flag_column),
    }
    return {namespace: entries for namespace, entries in changes.items() if entries}


def _counted(planned: BatchPlan, result: BatchResult) -> dict[str, dict[str, dict[str, Any] | None]]:
    """The opt-outs that target-mailchimp is to carry to further audiences; a return to one cancels it."""
    changes: dict[str, dict[str, dict[str, Any] | None]] = defaultdict(dict)
    for event in sorted(planned.events, key=lambda event: event.update.event_time.at):
        update, list_id = event.update, event.update.list_id or ""
        if EventResult(event, result).is_open:
            continue
        is_return = update.status is Status.SUBSCRIBED and event.superseded.get("status") != "newer_event"
        if is_return and list_id:
            changes[counted_namespace(list_id)][event.person] = None
        at = format_timestamp(update.event_time.by_source)
        opt_out = CountedOptOut(event.person, list_id, at)
        for further in event.counts_in:
            changes[counted_namespace(further)][event.person] = opt_out.to_json()
    return changes


def claims_on_columns(before: PersonStates, planned: BatchPlan) -> dict[str, Any]:
    """The changes of the ledger that claim what is about to be written to columns of audiences.

    Args:
        before: The states before the batch.
        planned: The plan.
    """
    claimed = {
        address: replace_dataclass(known, audiences=state.audiences).to_json()
        for address, state in planned.states.items()
        if state.audiences != (known := before.get(address, PersonState())).audiences
    }
    return {PEOPLE_NAMESPACE: claimed} if claimed else {}


def _flags_to_store(
    before: Before, planned: BatchPlan, result: BatchResult, flag_column: str
) -> dict[str, dict[str, Any] | None]:
    """The flags that fell, and those that were claimed and not set."""
    ids = {row.name: row.id for row in before.rows.values()}
    stored: dict[str, dict[str, Any] | None] = {}
    for name in before.flags.keys() | planned.flags.keys():
        was, flag = before.flags.get(name), planned.flags.get(name)
        write = result.writes.get(ids.get(name, ""))
        failed = write is not None and (write.gone or flag_column in write.refused)
        if flag is None and not failed and not (write and write.fatal):
            changed_at = write.now.updated_on if write and write.now else ""
            stored[name] = replace(was, cleared_at=changed_at).to_json() if was and changed_at else None
        elif flag is not None and flag != was and failed:
            stored[name] = was.to_json() if was else None
    return stored


def _states_to_store(
    before: PersonStates, planned: BatchPlan, result: BatchResult
) -> dict[str, dict[str, Any] | None]:
    """The states that changed; of a value that was not stored, a replay writes it, and no later event."""
    states = dict(planned.states)
    undecided: set[str] = set()
    for event in planned.events:
        event_result = EventResult(event, result)
        if event_result.is_open:
            undecided |= {event.person, event.update.key}
        if refused := frozenset(change.column for change in event_result.refused):
            known = before.get(event.person, PersonState())
            states[event.person] = states[event.person].refusing(refused, known)
    return {
        address: state.to_json()
        for address, state in states.items()
        if address not in undecided and state != before.get(address, PersonState())
    }
