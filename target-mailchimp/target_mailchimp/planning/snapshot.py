"""A mapping on disk, for what a run of any size must remember until it ends."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.kit.database.batches import in_batches

_KEYS_PER_QUERY = 500


class Snapshot:
    """Values by key, in a temporary file that is gone when it is closed. Safe to use from several threads."""

    def __init__(self) -> None:
        # SQLite keeps a database without a name in a small cache, and in a temporary file beyond it.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def add(self, entries: Mapping[str, Any]) -> None:
        """Keep values; a later one takes the place of an earlier one."""
        rows = ((key, to_json(value)) for key, value in entries.items())
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)

    def get_many(
        self, keys: Iterable[str], read: Callable[[str], Any] = msgspec.json.decode
    ) -> dict[str, Any]:
        """The values of keys; those that are not there are left out.

        Args:
            keys: The keys.
            read: Makes a value of its JSON text.
        """
        found: dict[str, Any] = {}
        for some in in_batches(list(dict.fromkeys(keys)), _KEYS_PER_QUERY):
            query = f"SELECT key, value FROM entries WHERE key IN ({', '.join('?' * len(some))})"  # noqa: S608 (marks)
            with self._lock:
                rows = self._database.execute(query, some).fetchall()
            found.update((key, read(value)) for key, value in rows)
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
