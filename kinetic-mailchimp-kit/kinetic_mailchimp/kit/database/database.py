"""One database layer for SQLite and PostgreSQL: URLs, transactions, migrations, errors in words.

Needs the extra `database`. What differs between two databases is their `Profile`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.failures import GONE, HOLDERS, LOCKED, Words, failure, kind_of
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.redaction.secret_names import named_as_secret
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared

if TYPE_CHECKING:
    from alembic.config import Config

_ENCODED: Final = "with %40, %3A, %2F and %25 for @ : / and % in the password"
"""The way to write a password in a URL; else a part of it would be taken for a host or a port, and shown."""

_DURABLE: Final = {
    "journal_mode": "WAL",  # read while it is written
    "synchronous": "FULL",  # committed means on the disk, also when the power fails
}
_HIDE: Final = True
"""An error message must not show the values of a row: they are personal data."""

logger = logging.getLogger(__name__)

_FIRST_WAIT: Final = 1
"""Seconds after which the log tells that the database is locked."""

_migrating = threading.Lock()  # Alembic keeps the migration at work in a global proxy


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A database of this project: its words for messages, its schema and its options.

    Attributes:
        name: Its name in messages, such as `audit database`.
        software: The software to install where the schema is newer than this version.
        shared_by: The programs that share it, for the same message.
        driver: The distribution and extra that brings the PostgreSQL driver.
        head: The newest revision, so that a database that is up to date opens without importing Alembic.
        version_table: The table that holds the revision.
        lock: The key of the PostgreSQL advisory lock under which migrations run.
        writers_queue: Whether PostgreSQL's writers take turns at the lock, as SQLite's always do: then
            numbers that are given out in a transaction become visible in the order of their size.
        busy_seconds: How long a writer of SQLite waits for another one.
        lock_setting: The variable that sets `busy_seconds`; empty where none does.
    """

    name: str
    setting: str
    example: str
    software: str
    shared_by: str
    driver: str
    migrations: Path
    head: str
    version_table: str
    lock: int
    writers_queue: bool
    busy_seconds: int
    pragmas: Mapping[str, object]
    file_mode: int
    lock_setting: str = ""

    def alembic_config(self) -> Config:
        """Alembic's configuration, made from what is inside the package."""
        # Alembic takes as long to import as the rest of a small run; nearly every run goes without it.
        from alembic.config import Config  # noqa: PLC0415 (said above)

        config = Config()
        config.set_main_option("script_location", str(self.migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config


class Database:
    """An engine with transactions that read and transactions that write, shared by threads.

    Args:
        url: An SQLAlchemy URL of SQLite or PostgreSQL. A SQLite file and its folder are made where missing.

    Raises:
        ConfigurationError: The URL, the driver or the folder is not usable.
    """

    def __init__(self, url: str, profile: Profile) -> None:
        self.profile = profile
        self.url = parse_url(url, profile)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_file(self.url, profile)
            self._file = _identity(self.url)
            self._reader: sa.Engine = _sqlite_engine(self.url, profile)
            self._autocommit = self._reader.execution_options(sqlite_begin=None)
            # All writing through one connection: a second one would have to read what the first one changed.
            self._writer: sa.Engine = _sqlite_engine(
                self.url,
                replace(profile, busy_seconds=min(profile.busy_seconds, _FIRST_WAIT)),
                begin=self._begin_writing,
                pool_size=1,
                max_overflow=0,
                pool_timeout=profile.busy_seconds,
            )
            self._gave_up = False
        else:
            self._writer = sa.create_engine(self.url, hide_parameters=_HIDE, pool_pre_ping=True)
            # One state for the whole transaction, as SQLite gives by itself.
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")
            self._autocommit = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    def __str__(self) -> str:
        """The URL without its passwords, of which the query may hold some too."""
        shown = self.url.difference_update_query([name for name in self.url.query if named_as_secret(name)])
        return shown.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one state of the database.

        Raises:
            TransientError: The database does not answer.
        """
        with self._in_words(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that is durable once the block is left, or leaves no trace.

        Raises:
            TransientError: The database does not answer.
        """
        with self._in_words(), self._writer.begin() as connection:
            if self.profile.writers_queue:
                self._lock(connection)
            yield connection
        self.check_file()

    def _begin_writing(self, connection: sa.Connection) -> None:
        """Wait for other writers, and say so in time; not again once it was in vain: then a run is ending."""
        give_up_at = time.monotonic() + (0 if self._gave_up else self.profile.busy_seconds)
        was_told = False
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except sa.exc.OperationalError as error:
                self._gave_up = time.monotonic() >= give_up_at
                if self._gave_up or kind_of(error) != LOCKED:
                    raise
                if not was_told:
                    was_told = True
                    logger.warning(
                        "The %s %s is locked by another program (%s). Waiting for up to %d s.",
                        self.profile.name,
                        self,
                        HOLDERS,
                        self.profile.busy_seconds,
                    )
            else:
                self._gave_up = False
                return

    def check_file(self) -> None:
        """Check that what is committed can be found: SQLite goes on writing into a file without a name.

        Raises:
            TransientError: The file was removed, or another one is in its place.
        """
        if self.is_sqlite and _identity(self.url) != self._file:
            raise TransientError(
                f"The file of the {self.profile.name} {self} was removed or replaced while it was in use: "
                "what is written since then is lost.",
                advice="Put the file back, or start again with a new one.",
                code=GONE,
            )

    @contextmanager
    def autocommit(self) -> Iterator[sa.Connection]:
        """A connection for single statements that are sent often; a transaction would treble their cost.

        Raises:
            TransientError: The database does not answer.
        """
        with self._in_words(), self._autocommit.connect() as connection:
            yield connection

    @property
    def folder(self) -> Path | None:
        """The folder of a SQLite file; None for a server."""
        return Path(str(self.url.database)).resolve().parent if self.is_sqlite else None

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()

    def migrate(self) -> None:
        """Create or upgrade the tables. Several processes may do so at once: they take turns.

        Raises:
            ConfigurationError: A newer version of this software has been here.
            TransientError: The database does not answer.
        """
        with self.reading() as connection:
            if self._revision(connection) == self.profile.head:
                return
        with _migrating, _quiet_alembic():
            from alembic import command  # noqa: PLC0415 (see `Profile.alembic_config`)
            from alembic.script import ScriptDirectory  # noqa: PLC0415 (likewise)

            config = self.profile.alembic_config()
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            with self.writing() as connection:
                self._lock(connection)
                revision = self._revision(connection)
                if revision is not None and revision not in known:
                    raise ConfigurationError(
                        f"The {self.profile.name} {self} was written by a newer {self.profile.software} (its "
                        f"schema is {revision}).",
                        advice=f"Install the newest {self.profile.software} for {self.profile.shared_by}.",
                    )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _revision(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table(self.profile.version_table):
            return None
        table = sa.table(self.profile.version_table, sa.column("version_num", sa.String))
        return connection.execute(sa.select(table.c.version_num)).scalar()

    def _lock(self, connection: sa.Connection) -> None:
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self.profile.lock)))

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.IntegrityError, sa.exc.DataError):
            raise  # the caller knows which value it is
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            profile = self.profile
            words = Words(
                f"The {profile.name} {self}", profile.setting, profile.lock_setting, profile.busy_seconds
            )
            raise failure(error, words) from error


@contextmanager
def _quiet_alembic() -> Iterator[None]:
    """Keep Alembic's routine, beginning with its import, out of the log of every run."""
    logger = logging.getLogger("alembic")
    before = logger.level
    logger.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(before)


def parse_url(url: str, profile: Profile) -> sa.URL:
    """The URL of a database that can be used, with the driver that is installed.

    Raises:
        ConfigurationError: It is not the URL of a SQLite file or of PostgreSQL, or the driver is missing.
    """
    setting = f"The setting `{profile.setting}`"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is left out: it quotes what it takes for a port, which may be a part of the password.
        raise ConfigurationError(
            f"{setting} is not a database URL.",
            advice=f"Use {profile.example} or postgresql://user:password@host/database, {_ENCODED}.",
        ) from None
    backend = {"postgres": "postgresql"}.get(parsed.get_backend_name(), parsed.get_backend_name())
    if backend != "sqlite" and "@" in f"{parsed.host}{parsed.database}":
        # The password ends at the first @: its rest would be taken for a host, and shown as one.
        raise ConfigurationError(f"{setting} has more than one @.", advice=f"Write it {_ENCODED}.")
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"{setting} names a database of kind {backend!r}.",
            advice="Use a SQLite file (sqlite:///…) or PostgreSQL (postgresql://…).",
        )
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError(
                f"{setting} names a SQLite database in memory, which ends with the process.",
                advice=f"Name a file: {profile.example}.",
            )
        return parsed
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            f"{setting} names PostgreSQL, and its driver is not installed.",
            advice=f"Install the extra: pip install '{profile.driver}'.",
        )
    return parsed.set(drivername="postgresql+psycopg")


def _make_file(url: sa.URL, profile: Profile) -> None:
    file = Path(str(url.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            warn_if_shared(file)
        else:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, profile.file_mode))
    except OSError as error:
        raise ConfigurationError(
            f"The file {file} of the {profile.name} cannot be made: {error.strerror}.",
            advice=f"Check its folder, or name another file in the setting `{profile.setting}`.",
        ) from error


def _identity(url: sa.URL) -> tuple[int, int] | None:
    """Device and number of a SQLite file; None where there is none."""
    try:
        status = os.stat(str(url.database))  # noqa: PTH116 (half the time of a Path, for each transaction)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sqlite_engine(
    url: sa.URL, profile: Profile, begin: Callable[[sa.Connection], None] | None = None, **pool: int
) -> sa.Engine:
    connect = {"timeout": profile.busy_seconds, "check_same_thread": False}
    engine = sa.create_engine(url, hide_parameters=_HIDE, connect_args=connect, **pool)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        prepare_sqlite(connection, profile.pragmas)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin or _begin_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, pragmas: Mapping[str, object]) -> None:
    """Make a new connection durable, and begin transactions where this module says so."""
    connection.isolation_level = None  # else the driver guesses where transactions begin
    for name, value in {**_DURABLE, **pragmas}.items():
        connection.execute(f"PRAGMA {name}={value}")


def _begin_sqlite(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)
