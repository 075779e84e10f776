"""Inserting many rows: each value is stored as it is, whatever is missing beside it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.kit.database.bulk_insert import Scalar, insert_rows

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("size", sa.Float(53)),
    sa.Column("content", sa.LargeBinary),
    sa.Column("note", sa.Text),
)
COLUMNS = tuple(TABLE.columns.keys())


def stored(trail: AuditTrail, *batches: list[tuple[Scalar, ...]]) -> list[tuple[Scalar, ...]]:
    upsert = (("number",), ("name = excluded.name", "note = excluded.note"))
    with trail.database.writing() as connection:
        TABLE.create(connection)
        for rows in batches:
            insert_rows(connection, TABLE, COLUMNS, rows, upsert=upsert)
        return [tuple(row) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.number))]


def test_a_column_without_any_value_is_null_and_one_with_empty_values_is_not(trail: AuditTrail) -> None:
    rows: list[tuple[Scalar, ...]] = [(0, "", 0.0, b"", None), (1, "", 0.0, b"", None)]
    assert stored(trail, rows, []) == rows


def test_values_stay_in_their_rows_whatever_is_missing(trail: AuditTrail) -> None:
    rows: list[tuple[Scalar, ...]] = [
        (
            number,
            f"name {number}" if number % 2 else None,
            None,
            bytes([number % 256, 0]) if number % 3 else None,
            "last" if number == 555 else None,
        )
        for number in range(556)
    ]
    assert stored(trail, rows) == rows


def test_a_value_is_replaced_by_none(trail: AuditTrail) -> None:
    assert stored(trail, [(1, "old", 1.5, b"x", "old")], [(1, "new", None, None, None)]) == [
        (1, "new", 1.5, b"x", None)
    ]


def test_a_row_that_is_refused_leaves_nothing_of_its_transaction(trail: AuditTrail) -> None:
    with trail.database.writing() as connection:
        TABLE.create(connection)
    rows: list[tuple[Scalar, ...]] = [(number, None, None, None, None) for number in (*range(60), 7)]
    with pytest.raises(sa.exc.IntegrityError), trail.database.writing() as connection:
        insert_rows(connection, TABLE, COLUMNS, rows)
    with trail.database.writing() as connection:
        assert connection.execute(sa.select(TABLE)).all() == []
        insert_rows(connection, TABLE, COLUMNS, rows[:-1])
