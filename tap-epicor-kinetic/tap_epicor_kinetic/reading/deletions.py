"""Finds rows that are gone: remembers the keys of the last full read and compares."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp
from kinetic_mailchimp.kit.secrets.private_files import make_folder, make_private

DELETED_AT = "_sdc_deleted_at"
DELETED_AT_SCHEMA: Mapping[str, Any] = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "When the row was found to be gone; such a record has its key and nothing else.",
}

Key = tuple[Any, ...]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS known (
    stream TEXT, company TEXT, key TEXT, PRIMARY KEY (stream, company, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deleted (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT, company TEXT, key TEXT, found_at TEXT
);
"""


@dataclass(frozen=True)
class Deletion:
    """A row that is gone.

    Attributes:
        number: Of the finding; grows, and goes into the state once the record is out.
        found_at: When it was found, in UTC.
    """

    number: int
    key: Key
    found_at: str


class KeyStore:
    """The keys that were there, in an SQLite file. Findings stay, so that a run that failed repeats them.

    Args:
        path: The file; it is made when it does not exist.

    Raises:
        ConfigurationError: The file cannot be opened or made.
    """

    def __init__(self, path: str) -> None:
        import sqlite3  # noqa: PLC0415 (1 MiB of memory, for what hardly any run does)

        try:
            file = Path(path).expanduser()
            make_folder(file.parent)
            make_private(file)  # a key may name a person
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The file of known keys cannot be opened: {error}.", advice="Check `key_store`."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def remember(self, stream: str, company: str, keys: Iterable[Key], now: dt.datetime) -> int:
        """Take the keys that are there now as the known ones; those that are gone become deletions.

        A key that is there again is not a finding any more, even if its record is not out yet.
        A read without any row is not believed: it is rather an access that was lost.

        Args:
            stream: Name of the stream.
            company: Of the rows.
            keys: Of all rows.
            now: When they were read.

        Returns:
            How many are gone.
        """
        place = (stream, company)
        with self._transaction():
            self._database.execute("CREATE TEMP TABLE present (key TEXT PRIMARY KEY) WITHOUT ROWID")
            self._database.executemany(
                "INSERT OR IGNORE INTO present VALUES (?)", ((json.dumps(key),) for key in keys)
            )
            gone = 0
            if self._database.execute("SELECT 1 FROM present LIMIT 1").fetchone():
                gone = self._database.execute(
                    "INSERT INTO deleted (stream, company, key, found_at) SELECT stream, company, key, ?"
                    " FROM known WHERE stream = ? AND company = ? AND key NOT IN (SELECT key FROM present)",
                    (format_timestamp(now), *place),
                ).rowcount
                self._database.execute(
                    "DELETE FROM deleted"
                    " WHERE stream = ? AND company = ? AND key IN (SELECT key FROM present)",
                    place,
                )
                self._database.execute("DELETE FROM known WHERE stream = ? AND company = ?", place)
                self._database.execute("INSERT INTO known SELECT ?, ?, key FROM present", place)
            self._database.execute("DROP TABLE present")
        return gone

    def deletions(self, stream: str, company: str, after: int) -> list[Deletion]:
        """The findings with higher numbers, in their order.

        Args:
            stream: Name of the stream.
            company: Of the rows.
            after: The number of the last finding whose record is out.
        """
        rows = self._database.execute(
            "SELECT number, key, found_at FROM deleted"
            " WHERE stream = ? AND company = ? AND number > ? ORDER BY number",
            (stream, company, after),
        )
        return [Deletion(number, tuple(json.loads(key)), found_at) for number, key, found_at in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
