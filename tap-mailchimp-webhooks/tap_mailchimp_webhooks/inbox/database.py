"""Opens the inbox's database and gives out its transactions: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError, DataError, TransientError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import DataError as RefusedValueError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

WRITE = {"inbox_write": True}
WRITE_LOCK = 0x6D63_696E_626F_78
"""The advisory lock that PostgreSQL's writers queue at."""
BUSY_SECONDS = 15
DEFAULT_FILE = Path("data") / "webhook-inbox.sqlite3"
SETTING = "inbox_database_url"


def default_url(environment: Mapping[str, str] = os.environ) -> str:
    """A SQLite file in the Meltano project, or in the working directory: the same for receiver and tap."""
    root = Path(environment.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    return f"sqlite:///{root / DEFAULT_FILE}"


class Database:
    """One database, shared by threads.

    Writers take turns from their first statement to their commit, on either database. So numbers that are
    given out in a transaction become visible in the order of their size, and a reader that has seen one will
    never find a smaller one later. Writes are batched, so taking turns costs little.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._glancing = engine if self.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def connect(cls, url: str) -> Database:
        """A database by its SQLAlchemy URL; a SQLite file and its folder are made where they are missing.

        Raises:
            ConfigurationError: The URL is none, or names a database that cannot be used.
        """
        parsed = _parse(url)
        if parsed.get_backend_name() == "sqlite":
            _make_file(parsed)
            engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment.

        Raises:
            TransientError: The database does not answer.
        """
        with _as_ours(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """A connection for one statement that is sent often; a transaction around it would treble its cost.

        Raises:
            TransientError: The database does not answer.
        """
        with _as_ours(), self._glancing.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer overlaps; durable when it ends without an error.

        Raises:
            TransientError: The database does not answer.
        """
        with _as_ours(), self.engine.connect().execution_options(**WRITE) as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITE_LOCK})
            yield connection

    @property
    def folder(self) -> Path | None:
        """The folder of a SQLite file; None for a server."""
        file = self.engine.url.database
        return Path(file).resolve().parent if self.is_sqlite and file else None

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except (RefusedValueError, IntegrityError) as error:
        raise DataError(f"The inbox's database refuses a value ({type(error).__name__}).") from error
    except (DBAPIError, PoolTimeoutError) as error:
        raise TransientError(
            f"The inbox's database does not answer ({type(error).__name__}).",
            advice=f"Check `{SETTING}`, the disk and the database server.",
        ) from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause is left out: it quotes what it takes for a port, which may be a part of the password.
        raise ConfigurationError(
            f"`{SETTING}` is no database URL.",
            advice="Use `sqlite:///path/to/file.sqlite3` or `postgresql://user:password@host/database`, with "
            "%40, %3A, %2F and %25 for @ : / and % in the password.",
        ) from None
    backend = "postgresql" if parsed.get_backend_name() == "postgres" else parsed.get_backend_name()
    if backend == "postgresql":
        if importlib.util.find_spec("psycopg") is None:
            raise ConfigurationError(
                "PostgreSQL needs a driver that is not installed.",
                advice="Install `tap-mailchimp-webhooks[postgres]`.",
            )
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError(
            f"`{SETTING}` names a database that the inbox cannot use.",
            advice="Use a SQLite file or PostgreSQL.",
        )
    return parsed


def _make_file(url: URL) -> None:
    file = Path(str(url.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Only its owner may read it: it holds people's addresses.
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"The inbox file {file.name} cannot be opened: {error.strerror}.", advice=f"Check `{SETTING}`."
        ) from error


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's connection)
    connection.isolation_level = None  # transactions begin where _begin_sqlite says so
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("inbox_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
