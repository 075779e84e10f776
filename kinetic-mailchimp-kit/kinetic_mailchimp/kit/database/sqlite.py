"""Opens SQLite files: private, durable, and with transactions that begin where this software says so."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.private_files import make_folder, make_private

_DURABLE: Final = {"synchronous": "FULL"}
"""Committed means on the disk, also when the power fails."""
_SWITCH_SECONDS: Final = 5
_SWITCH_PAUSE: Final = 0.01
HIDE_PARAMETERS: Final = True
"""An error message must not show the values of a row: they are personal data."""


def make_file(url: sa.URL, profile: Profile) -> None:
    """Make the file of a URL and its folder where they are missing.

    Raises:
        ConfigurationError: They cannot be made.
    """
    file = Path(str(url.database))
    try:
        make_folder(file.parent)
        make_private(file)
    except OSError as error:
        raise ConfigurationError(
            f"The file {file} of the {profile.name} cannot be made: {error.strerror}.",
            advice=f"Check its folder, or name another file in the setting `{profile.setting}`.",
        ) from error


def file_identity(url: sa.URL) -> tuple[int, int] | None:
    """Device and number of a SQLite file; None where there is none."""
    try:
        status = os.stat(str(url.database))  # noqa: PTH116 (half the time of a Path, for each transaction)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def sqlite_engine(
    url: sa.URL, profile: Profile, begin: Callable[[sa.Connection], None] | None = None, **pool: int
) -> sa.Engine:
    """An engine for a file.

    Args:
        url: Of a file that exists.
        profile: Its options.
        begin: Begins a transaction, in place of a plain `BEGIN`.
        **pool: Options of the pool of connections.
    """
    connect = {"timeout": profile.busy_seconds, "check_same_thread": False}
    engine = sa.create_engine(url, hide_parameters=HIDE_PARAMETERS, connect_args=connect, **pool)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        prepare_sqlite(connection, profile.pragmas)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin or _begin_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, pragmas: Mapping[str, object]) -> None:
    """Make a new connection durable, and begin transactions where this module says so."""
    # Else the driver asks each such value for a way to write it, which takes longer than to write it.
    sqlite3.register_adapter(bytes, bytes)
    connection.isolation_level = None  # else the driver guesses where transactions begin
    _read_while_written(connection)
    for name, value in {**_DURABLE, **pragmas}.items():
        connection.execute(f"PRAGMA {name}={value}")


def _read_while_written(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; of two that do so with a new file at once, SQLite lets neither wait."""
    give_up_at = time.monotonic() + _SWITCH_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(_SWITCH_PAUSE)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)
