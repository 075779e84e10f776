"""Inserts many rows with little between them and the driver: a target does it for every batch.

Needs the extra `database`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, compress
from typing import Final

import sqlalchemy as sa

Scalar = str | int | float | bytes | None
"""A value of a column."""

Upsert = tuple[tuple[str, ...], tuple[str, ...]]
"""Key columns, and what to set where a row with this key exists, such as `value = excluded.value`."""

_ROWS_PER_STATEMENT: Final = (500, 50, 5)
"""SQLite takes at most 32,766 values with one statement: 65 columns of 500 rows."""


def insert_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Scalar, ...]],
    *,
    upsert: Upsert | None = None,
) -> None:
    """Insert rows of plain values.

    SQLAlchemy's own executemany looks at every value of every row; here no value needs it, and a batch takes
    half the time. A row that SQLite refuses ends the whole transaction.

    Args:
        connection: A writing transaction.
        table: Where they go.
        columns: The names of the values of each row.
        rows: The rows; an empty sequence does nothing.
        upsert: What becomes of rows that exist already; None where there can be none.
    """
    columns, rows = _given(columns, rows)
    start = 0
    if connection.dialect.name == "sqlite":
        # The driver lets other threads run once per statement, and waits for its turn after each: with one
        # statement per row, a thread that computes meanwhile would stop a batch hundreds of times.
        for size in _ROWS_PER_STATEMENT:
            statement = _statement(table.name, columns, "?", size, upsert)
            while len(rows) - start >= size:
                values = chain.from_iterable(rows[start : start + size])
                connection.exec_driver_sql(statement, tuple(values))
                start += size
    rest = list(rows[start:])
    if rest:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        connection.exec_driver_sql(_statement(table.name, columns, mark, 1, upsert), rest)


def _given(
    columns: Sequence[str], rows: Sequence[tuple[Scalar, ...]]
) -> tuple[tuple[str, ...], Sequence[tuple[Scalar, ...]]]:
    """The columns in which any row has a value, and the rows with these alone.

    To the driver of SQLite, NULL is a value like no other: it takes as long as three that are there.
    """
    values = list(zip(*rows, strict=True))
    given = [any(column) or column.count(None) < len(column) for column in values]
    if all(given):
        return tuple(columns), rows
    return tuple(compress(columns, given)), list(zip(*compress(values, given), strict=True))


@lru_cache
def _statement(table: str, columns: tuple[str, ...], mark: str, rows: int, upsert: Upsert | None) -> str:
    """An insert of so many rows; the same text object each time, which the driver has compiled already."""
    marks = f"({', '.join([mark] * len(columns))})"
    # SQLite would copy each page before a statement of several rows changes it, to undo this statement alone.
    insert = "INSERT OR ROLLBACK" if mark == "?" else "INSERT"
    statement = f"{insert} INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * rows)}"
    if upsert is None:
        return statement
    keys, settings = upsert
    return f"{statement} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(settings)}"
