"""Turns rows of the server into records: the selected columns, with values as the schema has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.epicor import Row, Rows

from tap_epicor_kinetic.catalog.columns import is_secret
from tap_epicor_kinetic.catalog.declarations import COMPANY
from tap_epicor_kinetic.records.activity import ACTIVE, INACTIVE


@dataclass(frozen=True)
class RowShaper:
    """Shapes the rows of one stream.

    Attributes:
        columns: Those to emit, in the order of the schema.
        hidden: Those that are read and not emitted.
        company: Put into every record: a BAQ does not tell it.
        nested: The columns to emit of nested rows; none for all.
        derives_active: Whether `Active` is emitted; customers of other types do not get here.
    """

    columns: Sequence[str]
    company: str
    hidden: Sequence[str] = ()
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)
    derives_active: bool = False

    def records(self, rows: list[Row]) -> Iterator[Any]:
        """The records of a page; each of its rows is let go, so that a page is in memory once, not twice."""
        shaped = self._typed if isinstance(rows, Rows) else self._dictionary(rows)
        rows.reverse()
        while rows:
            yield shaped(rows.pop())

    def _typed(self, row: Any) -> Any:  # noqa: ANN401 (a row of `RowParser`)
        """Fill the columns that no row brings, and leave out those that are not emitted."""
        row.Company = self.company
        if self.derives_active:
            row.Active = not row.get(INACTIVE)
        for name in self.hidden:
            row.hide(name)
        return row

    def _dictionary(self, rows: Sequence[Row]) -> Callable[[Row], Row]:
        # A column that the service does not have comes in no row; one that some leave out is null there.
        present = _names(rows)
        names = [name for name in self.columns if name in present]

        def shaped(row: Row) -> Row:
            record = {name: row.get(name) for name in names}
            record[COMPANY] = self.company
            for name, chosen in self.nested.items():
                record[name] = [_child(child, chosen) for child in row.get(name) or ()]
            if self.derives_active:
                record[ACTIVE] = not row.get(INACTIVE)
            return record

        return shaped


def _names(rows: Sequence[Row]) -> set[str]:
    return set().union(*rows)


def _child(row: Row, chosen: Sequence[str]) -> Row:
    if chosen:
        return {name: row[name] for name in chosen if name in row}
    return {name: value for name, value in row.items() if not name.startswith("@") and not is_secret(name)}
