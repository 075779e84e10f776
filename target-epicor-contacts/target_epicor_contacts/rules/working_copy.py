"""Working copies of rows and person states, with a note of the event that wrote each value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import FlagState

from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.epicor.column_values import InvalidValueError, same
from target_epicor_contacts.epicor.entities import EMAIL, EpicorRow
from target_epicor_contacts.rules.event_plan import EventPlan, PlannedChange
from target_epicor_contacts.rules.matching import AddressBook, MatchKind
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.state.person_state import PersonState


class WorkingCopy:
    """The rows and states of a batch while its events are applied.

    Args:
        states: By address; an address that is not there is not known.
        flags: The flags that are ours, by the names of their rows.
        followed: Rows that an address had, by address: they stand in where no row has it any more.
    """

    def __init__(
        self,
        rows: Iterable[EpicorRow],
        states: Mapping[str, PersonState],
        rules: Rules,
        flags: Mapping[str, FlagState] | None = None,
        followed: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.rules = rules
        self.rows = {row.id: row for row in rows}
        self.states = dict(states)
        self.flags = dict(flags or {})
        self._followed = followed or {}
        self._values = {row_id: dict(row.values) for row_id, row in self.rows.items()}
        self._book = AddressBook(self._values, rules.linked_people)
        self._writers: dict[str, dict[str, int]] = defaultdict(dict)
        self._written_by: dict[int, set[tuple[str, str]]] = defaultdict(set)

    def match(self, address: str) -> dict[str, MatchKind]:
        """The rows that belong to an address at this point, and the kind of the match."""
        return self._book.match(address) or self.follow(address) or {}

    def follow(self, address: str) -> dict[str, MatchKind] | None:
        """The rows that had an address which no row has any more; None for any other address."""
        if address not in self._followed:
            return None
        return {
            row_id: MatchKind.ONLY_ADDRESS
            for row_id in self._followed[address]
            if len(addresses_in(self._values[row_id].get(EMAIL))) == 1
        }

    def is_flagged(self, row_id: str) -> bool:
        """True if a row has the flag, set by this software or by a rep."""
        # Not by its truth: a text in an unknown form would pass for a rep's wish, and nothing be written.
        return same(self._values[row_id].get(self.rules.flag_column), self.rules.flag_value, "Edm.Boolean")

    def flag_of(self, row_id: str) -> FlagState | None:
        """The flag of a row, where it is ours."""
        return self.flags.get(self.rows[row_id].name)

    def contacts_of_same_person(self, row_id: str) -> list[str]:
        """The contacts that Kinetic links as one person with this one, itself included."""
        return self._book.contacts_of_same_person(row_id)

    def state(self, address: str) -> PersonState:
        """The state of the person at an address at this point."""
        return self.states.get(address) or PersonState()

    def values(self, row_id: str) -> Mapping[str, Any]:
        """The columns of a row at this point."""
        return self._values[row_id]

    def edm_type(self, row_id: str, column: str) -> str | None:
        """The type of a column, or None where the row has no such column or must not get it."""
        return self.rules.columns.edm_type(self.rows[row_id].entity, column)

    def write(self, event: EventPlan, row_id: str, column: str, value: Any) -> None:  # noqa: ANN401 (any JSON)
        """Set a value on behalf of an event."""
        self._values[row_id][column] = value
        self._writers[row_id][column] = event.number
        self._written_by[event.number].add((row_id, column))
        if column == EMAIL:
            self._book.readdress(row_id)

    def write_if_other(self, event: EventPlan, row_id: str, column: str, value: Any, edm_type: str) -> None:  # noqa: ANN401
        """Set a value unless the row has one that means the same."""
        if not same(value, self._values[row_id].get(column), edm_type, event.update.fields.get(column)):
            self.write(event, row_id, column, value)

    def coerce_and_write(self, event: EventPlan, row_id: str, column: str, value: Any) -> bool:  # noqa: ANN401
        """Set a column, where the row has it, to the form that it takes of a value.

        Returns:
            False for a value that does not fit, which becomes the event's error.
        """
        edm_type = self.edm_type(row_id, column)
        if edm_type is None:
            return True
        try:
            coerced = self.rules.columns.coerced(self.rows[row_id].entity, column, value)
        except InvalidValueError as error:
            event.error = event.error or error
            return False
        self.write_if_other(event, row_id, column, coerced, edm_type)
        return True

    def columns_written(self, event: EventPlan, row_id: str) -> set[str]:
        """The columns of a row that an event has written."""
        return {column for row, column in self._written_by.get(event.number, ()) if row == row_id}

    def writes(self) -> dict[str, dict[str, Any]]:
        """Row id to the columns whose value is another than the one that was read."""
        found = {row_id: self._differing(row_id) for row_id in self._writers}
        return {row_id: changes for row_id, changes in found.items() if changes}

    def settle(self, event: EventPlan, writes: Mapping[str, Mapping[str, Any]]) -> None:
        """Separate an event's own changes from those that a later event of the batch made void."""
        cells = sorted(self._written_by.get(event.number, ()))
        own = [cell for cell in cells if self._writers[cell[0]][cell[1]] == event.number]
        event.changes = tuple(
            PlannedChange(row_id, column, self.rows[row_id].values.get(column), writes[row_id][column])
            for row_id, column in own
            if column in writes.get(row_id, {})
        )
        event.overtaken = len(cells) - len(own)

    def _differing(self, row_id: str) -> dict[str, Any]:
        before, now = self.rows[row_id].values, self._values[row_id]
        return {
            column: now[column]
            for column in self._writers[row_id]
            if not same(now[column], before.get(column), self.edm_type(row_id, column) or "")
        }
