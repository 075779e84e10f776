"""A mapping on disk, for all that a comparison must remember of an audience of any size."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.kit.database.batches import in_batches

_KEYS_PER_QUERY = 500


class Snapshot:
    """Values by key, in a temporary file that is gone when it is closed."""

    def __init__(self) -> None:
        # SQLite keeps a database without a name in a small cache, and in a temporary file beyond it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def add(self, entries: Mapping[str, Any]) -> None:
        """Keep values; a later one takes the place of an earlier one."""
        rows = ((key, to_json(value)) for key, value in entries.items())
        self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of keys; those that are not there are left out."""
        found: dict[str, Any] = {}
        for some in in_batches(list(dict.fromkeys(keys)), _KEYS_PER_QUERY):
            query = f"SELECT key, value FROM entries WHERE key IN ({', '.join('?' * len(some))})"  # noqa: S608 (marks)
            found.update(
                (key, msgspec.json.decode(value)) for key, value in self._database.execute(query, some)
            )
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
