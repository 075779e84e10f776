"""Applies the columns of an event, field by field, against what was last seen on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.columns import (
    OF_CONTACTS_ONLY,
    InvalidValueError,
    coerce,
    fingerprint,
    is_empty,
    parse_moment,
    same,
)
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.matching import Hold
from target_epicor_contacts.rules.policy import ConflictPolicy
from target_epicor_contacts.rules.three_way_merge import Verdict, merge_field
from target_epicor_contacts.rules.working_copy import Draft
from target_epicor_contacts.state.person_state import FieldSeen

CHANGE_MOMENTS = ("UpdatedOn", "ChangedOn")
"""Columns that say when a row was changed, best first; ChangeDate and ChangeTime are the last resort."""
NEWEST_WINS = ConflictPolicy.NEWEST_WINS
NAME = "Name"
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


@dataclass(frozen=True)
class _Field:
    """A column that changed in Mailchimp.

    Attributes:
        column: Its name.
        values: Its new value by entity, in the form that each takes.
        agreed: What was seen last, where Mailchimp was given nothing else since.
        sent: The fingerprint of what Mailchimp was given last, where that is known.
    """

    column: str
    values: Mapping[str, Any]
    agreed: FieldSeen | None
    sent: str | None


def apply_profile(draft: Draft, outcome: Outcome, holds: Mapping[str, Hold]) -> None:
    """Set the columns of an event in the rows that hold its address alone.

    Raises:
        InvalidValueError: A value does not fit, or no entity has the column.
    """
    wanted = {column: _typed(draft, column, value) for column, value in outcome.update.columns.items()}
    own = [row_id for row_id, hold in holds.items() if hold is Hold.SOLE]
    for column, values in wanted.items() if own else ():
        _apply_column(draft, outcome, own, column, values)
    for row_id in own:
        _derive_name(draft, outcome, row_id)


def changed_at(values: Mapping[str, Any]) -> datetime | None:
    """When Epicor last changed a row, or None where it does not say so."""
    for column in CHANGE_MOMENTS:
        if moment := parse_moment(values.get(column)):
            return moment
    # The true instant is the local midnight, with that day's offset, and the seconds since then.
    day, seconds = parse_moment(values.get("ChangeDate")), values.get("ChangeTime")
    return day + timedelta(seconds=int(seconds)) if day and seconds else None


def _typed(draft: Draft, column: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
    """A value by entity, in the form that each takes."""
    rules = draft.rules
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
    draft: Draft, outcome: Outcome, own: list[str], column: str, values: Mapping[str, Any]
) -> None:
    update, rules = outcome.update, draft.rules
    known = draft.memory(outcome.person).fields.get(column)
    if update.moment.age(known.moment if known else None) is Age.OLDER:
        outcome.superseded["profile"] = "newer_event"
        return
    entity = rules.columns.holders(column, rules.entities)[0]
    edm_type = rules.columns.edm_type(entity, column) or ""
    sent = fingerprint(update.sent[column], edm_type) if column in update.sent else None
    seen = FieldSeen(update.moment, fingerprint(values[entity.name], edm_type), sent)
    agreed = known if known and known.still_holds(sent) else None
    if (agreed.value if agreed else sent) != seen.value:
        field = _Field(column, values, agreed, sent)
        for row_id in own:
            _write_field(draft, outcome, row_id, field)
    memory = draft.memory(outcome.person)
    draft.memories[outcome.person] = replace(memory, fields={**memory.fields, column: seen})


def _write_field(draft: Draft, outcome: Outcome, row_id: str, field: _Field) -> None:
    rules, row, column = draft.rules, draft.rows[row_id], field.column
    edm_type = draft.edm_type(row_id, column)
    if edm_type is None:
        return
    value, current = field.values[row.entity.name], draft.values(row_id).get(column)
    memory = draft.memory(outcome.person)
    noted = memory.rows.get(row_id, {})
    # What the row held when both sides last agreed: as noted, as Mailchimp had it, or as it was sent.
    then = noted.get(column, field.agreed.value) if field.agreed else field.sent
    verdict = merge_field(
        is_same=same(value, current, edm_type),
        would_clear=is_empty(value) and not rules.allow_clear,
        epicor_is_empty=is_empty(current),
        epicor_changed=None if then is None else fingerprint(current, edm_type) != then,
        policy=rules.conflict_policy,
        event_at=outcome.update.moment.at,
        row_changed_at=changed_at(row.values) if rules.conflict_policy is NEWEST_WINS else None,
    )
    if verdict is Verdict.WRITE:
        draft.write(outcome, row_id, column, value)
    elif verdict is Verdict.KEEP:
        outcome.kept.add(column)
    elif verdict is Verdict.REFUSE:
        outcome.refused.add(column)
    agrees = verdict in {Verdict.WRITE, Verdict.SAME}
    note = {} if agrees else {column: fingerprint(current, edm_type)}
    others = {name: kept for name, kept in noted.items() if name != column}
    draft.memories[outcome.person] = replace(memory, rows={**memory.rows, row_id: {**others, **note}})


def _derive_name(draft: Draft, outcome: Outcome, row_id: str) -> None:
    """Kinetic does not derive a contact's Name from its parts on an update: all travel together."""
    touched = draft.columns_written(outcome, row_id)
    if draft.rows[row_id].entity is not CONTACT or NAME in touched or not touched & OF_CONTACTS_ONLY:
        return
    values = draft.values(row_id)
    words = (str(values.get(part) or "").strip() for part in NAME_PARTS)
    if name := " ".join(word for word in words if word):
        draft.write_if_other(outcome, row_id, NAME, name, "Edm.String")
