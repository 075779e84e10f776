"""Merge fields that a batch writes: as they are before it, and where both systems agree after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.audit.state.member_state import OpenWrite

from target_epicor_contacts.audit.event_result import BatchResult, EventResult
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.rules.plan import BatchPlan
from target_epicor_contacts.state.known_members import MemberKey


def open_writes(
    planned: BatchPlan, rows: Mapping[str, EpicorRow], merge_fields: Mapping[str, str]
) -> dict[MemberKey, dict[str, OpenWrite]]:
    """The merge fields that a batch is about to write, with what they replace: by member and tag.

    Args:
        planned: The plan.
        rows: As they were read, by id.
        merge_fields: The setting of that name.
    """
    found: dict[MemberKey, dict[str, OpenWrite]] = defaultdict(dict)
    for event in sorted(planned.events, key=lambda event: event.update.event_time.at):
        update = event.update
        cells = {
            (change.row_id, merge_fields.get(change.column, "").partition(".")[0]) for change in event.changes
        }
        for row_id, tag in sorted(cells) if update.list_id else ():
            if tag not in update.merges:
                continue
            of_member, row = found[update.list_id or "", update.key], rows[row_id]
            before = {
                **(of_member[tag].before if tag in of_member else {}),
                row.name: _value_in(row, tag, merge_fields),
            }
            of_member[tag] = OpenWrite(update.merges[tag], before)
    return found


def _value_in(row: EpicorRow, tag: str, merge_fields: Mapping[str, str]) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a row, in the form of a merge field: a text, or its parts."""
    parts = {
        part: row.values.get(column)
        for column, merge_field in merge_fields.items()
        for name, _, part in [merge_field.partition(".")]
        if name == tag
    }
    return parts.get("", parts)


def agreed_values(planned: BatchPlan, result: BatchResult) -> dict[MemberKey, dict[str, Any] | None]:
    """The merge fields in which both sides agree after a batch: value by tag, by member.

    None for an address that was given up: the next person who gets it, even the same one, is new there.
    """
    found: dict[MemberKey, dict[str, Any]] = defaultdict(dict)
    given_up: set[MemberKey] = set()
    for event in sorted(planned.events, key=lambda event: event.update.event_time.at):
        update = event.update
        writes = [write for row_id in event.matched if (write := result.writes.get(row_id))]
        if not update.list_id or EventResult(event, result).is_open:
            continue
        here = (update.list_id, update.key)
        for tag, columns in event.agreed.items():
            stored = not any(write.gone or not write.refused.keys().isdisjoint(columns) for write in writes)
            if stored and tag in update.merges and tag not in update.overwritten:
                found[here][tag] = update.merges[tag]
        if update.new_key and event.person != update.key and "address" not in event.superseded:
            new = (update.list_id, update.new_key)
            found[new] |= found.pop(here, {})
            given_up |= {here, new}
            if event.person == update.new_key:
                given_up.discard(new)
    return {**found, **dict.fromkeys(given_up - _still_open(planned, result))}


def ended_writes(
    planned: BatchPlan, result: BatchResult, writes: Mapping[MemberKey, Mapping[str, OpenWrite]]
) -> dict[MemberKey, Mapping[str, OpenWrite]]:
    """The writes of a batch whose end is known."""
    still_open = _still_open(planned, result)
    return {member: of_tags for member, of_tags in writes.items() if member not in still_open}


def _still_open(planned: BatchPlan, result: BatchResult) -> set[MemberKey]:
    return {
        (event.update.list_id or "", event.update.key)
        for event in planned.events
        if EventResult(event, result).is_open
    }
