"""Copies a database of this project into an empty one, of the same kind or of the other."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.database import Database
from kinetic_mailchimp.kit.errors import ConfigurationError

_CHUNK: Final = 1_000


def copy_rows(
    source: Database, target: Database, metadata: sa.MetaData, *, replaced: Collection[sa.Table] = ()
) -> int:
    """Copy every row as it is, in one transaction of the target.

    Args:
        source: Its tables are up to date.
        target: Its tables are up to date, and empty.
        metadata: The tables.
        replaced: Tables that a new database already has rows in, such as its id: those of the source count.

    Returns:
        The number of rows.

    Raises:
        ConfigurationError: The target is in use.
        TransientError: A database does not answer; the target is as it was.
    """
    copied = 0
    with source.reading() as reading, target.writing() as writing:
        for table in metadata.sorted_tables:
            if table in replaced:
                writing.execute(table.delete())
            elif writing.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                raise ConfigurationError(
                    f"The {target.profile.name} {target} has rows already.", advice="Name an empty database."
                )
            rows = reading.execution_options(yield_per=_CHUNK).execute(sa.select(table)).mappings()
            while some := [dict(row) for row in itertools.islice(rows, _CHUNK)]:
                writing.execute(table.insert(), some)
                copied += len(some)
            if not target.is_sqlite:
                _continue_numbers(writing, table)
    return copied


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL give the next row a number after those that were copied."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    if connection.execute(sa.select(sequence)).scalar():
        newest = sa.select(sa.func.coalesce(sa.func.max(column), 1), sa.func.count() > 0).select_from(table)
        last, is_used = connection.execute(newest).one()
        connection.execute(sa.select(sa.func.setval(sequence, last, is_used)))
