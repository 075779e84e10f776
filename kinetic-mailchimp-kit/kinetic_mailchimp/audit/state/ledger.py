"""The last known value of each key: a small store that changes together with the decisions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

import msgspec
import sqlalchemy as sa

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.json_text import storable, to_json
from kinetic_mailchimp.audit.storage.schema import disable_index, ledger_entries
from kinetic_mailchimp.audit.storage.text_under import is_indexed, text_under
from kinetic_mailchimp.kit.database.batches import in_batches
from kinetic_mailchimp.kit.database.bulk_insert import insert_rows

_KEYS_PER_QUERY: Final = 1_000
_PAGE: Final = 5_000
_COLUMNS: Final = ("namespace", "key", "value", "run_id", "recorded_at")
_REPLACE: Final = (_COLUMNS[:2], tuple(f"{name} = excluded.{name}" for name in _COLUMNS[2:]))

PERSONAL_FIELDS: Final = "personal_fields"
"""The namespace that holds, by plugin, the names of objects that an erasure takes as a whole."""

Value = dict[str, Any]
T = TypeVar("T")
LedgerChanges = Mapping[str, Mapping[str, Mapping[str, Any] | LedgerValue | None]]
"""namespace → key → the new value, or None to forget the key."""
LedgerDraft = dict[str, dict[str, Mapping[str, Any] | LedgerValue | None]]
"""The same while it is put together."""

_read: Final = msgspec.json.Decoder(Value).decode


class Ledger:
    """The known values of one namespace, read-only: `Run.record` changes them.

    Args:
        database: Where they are.
        namespace: Names the target and its audience or company.
    """

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        # It may hold the id of an audience as others wrote it.
        self._namespace = storable(namespace)

    def get(self, key: str) -> Value | None:
        """The value of a key, or None where nothing is known."""
        return self.get_many([key]).get(key)

    @overload
    def get_many(self, keys: Iterable[str]) -> dict[str, Value]: ...
    @overload
    def get_many(self, keys: Iterable[str], read: Callable[[str], T]) -> dict[str, T]: ...
    def get_many(self, keys: Iterable[str], read: Callable[[str], Any] = _read) -> dict[str, Any]:
        """The values of keys, in few queries; unknown keys are left out."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        found: dict[str, Any] = {}
        with self._database.reading() as connection:
            for keys_of_query in in_batches(wanted, _KEYS_PER_QUERY):
                rows = _of_keys(connection, "SELECT key, value", self._namespace, keys_of_query)
                found.update((key, read(value)) for key, value in rows)
        return found

    def find(self, name: str, texts: Iterable[str], read: Callable[[str], T]) -> dict[str, T]:
        """The values in which a text stands under a name, by key, as far as the index of that name has them.

        Args:
            name: One of `FOUND_BY`; one that has an earlier one too is found by that alone.
            texts: The texts to look for.
            read: Makes a value of its JSON text.
        """
        wanted = sorted(set(map(storable, texts)))
        found: dict[str, T] = {}
        if not wanted:
            return found
        columns = ledger_entries.c
        # The key's index serves too, and would read the whole namespace.
        query = sa.select(columns.key, columns.value).where(
            disable_index(columns.namespace) == self._namespace, is_indexed(columns.value, name)
        )
        with self._database.reading() as connection:
            for some in in_batches(wanted, _KEYS_PER_QUERY):
                rows = connection.execute(query.where(text_under(columns.value, name).in_(some)))
                found.update((key, read(value)) for key, value in rows if _read(value).get(name) in some)
        return found

    def count(self) -> int:
        """Number of known keys."""
        query = sa.select(sa.func.count()).where(ledger_entries.c.namespace == self._namespace)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def items(self, *, before: str = "") -> Iterator[tuple[str, Value]]:
        """Every key and its value, by key, in pages between which no transaction stays open."""
        after: str | None = None
        while True:
            query = self._select().order_by(ledger_entries.c.key).limit(_PAGE)
            if after is not None:
                query = query.where(ledger_entries.c.key > after)
            if before:
                query = query.where(ledger_entries.c.key < before)
            with self._database.reading() as connection:
                page = connection.execute(query).all()
            yield from ((key, _read(value)) for key, value in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _select(self) -> sa.Select[tuple[str, str]]:
        return sa.select(ledger_entries.c.key, ledger_entries.c.value).where(
            ledger_entries.c.namespace == self._namespace
        )


def values_of(database: Database, namespaces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The values of whole namespaces as JSON texts, each with its namespace; one namespace after the other.

    Args:
        database: Where they are.
        namespaces: Their names.
    """
    for wanted in in_batches(list(dict.fromkeys(namespaces)), _KEYS_PER_QUERY):
        with database.reading() as connection:
            statement, form = _OF_NAMESPACES[connection.dialect.name]
            options = {"yield_per": _PAGE}
            rows = connection.exec_driver_sql(statement, (form(wanted),), execution_options=options)
            yield from ((namespace, value) for namespace, value in rows)


_OF_NAMESPACES: Final[Mapping[str, tuple[str, Callable[[Sequence[str]], Any]]]] = {
    "sqlite": (
        (
            "SELECT namespace, value FROM ledger_entries"
            " WHERE namespace IN (SELECT value FROM json_each(?)) ORDER BY namespace"
        ),
        to_json,
    ),
    "postgresql": (
        "SELECT namespace, value FROM ledger_entries WHERE namespace = ANY(%s) ORDER BY namespace",
        list,
    ),
}


def apply_changes(connection: sa.Connection, changes: LedgerChanges, *, run_id: int, now: str) -> None:
    """Store new values and forget those that are None, in the transaction of the caller.

    Args:
        connection: The caller's transaction.
        changes: What changes.
        run_id: The run that changes it.
        now: The time of the change.
    """
    # Sorted, so that two writers that change the same keys wait for each other and never in a circle.
    in_order = [
        (storable(namespace), key, of_keys[key])
        for namespace, of_keys in sorted(changes.items())
        for key in sorted(of_keys)
    ]
    stored = [
        (namespace, storable(key), to_json(value), run_id, now)
        for namespace, key, value in in_order
        if value is not None
    ]
    insert_rows(connection, ledger_entries, _COLUMNS, stored, upsert=_REPLACE)
    gone = ((namespace, key) for namespace, key, value in in_order if value is None)
    for namespace, of_namespace in itertools.groupby(gone, key=lambda change: change[0]):
        for keys in in_batches([key for _, key in of_namespace], _KEYS_PER_QUERY):
            _of_keys(connection, "DELETE", namespace, keys)


def _of_keys(
    connection: sa.Connection, action: str, namespace: str, keys: Sequence[str]
) -> sa.CursorResult[Any]:
    """Run one statement about keys: they are a single value, so that its text is the same for any number."""
    wanted: str | list[str]
    if connection.dialect.name == "sqlite":
        condition, wanted = "namespace = ? AND key IN (SELECT value FROM json_each(?))", to_json(keys)
    else:
        condition, wanted = "namespace = %s AND key = ANY(%s)", [storable(key) for key in keys]
    statement = f"{action} FROM ledger_entries WHERE {condition}"
    return connection.exec_driver_sql(statement, (namespace, wanted))
