"""The database layer: steps of a schema that came after a database was made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.kit.database import sqlite
from kinetic_mailchimp.kit.database.database import Database
from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError

ENV = """
from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
"""
STEP = """
from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}


def upgrade():
    op.execute({statement!r})
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    made = Profile(
        name="example database",
        setting="example_url",
        example="sqlite:///example.sqlite3",
        software="example",
        shared_by="every program",
        driver="example[postgres]",
        migrations=folder,
        head="1",
        version_table="alembic_version",
        lock=1,
        writers_queue=False,
        busy_seconds=5,
        pragmas={},
    )
    add_step(made, "1", None, "CREATE TABLE people (name TEXT)")
    return made


def add_step(profile: Profile, revision: str, after: str | None, statement: str) -> None:
    text = STEP.format(revision=revision, down_revision=after, statement=statement)
    (profile.migrations / "versions" / f"{revision}.py").write_text(text)


def test_a_database_of_an_earlier_version_keeps_its_rows_and_gets_the_new_step(
    profile: Profile, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'example.sqlite3'}"
    earlier = Database(url, profile)
    earlier.migrate()
    with earlier.writing() as connection:
        connection.exec_driver_sql("INSERT INTO people VALUES ('Ada')")
    earlier.close()
    add_step(profile, "2", "1", "ALTER TABLE people ADD COLUMN town TEXT")
    later = Database(url, replace(profile, head="2"))
    later.migrate()
    with later.reading() as connection:
        (row,) = connection.exec_driver_sql("SELECT name, town FROM people")
        assert tuple(row) == ("Ada", None)
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "2"
    later.close()
    (profile.migrations / "versions" / "2.py").unlink()
    newer = Database(url, profile)
    with pytest.raises(ConfigurationError, match="newer example"):
        newer.migrate()
    newer.close()


def test_a_new_file_that_another_program_is_just_opening_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.sqlite3"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(sqlite3.connect(path, timeout=0)) as connection,
    ):
        other.execute("CREATE TABLE made (it)")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr("time.sleep", lambda _: other.execute("ROLLBACK"))
        sqlite.prepare_sqlite(connection, {})
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_that_can_only_be_read_says_so_before_a_run_needs_it(
    tmp_path: Path, profile: Profile
) -> None:
    url = f"sqlite:///{tmp_path / 'file.sqlite3'}"
    with closing(Database(url, profile)) as database:
        database.migrate()
        database.require_writable()
    with (
        closing(Database(url, replace(profile, pragmas={"query_only": 1}))) as database,
        pytest.raises(TransientError, match="read-only for this user"),
    ):
        database.require_writable()


@pytest.mark.rule("R2")
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_does_not_take_every_letter_is_refused(
    new_postgres_url: Callable[[], str], profile: Profile, encoding: str
) -> None:
    url = sa.make_url(new_postgres_url()).set(drivername="postgresql+psycopg")
    name = f"letters_{encoding.lower()}"
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        connection.execute(sa.text(f"CREATE DATABASE {name} {options}"))
    admin.dispose()
    given = url.set(database=name).render_as_string(hide_password=False)
    with (
        closing(Database(given, profile)) as database,
        pytest.raises(ConfigurationError, match=f"encoding {encoding}.*createdb --encoding=UTF8"),
    ):
        database.migrate()


@pytest.mark.rule("R2")
@pytest.mark.parametrize(("query", "seconds"), [({}, "30"), ({"keepalives_idle": "7"}, "7")])
def test_a_server_that_has_died_is_not_waited_for_without_an_end(
    new_postgres_url: Callable[[], str], profile: Profile, query: dict[str, str], seconds: str
) -> None:
    url = sa.make_url(new_postgres_url()).update_query_dict(query).render_as_string(hide_password=False)
    with closing(Database(url, profile)) as database, database.autocommit() as connection:
        driver: Any = connection.connection.driver_connection
        options = driver.info.get_parameters()
    assert options["keepalives_idle"] == seconds
    assert options["tcp_user_timeout"] == "30000"
    assert options["connect_timeout"] == "10"
