"""One database layer for SQLite and PostgreSQL: URLs, transactions, migrations, errors in words.

Needs the extra `database`. What differs between two databases is their `Profile`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.failures import GONE, HOLDERS, LOCKED, failure, kind_of
from kinetic_mailchimp.kit.database.postgresql import postgres_engine, require_utf8
from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.database.sqlite import file_identity, make_file, sqlite_engine
from kinetic_mailchimp.kit.database.url import parse_url
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.redaction.secret_names import named_as_secret

logger = logging.getLogger(__name__)

_FIRST_WAIT: Final = 1
"""Seconds after which the log tells that the database is locked."""

_migrating = threading.Lock()  # Alembic keeps the migration at work in a global proxy


class Database:
    """An engine with transactions that read and transactions that write, shared by threads.

    Each of its methods raises a `TransientError` where the database does not answer.

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
            make_file(self.url, profile)
            self._file = file_identity(self.url)
            self._reader: sa.Engine = sqlite_engine(self.url, profile)
            self._autocommit = self._reader.execution_options(sqlite_begin=None)
            # All writing through one connection: a second one would have to read what the first one changed.
            self._writer: sa.Engine = sqlite_engine(
                self.url,
                replace(profile, busy_seconds=min(profile.busy_seconds, _FIRST_WAIT)),
                begin=self._begin_writing,
                pool_size=1,
                max_overflow=0,
                pool_timeout=profile.busy_seconds,
            )
            self._gave_up = False
        else:
            self._writer = postgres_engine(self.url)
            # One state for the whole transaction, as SQLite gives by itself.
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")
            self._autocommit = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    def __str__(self) -> str:
        """The URL without its passwords, of which the query may hold some too."""
        shown = self.url.difference_update_query([name for name in self.url.query if named_as_secret(name)])
        return shown.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one state of the database."""
        with self._in_words(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that is durable once the block is left, or leaves no trace."""
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

    def require_writable(self) -> None:
        """Begin a change of no row, which a file, a login or a server that only reads refuses.

        Raises:
            TransientError: Nothing can be written.
        """
        nothing = sa.update(self._version_table()).where(sa.false()).values(version_num=self.profile.head)
        with self.writing() as connection:
            connection.execute(nothing)

    def check_file(self) -> None:
        """Check that what is committed can be found: SQLite goes on writing into a file without a name.

        Raises:
            TransientError: The file was removed, or another one is in its place.
        """
        if self.is_sqlite and file_identity(self.url) != self._file:
            raise TransientError(
                f"The file of the {self.profile.name} {self} was removed or replaced while it was in use: "
                "what is written since then is lost.",
                advice="Put the file back, or start again with a new one.",
                code=GONE,
            )

    @contextmanager
    def autocommit(self) -> Iterator[sa.Connection]:
        """A connection for single statements that are sent often; a transaction would treble their cost."""
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
            ConfigurationError: A newer version of this software has been here, or PostgreSQL has the database
                in an encoding that does not take every letter.
        """
        with self.reading() as connection:
            if not self.is_sqlite:
                require_utf8(connection, str(self), self.profile)
            if self._revision(connection) == self.profile.head:
                return
        with _migrating, self.writing() as connection:
            self._lock(connection)
            revision = self._revision(connection)
            if revision is None and self.profile.create_schema is not None:
                self.profile.create_schema(connection)
                self._stamp(connection)
            elif revision != self.profile.head:
                self._upgrade(connection, revision)

    def _upgrade(self, connection: sa.Connection, revision: str | None) -> None:
        with _quiet_alembic():
            from alembic import command  # noqa: PLC0415 (see `Profile.alembic_config`)
            from alembic.script import ScriptDirectory  # noqa: PLC0415 (likewise)

            config = self.profile.alembic_config()
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if revision is not None and revision not in known:
                raise ConfigurationError(
                    f"The {self.profile.name} {self} was written by a newer {self.profile.software} (its "
                    f"schema is {revision}).",
                    advice=f"Install the newest {self.profile.software} for {self.profile.shared_by}.",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _stamp(self, connection: sa.Connection) -> None:
        """Note the newest revision, in the table that Alembic makes."""
        name = self.profile.version_table
        revision = sa.Column("version_num", sa.String(32), nullable=False)
        table = sa.Table(name, sa.MetaData(), revision, sa.PrimaryKeyConstraint(revision, name=f"{name}_pkc"))
        table.create(connection, checkfirst=True)
        connection.execute(sa.insert(table).values(version_num=self.profile.head))

    def _revision(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table(self.profile.version_table):
            return None
        return connection.execute(sa.select(self._version_table().c.version_num)).scalar()

    def _version_table(self) -> sa.TableClause:
        return sa.table(self.profile.version_table, sa.column("version_num", sa.String))

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
            raise failure(error, str(self), self.profile) from error


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
