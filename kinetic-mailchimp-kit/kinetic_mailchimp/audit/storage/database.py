"""Opens the trail's database: driver, pragmas, schema, and errors in words."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, TransientError
from kinetic_mailchimp.kit.secret_names import named_as_secret

_BUSY_SECONDS: Final = 60
_SQLITE_CACHE_KIB: Final = 64 * 1024
_SQLITE_CHECKPOINT_PAGES: Final = 8_000  # 32 MB: with the default of 4 MB a bulk load waits for checkpoints
_SCHEMA_LOCK: Final = 7_310_582_467_119_001
"""The key of the PostgreSQL advisory lock that lets one process at a time change the schema."""

_ENCODED: Final = "with %40, %3A, %2F and %25 for @ : / and % in its password"
"""How a password is written in a URL; else a part of it would be taken for a host or a port, and told."""

_HIDE: Final = True
"""An error message must not tell the values of a row: they are somebody's data."""

_migrating = threading.Lock()  # Alembic keeps the migration at work in a global proxy


class Database:
    """An engine with two kinds of transactions: those that read and those that write.

    Args:
        url: An SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        ConfigurationError: If the URL, the driver, the folder or the schema is not usable.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_folder(self.url)
            self._engine: sa.Engine = _sqlite_engine(self.url)
            self._reader = self._engine
            # All writing through one connection: a second one would have to read what the first one changed.
            writer = _sqlite_engine(self.url, pool_size=1, max_overflow=0, pool_timeout=_BUSY_SECONDS)
            self._writer: sa.Engine = writer.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        else:
            self._engine = sa.create_engine(self.url, hide_parameters=_HIDE, pool_pre_ping=True)
            # One state for the whole transaction, as SQLite gives by itself.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
            self._writer = self._engine
        try:
            self._migrate()
        except ConnectorError:
            self.close()
            raise
        except sa.exc.DBAPIError as error:
            self.close()
            raise ConfigurationError(
                f"The audit database {self} cannot be opened: {_first_line(error)}.",
                advice="Check the setting audit_database_url, and that the account may create tables there.",
            ) from error

    def __str__(self) -> str:
        """The URL without its passwords, of which the query may hold some too."""
        shown = self.url.difference_update_query([name for name in self.url.query if named_as_secret(name)])
        return shown.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one state of the database."""
        with _in_words(self), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that is durable once the block is left, or leaves no trace."""
        with _in_words(self), self._writer.begin() as connection:
            yield connection

    def clean_up(self) -> bool:
        """Remove what deleted and changed rows left behind in the database's files.

        Returns:
            Whether nothing is left; False while another process still reads an older state.
        """
        with _in_words(self), self._engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT", sqlite_begin=None)
            if self.is_sqlite:
                busy, _, _ = autocommit.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                return not busy
            autocommit.exec_driver_sql("VACUUM decisions, dead_letters, ledger_entries")
            return True

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()
        self._writer.dispose()

    def _migrate(self) -> None:
        with _migrating, _quiet_alembic():
            with self._engine.begin() as connection:
                if MigrationContext.configure(connection).get_current_revision() == _head_revision():
                    return
            self._upgrade()

    def _upgrade(self) -> None:
        with self._writer.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            self._check_known(MigrationContext.configure(connection).get_current_revision())
            config = migration_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _check_known(self, revision: str | None) -> None:
        scripts = ScriptDirectory.from_config(migration_config())
        known = {script.revision for script in scripts.walk_revisions()}
        if revision is not None and revision not in known:
            raise ConfigurationError(
                f"The audit database {self} was written by a newer sync-audit (its schema is {revision}).",
                advice="Install the newest sync-audit for every plugin that shares the database.",
            )


@contextmanager
def _quiet_alembic() -> Iterator[None]:
    """Keep what Alembic tells of its routine out of the log of every run."""
    logger = logging.getLogger("alembic")
    before = logger.level
    logger.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(before)


def migration_config() -> Config:
    """Alembic's configuration, made from what is inside this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _head_revision() -> str | None:
    return ScriptDirectory.from_config(migration_config()).get_current_head()


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is left out: it quotes what it takes for a port, which may be a part of the password.
        raise ConfigurationError(
            "The setting audit_database_url is not a database URL.",
            advice="Use sqlite:///data/sync-audit.sqlite3 or postgresql://user:password@host/database, "
            f"{_ENCODED}.",
        ) from None
    backend = parsed.get_backend_name()
    if backend != "sqlite" and "@" in f"{parsed.host}{parsed.database}":
        # The password ends at the first @: its rest would be taken for a host, and told as one.
        raise ConfigurationError(
            "The setting audit_database_url has more than one @.", advice=f"Write it {_ENCODED}."
        )
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"The setting audit_database_url names a database of kind {backend!r}.",
            advice="The audit trail lives in SQLite (sqlite:///…) or PostgreSQL (postgresql://…).",
        )
    if backend == "postgresql":
        if find_spec("psycopg") is None:
            raise ConfigurationError(
                "The setting audit_database_url names PostgreSQL, and its driver is not installed.",
                advice="Install the extra: pip install 'kinetic-mailchimp-kit[postgres]'.",
            )
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _make_folder(url: sa.URL) -> None:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "The setting audit_database_url names an SQLite database in memory, which ends with the process.",
            advice="Name a file: sqlite:///data/sync-audit.sqlite3.",
        )
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} of the audit database cannot be made: {error.strerror}.",
            advice="Make it, or name another file in the setting audit_database_url.",
        ) from error


def _sqlite_engine(url: sa.URL, **pool: int) -> sa.Engine:
    connect = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, hide_parameters=_HIDE, connect_args=connect, **pool)
    sa.event.listen(engine, "connect", prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Make a new connection durable, quick with batches, and thorough with what is deleted."""
    connection.isolation_level = (
        None  # transactions begin where this module says, not where the driver guesses
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA cache_size=-{_SQLITE_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint={_SQLITE_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA synchronous=FULL")  # committed means on the disk, also when the power fails
    connection.execute("PRAGMA secure_delete=ON")  # erased is overwritten, not only forgotten


def _begin_sqlite(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)


@contextmanager
def _in_words(database: Database) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
        raise TransientError(
            f"The audit database {database} did not answer as it should: {_first_line(error)}.",
            advice="Check that its disk is not full and its server runs. Nothing of this step was written.",
        ) from error


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__).rstrip(".")
