"""Applies the columns of an event, field by field, against the values last seen on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.audit.state.three_way import ConflictPolicy, Side

from target_epicor_contacts.epicor.column_values import (
    CLEARED,
    fingerprint,
    is_empty,
    same,
    timestamp_in,
)
from target_epicor_contacts.epicor.columns import CHANGE_TIMESTAMPS, NAME, OF_CONTACTS_ONLY
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.rules.cell import CellsOfField, cell_of, differs
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.row_owner import FLAG_IS_CONSENT, RowsToWrite, rows_to_write
from target_epicor_contacts.rules.three_way_merge import merge_field
from target_epicor_contacts.rules.working_copy import WorkingCopy

NEWEST_WINS = ConflictPolicy.NEWEST_WINS
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


def apply_profile(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Set the columns of an event in the rows of the person who has its address, but values that do not fit.

    The event's error is that of the first such value.
    """
    rows = rows_to_write(working, matches)
    flag, fields = working.rules.flag_column, defaultdict[str, dict[str, Any]](dict)
    for column, value in event.update.columns.items():
        fields[_field_of(working, column)][column] = value
    for name, columns in fields.items():
        field = {column: cell_of(working, event, column, value) for column, value in columns.items()}
        if any(cell.is_overtaken for cell in field.values()):
            event.superseded["profile"] = "newer_event"
        elif any(cell.error for cell in field.values()):
            _refuse_field(working, event, field)
        elif flag in field and working.rules.flag_value not in field[flag].values.values():
            # No field of a profile takes an opt-out back: that takes a status, and its rules.
            if any(map(working.is_flagged, rows.all)):
                event.withheld[flag] = FLAG_IS_CONSENT
        elif rows.all:
            _apply_field(working, event, rows, name, field)
    for row_id in rows.own:
        _derive_name(working, event, row_id)


def changed_at(values: Mapping[str, Any]) -> datetime | None:
    """The time of Epicor's last change of a row, or None where the row does not have it."""
    for column in CHANGE_TIMESTAMPS:
        if timestamp := timestamp_in(values.get(column)):
            return timestamp
    # The true instant is the local midnight, with that day's offset, and the seconds since then.
    day, seconds = timestamp_in(values.get("ChangeDate")), values.get("ChangeTime")
    return day + timedelta(seconds=int(seconds)) if day and seconds else None


def _field_of(working: WorkingCopy, column: str) -> str:
    """The name of the field that a column is part of: of parts of one merge field, its tag."""
    tag, _, part = working.rules.merge_fields.get(column, "").partition(".")
    return tag if part else column


def _apply_field(
    working: WorkingCopy, event: EventPlan, rows: RowsToWrite, name: str, field: CellsOfField
) -> None:
    is_news = any(cell.is_news for cell in field.values())
    is_declared = not field.keys().isdisjoint(working.rules.merge_fields)
    if is_declared and all(cell.is_empty and cell.known is None for cell in field.values()):
        # A field that Mailchimp never had has nothing to take.
        is_news = False
    if rows.withheld:
        is_other = any(differs(working, event, row_id, field) for row_id in rows.all)
        event.withheld |= dict.fromkeys(field if is_news and is_other else (), rows.withheld)
        return
    for row_id in rows.own if is_news else ():
        _write_field(working, event, row_id, field)
    state = working.state(event.person)
    seen = {column: cell.to_remember for column, cell in field.items()}
    working.states[event.person] = replace(state, fields={**state.fields, **seen})
    if is_declared and not any(differs(working, event, row_id, field) for row_id in rows.all):
        event.agreed[working.rules.merge_fields.get(name, name)] = tuple(field)


def _refuse_field(working: WorkingCopy, event: EventPlan, field: CellsOfField) -> None:
    """Keep a field of which a value does not fit out of the rows, as a whole, and tell it once.

    A later event of the person has the same value and is about something else; a replay tells it again.
    """
    state = working.state(event.person)
    if any(cell.is_news for cell in field.values()):
        event.error = event.error or next(cell.error for cell in field.values() if cell.error)
        seen = {column: cell.seen.refusing(cell.agreed) for column, cell in field.items()}
        working.states[event.person] = replace(state, fields={**state.fields, **seen})


def _write_field(working: WorkingCopy, event: EventPlan, row_id: str, field: CellsOfField) -> None:
    rules, row, values = working.rules, working.rows[row_id], working.values(row_id)
    types = {
        column: edm_type
        for column, cell in field.items()
        if (edm_type := working.edm_type(row_id, column)) and not cell.stands_in_for(values.get(column))
    }
    if not types:
        return
    state = working.state(event.person)
    noted = state.rows.get(row_id, {})
    of = event.update.fields
    current = {
        column: fingerprint(values.get(column), edm_type, of.get(column))
        for column, edm_type in types.items()
    }
    # The row's value when both sides last agreed: as noted, as Mailchimp had it, or as it was sent.
    then = {
        column: noted.get(column, field[column].known) if field[column].agreed else field[column].known
        for column in types
    }
    if written := _written(working, event, row_id, types, current):
        if all(value == field[column].seen.value for column, value in written.items()):
            # Mailchimp says nothing new, and Epicor has something newer.
            return
        then |= written
    was_seen = any(value is not None for value in then.values())
    changed = any(value is not None and value != current[column] for column, value in then.items())
    empties = all(field[column].is_empty for column in types)
    merged = merge_field(
        is_same=not differs(working, event, row_id, field),
        would_clear=empties and not rules.allow_clear,
        mailchimp_is_empty=empties,
        epicor_is_empty=all(is_empty(values.get(column)) for column in types),
        epicor_changed=changed if was_seen else None,
        policy=rules.conflict_policy,
        event_at=event.update.event_time.at,
        row_changed_at=changed_at(row.values) if rules.conflict_policy is NEWEST_WINS else None,
    )
    given = {column: field[column].values[row.entity.name] for column in types}
    wanted = {
        column: CLEARED.get(types[column]) if value is None else value for column, value in given.items()
    }
    if merged is Side.MAILCHIMP:
        event.conflicts |= {column for column in types if was_seen and changed}
        for column, edm_type in types.items():
            working.write_if_other(event, row_id, column, wanted[column], edm_type)
    elif merged is Side.EPICOR:
        event.kept |= {
            (row_id, column): (values.get(column), wanted[column])
            for column, edm_type in types.items()
            if not same(wanted[column], values.get(column), edm_type, of.get(column))
        }
    elif merged is None:
        event.refused |= types.keys()
    agrees = merged in {Side.MAILCHIMP, Side.AGREE}
    others = {column: kept for column, kept in noted.items() if column not in types}
    note = {} if agrees else current
    working.states[event.person] = replace(state, rows={**state.rows, row_id: {**others, **note}})


def _written(
    working: WorkingCopy,
    event: EventPlan,
    row_id: str,
    types: Mapping[str, str],
    current: Mapping[str, str],
) -> dict[str, str]:
    """The values that a run which broke off has written to a row, where the row was changed again since."""
    row, columns, of = working.rows[row_id], working.rules.columns, event.update.fields
    writes = {
        column: write
        for column, write in event.update.writing.items()
        if column in types and row.name in write.before
    }
    if all(
        fingerprint(write.before[row.name], types[column], of.get(column)) == current[column]
        for column, write in writes.items()
    ):
        return {}
    values = {
        column: fingerprint(columns.coerced(row.entity, column, write.value), types[column], of.get(column))
        for column, write in writes.items()
    }
    return values if any(value != current[column] for column, value in values.items()) else {}


def _derive_name(working: WorkingCopy, event: EventPlan, row_id: str) -> None:
    """Kinetic does not derive a contact's Name from its parts on an update: all travel together."""
    touched = working.columns_written(event, row_id)
    if working.rows[row_id].entity is not CONTACT or NAME in touched or not touched & OF_CONTACTS_ONLY:
        return
    values = working.values(row_id)
    words = (str(values.get(part) or "").strip() for part in NAME_PARTS)
    if name := " ".join(word for word in words if word):
        fitting = working.rules.columns.cut(CONTACT, NAME, name)
        working.write_if_other(event, row_id, NAME, fitting, "Edm.String")
