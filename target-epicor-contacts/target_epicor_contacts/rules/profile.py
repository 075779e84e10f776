"""Applies the columns of an event, field by field, against the values last seen on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.audit.state.three_way import ConflictPolicy, Side

from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.column_values import (
    InvalidValueError,
    fingerprint,
    is_empty,
    same,
    timestamp_in,
)
from target_epicor_contacts.epicor.columns import CHANGE_TIMESTAMPS, NAME, NEVER_WRITTEN, OF_CONTACTS_ONLY
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.row_owner import RowsToWrite, rows_to_write
from target_epicor_contacts.rules.three_way_merge import merge_field
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import FieldSeen

NEWEST_WINS = ConflictPolicy.NEWEST_WINS
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


@dataclass(frozen=True)
class _Cell:
    """A column of a field.

    Attributes:
        values: Its value in Mailchimp by entity, in the form that each takes.
        seen: The same, to remember.
        agreed: The value seen last, where both sides had no other one in common since.
    """

    values: Mapping[str, Any]
    seen: FieldSeen
    agreed: FieldSeen | None

    @property
    def known(self) -> str | None:
        """Fingerprint of the value that Mailchimp had last."""
        return self.agreed.value if self.agreed else self.seen.sent

    @property
    def is_empty(self) -> bool:
        """True if Mailchimp has nothing in it."""
        return all(is_empty(value) for value in self.values.values())

    def stands_in_for(self, value: Any) -> bool:  # noqa: ANN401 (any JSON)
        """True if Mailchimp has what it was sent, for a row that has nothing: a placeholder."""
        return is_empty(value) and not self.is_empty and self.seen.sent == self.seen.value


_Field = Mapping[str, _Cell]
"""By column: one, or all parts of an address, which move together."""


def apply_profile(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Set the columns of an event in the rows of the person who has its address, but values that do not fit.

    The event's error is that of the first such value.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for column, value in event.update.columns.items():
        try:
            wanted[column] = _typed(working, column, value)
        except InvalidValueError as error:
            event.error = event.error or error
    rows = rows_to_write(working, matches)
    fields: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for column, values in wanted.items() if rows.all else ():
        fields[_field_of(working, column)][column] = values
    for name, columns in fields.items():
        _apply_field(working, event, rows, name, columns)
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


def _typed(working: WorkingCopy, column: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
    """A value by entity, in the form that each takes."""
    rules = working.rules
    holders = rules.columns.holders(column, rules.entities)
    if column in NEVER_WRITTEN or not holders:
        raise InvalidValueError(
            f"`{column}` cannot be written: {NEVER_WRITTEN.get(column, 'Epicor has no such column')}.",
            advice="Let the stream's schema name it, so that it is checked at the start.",
            field=column,
        )
    return {entity.name: rules.columns.coerced(entity, column, value) for entity in holders}


def _field_of(working: WorkingCopy, column: str) -> str:
    """The name of the field that a column is part of: of parts of one merge field, its tag."""
    tag, _, part = working.rules.merge_fields.get(column, "").partition(".")
    return tag if part else column


def _apply_field(
    working: WorkingCopy,
    event: EventPlan,
    rows: RowsToWrite,
    name: str,
    columns: Mapping[str, Mapping[str, Any]],
) -> None:
    update = event.update
    known = working.state(event.person).fields
    times = [known[column].event_time for column in columns if column in known]
    if any(update.event_time.age(time) is Age.OLDER for time in times):
        event.superseded["profile"] = "newer_event"
        return
    field = {column: _cell(working, event, column, values) for column, values in columns.items()}
    is_news = any(cell.known != cell.seen.value for cell in field.values())
    is_declared = not columns.keys().isdisjoint(working.rules.merge_fields)
    if is_declared and all(cell.is_empty and cell.known is None for cell in field.values()):
        # A field that Mailchimp never had has nothing to take.
        is_news = False
    if rows.withheld:
        differs = any(_differs(working, row_id, field) for row_id in rows.all)
        event.withheld |= dict.fromkeys(columns if is_news and differs else (), rows.withheld)
        return
    for row_id in rows.own if is_news else ():
        _write_field(working, event, row_id, field)
    state = working.state(event.person)
    seen = {column: cell.seen for column, cell in field.items()}
    working.states[event.person] = replace(state, fields={**state.fields, **seen})
    if is_declared and not any(_differs(working, row_id, field) for row_id in rows.all):
        event.agreed[working.rules.merge_fields.get(name, name)] = tuple(columns)


def _cell(working: WorkingCopy, event: EventPlan, column: str, values: Mapping[str, Any]) -> _Cell:
    update, rules = event.update, working.rules
    entity = rules.columns.holders(column, rules.entities)[0]
    edm_type = rules.columns.edm_type(entity, column) or ""
    sent = fingerprint(update.sent[column], edm_type) if column in update.sent else None
    known = working.state(event.person).fields.get(column)
    return _Cell(
        values,
        FieldSeen(update.event_time, fingerprint(values[entity.name], edm_type), sent),
        known if known and known.still_holds(sent) else None,
    )


def _differs(working: WorkingCopy, row_id: str, field: _Field) -> bool:
    """True if a row has another value in one of the columns that it takes."""
    row, values = working.rows[row_id], working.values(row_id)
    return any(
        not same(cell.values[row.entity.name], values.get(column), edm_type)
        for column, cell in field.items()
        if (edm_type := working.edm_type(row_id, column)) and not cell.stands_in_for(values.get(column))
    )


def _write_field(working: WorkingCopy, event: EventPlan, row_id: str, field: _Field) -> None:
    rules, row, values = working.rules, working.rows[row_id], working.values(row_id)
    types = {
        column: edm_type
        for column, cell in field.items()
        if (edm_type := working.edm_type(row_id, column)) and not cell.stands_in_for(values.get(column))
    }
    if not types:
        return
    if rules.flag_column in types and working.is_flagged(row_id) and _differs(working, row_id, field):
        # Consent comes back by a status, which asks who set the flag.
        event.flag_kept.add(row_id)
        return
    state = working.state(event.person)
    noted = state.rows.get(row_id, {})
    current = {column: fingerprint(values.get(column), edm_type) for column, edm_type in types.items()}
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
        is_same=not _differs(working, row_id, field),
        would_clear=empties and not rules.allow_clear,
        mailchimp_is_empty=empties,
        epicor_is_empty=all(is_empty(values.get(column)) for column in types),
        epicor_changed=changed if was_seen else None,
        policy=rules.conflict_policy,
        event_at=event.update.event_time.at,
        row_changed_at=changed_at(row.values) if rules.conflict_policy is NEWEST_WINS else None,
    )
    wanted = {column: field[column].values[row.entity.name] for column in types}
    if merged is Side.MAILCHIMP:
        event.conflicts |= {column for column in types if was_seen and changed}
        for column, edm_type in types.items():
            working.write_if_other(event, row_id, column, wanted[column], edm_type)
    elif merged is Side.EPICOR:
        event.kept |= {
            (row_id, column): (values.get(column), wanted[column])
            for column, edm_type in types.items()
            if not same(wanted[column], values.get(column), edm_type)
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
    row, columns = working.rows[row_id], working.rules.columns
    writes = {
        column: write
        for column, write in event.update.writing.items()
        if column in types and row.name in write.before
    }
    if all(
        fingerprint(write.before[row.name], types[column]) == current[column]
        for column, write in writes.items()
    ):
        return {}
    values = {
        column: fingerprint(columns.coerced(row.entity, column, write.value), types[column])
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
