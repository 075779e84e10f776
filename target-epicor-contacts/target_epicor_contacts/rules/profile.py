"""Applies the columns of an event, field by field, against the values last seen on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.columns import (
    CHANGE_TIMESTAMPS,
    OF_CONTACTS_ONLY,
    InvalidValueError,
    coerce,
    fingerprint,
    is_empty,
    same,
    timestamp_in,
)
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.policy import ConflictPolicy
from target_epicor_contacts.rules.three_way_merge import MergeResult, merge_field
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import FieldSeen

NEWEST_WINS = ConflictPolicy.NEWEST_WINS
NAME = "Name"
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


@dataclass(frozen=True)
class _Field:
    """A column that changed in Mailchimp.

    Attributes:
        column: Its name.
        values: Its new value by entity, in the form that each takes.
        agreed: The value seen last, where Mailchimp accepted no other one since.
        sent: Fingerprint of the last value that Mailchimp accepted, where one is known.
    """

    column: str
    values: Mapping[str, Any]
    agreed: FieldSeen | None
    sent: str | None


def apply_profile(working: WorkingCopy, event: EventPlan, matches: Mapping[str, MatchKind]) -> None:
    """Set the columns of an event in the rows that hold its address alone.

    Raises:
        InvalidValueError: A value does not fit, or no entity has the column.
    """
    wanted = {column: _typed(working, column, value) for column, value in event.update.columns.items()}
    own = [row_id for row_id, kind in matches.items() if kind is MatchKind.ONLY_ADDRESS]
    for column, values in wanted.items() if own else ():
        _apply_column(working, event, own, column, values)
    for row_id in own:
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
    if not holders:
        raise InvalidValueError(
            f"Epicor has no column `{column}` to write.",
            advice="Let the stream's schema name it, so that it is checked at the start.",
            field=column,
        )
    return {
        entity.name: coerce(column, value, rules.columns.edm_type(entity, column) or "") for entity in holders
    }


def _apply_column(
    working: WorkingCopy, event: EventPlan, own: list[str], column: str, values: Mapping[str, Any]
) -> None:
    update, rules = event.update, working.rules
    known = working.state(event.person).fields.get(column)
    if update.event_time.age(known.event_time if known else None) is Age.OLDER:
        event.superseded["profile"] = "newer_event"
        return
    entity = rules.columns.holders(column, rules.entities)[0]
    edm_type = rules.columns.edm_type(entity, column) or ""
    sent = fingerprint(update.sent[column], edm_type) if column in update.sent else None
    seen = FieldSeen(update.event_time, fingerprint(values[entity.name], edm_type), sent)
    agreed = known if known and known.still_holds(sent) else None
    if (agreed.value if agreed else sent) != seen.value:
        field = _Field(column, values, agreed, sent)
        for row_id in own:
            _write_field(working, event, row_id, field)
    state = working.state(event.person)
    working.states[event.person] = replace(state, fields={**state.fields, column: seen})


def _write_field(working: WorkingCopy, event: EventPlan, row_id: str, field: _Field) -> None:
    rules, row, column = working.rules, working.rows[row_id], field.column
    edm_type = working.edm_type(row_id, column)
    if edm_type is None:
        return
    value, current = field.values[row.entity.name], working.values(row_id).get(column)
    state = working.state(event.person)
    noted = state.rows.get(row_id, {})
    # The row's value when both sides last agreed: as noted, as Mailchimp had it, or as it was sent.
    then = noted.get(column, field.agreed.value) if field.agreed else field.sent
    verdict = merge_field(
        is_same=same(value, current, edm_type),
        would_clear=is_empty(value) and not rules.allow_clear,
        epicor_is_empty=is_empty(current),
        epicor_changed=None if then is None else fingerprint(current, edm_type) != then,
        policy=rules.conflict_policy,
        event_at=event.update.event_time.at,
        row_changed_at=changed_at(row.values) if rules.conflict_policy is NEWEST_WINS else None,
    )
    if verdict is MergeResult.WRITE:
        working.write(event, row_id, column, value)
    elif verdict is MergeResult.KEEP:
        event.kept.add(column)
    elif verdict is MergeResult.REFUSE:
        event.refused.add(column)
    agrees = verdict in {MergeResult.WRITE, MergeResult.SAME}
    note = {} if agrees else {column: fingerprint(current, edm_type)}
    others = {name: kept for name, kept in noted.items() if name != column}
    working.states[event.person] = replace(state, rows={**state.rows, row_id: {**others, **note}})


def _derive_name(working: WorkingCopy, event: EventPlan, row_id: str) -> None:
    """Kinetic does not derive a contact's Name from its parts on an update: all travel together."""
    touched = working.columns_written(event, row_id)
    if working.rows[row_id].entity is not CONTACT or NAME in touched or not touched & OF_CONTACTS_ONLY:
        return
    values = working.values(row_id)
    words = (str(values.get(part) or "").strip() for part in NAME_PARTS)
    if name := " ".join(word for word in words if word):
        working.write_if_other(event, row_id, NAME, name, "Edm.String")
