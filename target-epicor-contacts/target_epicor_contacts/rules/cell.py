"""A column of a merge field: its value in Mailchimp, the one seen before, and whether rows differ from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_epicor_contacts.contract.event_order import Age
from target_epicor_contacts.epicor.column_values import InvalidValueError, fingerprint, is_empty, same
from target_epicor_contacts.epicor.columns import NEVER_WRITTEN, Columns
from target_epicor_contacts.epicor.entities import Entity
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.person_state import FieldSeen


@dataclass(frozen=True)
class Cell:
    """A column of a field.

    Attributes:
        values: Its value in Mailchimp by entity, in the form that each takes.
        seen: The same, to remember.
        agreed: The value seen last, where both sides had no other one in common since.
        error: The reason why the column does not take it; then it has no `values`.
        age: Of the event, beside the newest one about the column.
    """

    values: Mapping[str, Any]
    seen: FieldSeen
    agreed: FieldSeen | None
    error: InvalidValueError | None = None
    age: Age = Age.NEWER

    @property
    def known(self) -> str | None:
        """Fingerprint of the value that Mailchimp had last."""
        return self.agreed.value if self.agreed else self.seen.sent

    @property
    def is_news(self) -> bool:
        """True if Mailchimp had another value before, and not one that was refused already."""
        is_replay = self.age is not Age.NEWER
        return self.known != self.seen.value and (is_replay or not self.was_refused)

    @property
    def is_overtaken(self) -> bool:
        """True if a newer event was about the column, and said something else than what was refused."""
        return self.age is Age.OLDER and not self.was_refused

    @property
    def was_refused(self) -> bool:
        """True if the value did not get into Epicor before: it is sent again when it changes, or replayed."""
        return self.agreed is not None and self.agreed.refused == self.seen.value

    @property
    def to_remember(self) -> FieldSeen:
        """The value to remember, where nothing goes wrong."""
        is_kept = self.was_refused and not self.is_news
        return self.seen.refusing(self.agreed) if is_kept else self.seen

    @property
    def is_empty(self) -> bool:
        """True if Mailchimp has nothing in it."""
        return all(is_empty(value) for value in self.values.values())

    def stands_in_for(self, value: Any) -> bool:  # noqa: ANN401 (any JSON)
        """True if Mailchimp has what it was sent, for a row that has nothing: a placeholder."""
        return is_empty(value) and not self.is_empty and self.seen.sent == self.seen.value


CellsOfField = Mapping[str, Cell]
"""By column: one, or all parts of an address, which move together."""


def cell_of(working: WorkingCopy, event: EventPlan, column: str, value: Any) -> Cell:  # noqa: ANN401 (any JSON)
    """A column with the value that an event has for it.

    Args:
        working: Rows and states.
        event: The event.
        column: Its name.
        value: In the form of the merge field.
    """
    update, columns = event.update, working.rules.columns
    holders, field = columns.holders(column, working.rules.entities), update.fields.get(column)
    edm_type = (columns.edm_type(holders[0], column) if holders else None) or ""
    sent = fingerprint(update.sent[column], edm_type, field) if column in update.sent else None
    known = working.state(event.person).fields.get(column)
    age = update.event_time.age(known.event_time) if known else Age.NEWER
    newest = known.event_time if known and age is Age.OLDER else update.event_time
    seen = FieldSeen(newest, fingerprint(value, edm_type, field), sent)
    agreed = known if known and known.still_holds(sent) else None
    try:
        return Cell(_typed(columns, holders, column, value), seen, agreed, age=age)
    except InvalidValueError as error:
        return Cell({}, seen, agreed, error, age)


def _typed(columns: Columns, holders: Sequence[Entity], column: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """A value by entity, in the form that each takes."""
    if column in NEVER_WRITTEN or not holders:
        raise InvalidValueError(
            f"`{column}` cannot be written: {NEVER_WRITTEN.get(column, 'Epicor has no such column')}.",
            advice="Let the stream's schema name it, so that it is checked at the start.",
            field=column,
        )
    return {entity.name: columns.coerced(entity, column, value) for entity in holders}


def differs(working: WorkingCopy, event: EventPlan, row_id: str, field: CellsOfField) -> bool:
    """True if a row has another value in one of the columns that it takes.

    Args:
        working: Rows and states.
        event: The event.
        row_id: The row.
        field: The columns of a field.
    """
    row, values = working.rows[row_id], working.values(row_id)
    return any(
        not same(cell.values[row.entity.name], values.get(column), edm_type, event.update.fields.get(column))
        for column, cell in field.items()
        if (edm_type := working.edm_type(row_id, column)) and not cell.stands_in_for(values.get(column))
    )
