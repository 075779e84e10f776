"""Inserts many rows with little between them and the driver: a target does it for every batch."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sync_audit.chain import Scalar


def insert_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Scalar, ...]],
    *,
    replace: tuple[Sequence[str], Sequence[str]] | None = None,
) -> None:
    """Insert rows of plain values.

    SQLAlchemy's own executemany looks at every value of every row; here no value needs it, and a batch takes
    half the time.

    Args:
        connection: A writing transaction.
        table: Where they go.
        columns: The names of the values of each row.
        rows: The rows; an empty sequence does nothing.
        replace: Where rows may exist already: their key columns, and the columns that take the new values.
    """
    if not rows:
        return
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names
    if replace is not None:
        keys, replaced = replace
        values = ", ".join(f"{name} = excluded.{name}" for name in replaced)
        statement += f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {values}"
    connection.exec_driver_sql(statement, list(rows))
