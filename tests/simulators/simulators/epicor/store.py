"""The database of the simulated Kinetic: typed tables in SQLite, one revision counter for all of them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from uuid import UUID

from simulators.epicor import storage, timestamps
from simulators.epicor.errors import DUPLICATE, EpicorError
from simulators.epicor.schema import Table
from simulators.epicor.storage import Row
from simulators.epicor.timestamps import Clock

Key = Mapping[str, Any]

FIRST_REVISION = 3_000_000_000
"""Above 2^31: a client that keeps revisions in 32 bits fails at once."""


@dataclass(frozen=True)
class Sql:
    """A condition with its parameters."""

    text: str = "1"
    parameters: tuple[Any, ...] = ()

    def __and__(self, other: Sql) -> Sql:
        return Sql(f"({self.text}) AND ({other.text})", self.parameters + other.parameters)


EVERYTHING = Sql()


def equal(values: Mapping[str, Any]) -> Sql:
    """The condition that these columns have these values."""
    return Sql(" AND ".join(f'"{name}" = ?' for name in values) or "1", tuple(values.values()))


@dataclass(frozen=True)
class Change:
    """A write that has its revision; whether it can be seen yet is another question."""

    table: str
    kind: str
    """`insert`, `update` or `delete`."""
    row: Row
    ticks: int


@dataclass(frozen=True)
class Saved:
    """Everything that a store holds."""

    rows: bytes
    revision: int


class Store:
    """Typed tables; every write takes the next revision and stamps the change columns of its table.

    Args:
        tables: By name.
        clock: Stamps writes.
        zone: Of the server: `ChangeDate` is its midnight.
        updated_on_decimals: Asked at every write.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        clock: Clock,
        zone: tzinfo,
        updated_on_decimals: Callable[[], int],
    ) -> None:
        self.tables = tables
        self.listeners: list[Callable[[Change], None]] = []
        self._clock = clock
        self._zone = zone
        self._decimals = updated_on_decimals
        self._revision = FIRST_REVISION
        self._announced: list[Change] = []
        self._depth = 0
        # One thread serves; the other one that may touch it builds it.
        self._database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA temp_store = MEMORY")
        for table in tables.values():
            self._database.execute(storage.create(table))

    def close(self) -> None:
        self._database.close()

    def saved(self) -> Saved:
        """A copy of everything, for `restore`."""
        return Saved(self._database.serialize(), self._revision)

    def restore(self, saved: Saved) -> None:
        """Hold what was saved, and nothing else."""
        self._database.deserialize(saved.rows)
        self._revision = saved.revision

    @property
    def revision(self) -> int:
        """The last revision given out."""
        return self._revision

    def load(self, rows: Iterable[tuple[str, Row, int]]) -> None:
        """Insert the first rows (table, values, ticks) in the order of their commits, then index them."""
        pending: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.tables}
        self._database.execute("BEGIN")
        for name, values, ticks in rows:
            table = self.tables[name]
            batch = pending[name]
            batch.append(storage.stored(table, self._stamped(table, values, ticks, every=True)))
            if len(batch) == 5_000:
                self._insert_many(table, batch)
                batch.clear()
        for name, batch in pending.items():
            self._insert_many(self.tables[name], batch)
        for table in self.tables.values():
            for statement in storage.create_indexes(table):
                self._database.execute(statement)
        self._database.execute("COMMIT")
        self._database.execute("ANALYZE")

    def select(
        self,
        table: Table,
        where: Sql = EVERYTHING,
        order: str = "",
        limit: int = -1,
        offset: int = 0,
        columns: Sequence[str] | None = None,
    ) -> list[Row]:
        """Rows as OData shows them. `order` is SQL; `columns` are all of the table's unless given."""
        shown = [table.by_name[name] for name in columns] if columns is not None else list(table.columns)
        names = [column.name for column in shown]
        flags = [column.name for column in shown if column.edm_type == "Edm.Boolean"]
        listed = ", ".join(f'"{name}"' for name in names)
        ordering = f" ORDER BY {order}" if order else ""
        cursor = self._database.execute(
            f'SELECT {listed} FROM "{table.name}" WHERE {where.text}{ordering} LIMIT ? OFFSET ?',  # noqa: S608 - names from the schema
            (*where.parameters, limit, offset),
        )
        rows = [dict(zip(names, values, strict=True)) for values in cursor]
        for row in rows:
            for flag in flags:
                row[flag] = row[flag] != 0
        return rows

    def count(self, table: Table, where: Sql = EVERYTHING) -> int:
        sql = f'SELECT count(*) FROM "{table.name}" WHERE {where.text}'  # noqa: S608 - names from the schema
        return int(self._database.execute(sql, where.parameters).fetchone()[0])

    def largest(self, table: Table, column: str, where: Sql) -> int:
        """The largest number in a column, 0 when there is none."""
        sql = f'SELECT max("{column}") FROM "{table.name}" WHERE {where.text}'  # noqa: S608 - names from the schema
        return int(self._database.execute(sql, where.parameters).fetchone()[0] or 0)

    def get(self, table: Table, key: Key) -> Row | None:
        """The row of a whole key."""
        found = self.select(table, equal({name: key[name] for name in table.key}), limit=1)
        return found[0] if found else None

    def prepare_insert(self, table: Table, values: Row) -> Change:
        """Give a new row its revision and stamps.

        Raises:
            EpicorError: 400 for a value of the wrong type.
        """
        ticks = self._clock()
        return Change(
            table.name, "insert", self._stamped(table, storage.checked(table, values), ticks), ticks
        )

    def prepare_update(
        self, table: Table, row: Row, changes: Row, *, revise: bool = True, stamps: Iterable[str] = ()
    ) -> Change:
        """Give a changed row its revision and stamps.

        Args:
            table: Of the row.
            row: As it is.
            changes: The columns to set.
            revise: Whether SysRevID moves.
            stamps: Change columns to maintain beyond those of the table.

        Raises:
            EpicorError: 400 for a value of the wrong type.
        """
        ticks = self._clock()
        changed = {**row, **storage.checked(table, changes)}
        custom = any(table.by_name[name].is_custom for name in changes)
        if not revise:
            self._revision += 1
            return Change(table.name, "update", {**changed, "UD_SysRevID": str(self._revision)}, ticks)
        stamped = self._stamped(table, changed, ticks, custom=custom, stamps=stamps)
        return Change(table.name, "update", stamped, ticks)

    def prepare_delete(self, table: Table, row: Row) -> Change:
        self._revision += 1
        return Change(table.name, "delete", row, self._clock())

    def commit(self, change: Change) -> None:
        """Make a prepared write visible.

        Raises:
            EpicorError: 409 when the key is there already.
        """
        table = self.tables[change.table]
        try:
            if change.kind == "insert":
                self._insert_many(table, [storage.stored(table, change.row)])
            else:
                self._replace(table, change)
        except sqlite3.IntegrityError as error:
            raise EpicorError(409, f"Duplicate record in {table.name}.", DUPLICATE, table.name) from error
        self._announced.append(change)
        self._announce()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo all writes of a `with` block when it fails; listeners hear of them after the outermost."""
        heard = len(self._announced)
        self._database.execute("SAVEPOINT call")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK TO call")
            del self._announced[heard:]
            raise
        finally:
            self._depth -= 1
            self._database.execute("RELEASE call")
        self._announce()

    def _announce(self) -> None:
        if self._depth:
            return
        announced, self._announced = self._announced, []
        for change in announced:
            for listener in self.listeners:
                listener(change)

    def empty_row(self, table: Table) -> Row:
        """A row of nothing but defaults."""
        return dict(storage.defaults(table))

    def ensure_view(self, view: str, table: Table, columns: Mapping[str, str]) -> None:
        """Make a view of a table unless it is there; `columns` maps its columns to the table's."""
        shown = ", ".join(f'"{theirs}" AS "{mine}"' for mine, theirs in columns.items())
        self._database.execute(f'CREATE VIEW IF NOT EXISTS "{view}" AS SELECT {shown} FROM "{table.name}"')  # noqa: S608 - names from the schema

    def _replace(self, table: Table, change: Change) -> None:
        where = equal({name: change.row[name] for name in table.key})
        if change.kind == "delete":
            self._database.execute(f'DELETE FROM "{table.name}" WHERE {where.text}', where.parameters)  # noqa: S608 - names from the schema
            return
        settings = ", ".join(f'"{name}" = ?' for name in storage.stored_names(table))
        self._database.execute(
            f'UPDATE "{table.name}" SET {settings} WHERE {where.text}',  # noqa: S608 - names from the schema
            (*storage.stored(table, change.row), *where.parameters),
        )

    def _insert_many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * len(storage.stored_names(table)))
        self._database.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)  # noqa: S608 - names from the schema

    def _stamped(
        self,
        table: Table,
        values: Row,
        ticks: int,
        *,
        custom: bool = False,
        every: bool = False,
        stamps: Iterable[str] = (),
    ) -> Row:
        self._revision += 1
        row = dict(values)
        row["SysRevID"] = self._revision
        if "SysRowID" not in row:
            row["SysRowID"] = str(UUID(int=self._revision << 64))
        if "UD_SysRevID" in table.by_name and (custom or every or "UD_SysRevID" not in row):
            row["UD_SysRevID"] = str(self._revision)
        if "UpdatedOn" in table.by_name:
            row["UpdatedOn"] = timestamps.utc_text(ticks, self._decimals())
        maintained = {*table.change_columns, *stamps}
        if "ChangeDate" in maintained:
            midnight, seconds = timestamps.local_midnight(ticks, self._zone)
            row["ChangeDate"] = midnight
            if "ChangeTime" in maintained:
                row["ChangeTime"] = seconds
        if "ChangedOn" in maintained:
            row["ChangedOn"] = timestamps.utc_text(ticks, 0)
        return row
