"""The database: its schema, its migrations, and what is said when it cannot be used."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import AuditTrail, Decision, Direction
from kinetic_mailchimp.audit.storage.database import PROFILE, Database
from kinetic_mailchimp.audit.storage.schema import decisions, metadata, properties, runs, same_person
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.kit.database import url as database_url
from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError

BY_STEPS = replace(PROFILE, create_schema=None)
"""A trail that Alembic makes, as it upgrades one."""
Make = Callable[..., Decision]
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def test_a_run_has_its_direction(trail: AuditTrail) -> None:
    trail.start_run(plugin="target-mailchimp", version="0.1.0", direction=Direction("Epicor", "Mailchimp"))
    trail.start_run(plugin="sync-audit", version="0.1.0")
    with trail.database.reading() as connection:
        stored = connection.execute(sa.select(runs.c.source_system, runs.c.destination_system)).all()
    assert [tuple(row) for row in stored] == [("Epicor", "Mailchimp"), (None, None)]
    assert str(Direction("Epicor", "Mailchimp")) == "Epicor → Mailchimp"


@pytest.mark.filterwarnings("ignore:.*expression-based index")
@pytest.mark.parametrize("profile", [PROFILE, BY_STEPS], ids=["at once", "by steps"])
def test_a_new_trail_has_exactly_the_tables_that_the_code_knows(url: str, profile: Profile) -> None:
    database = Database(url, profile)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        config = PROFILE.alembic_config()
        config.attributes["connection"] = connection
        command.check(config)
        assert ScriptDirectory.from_config(config).get_current_head() == PROFILE.head
        if not database.is_sqlite:
            inspector = sa.inspect(connection)
            for table in metadata.sorted_tables:
                assert inspector.get_table_comment(table.name)["text"] == table.comment
    database.close()


def test_a_trail_is_made_at_once_as_by_all_steps(tmp_path: Path) -> None:
    made = []
    for name, profile in (("at_once", PROFILE), ("by_steps", BY_STEPS)):
        database = Database(f"sqlite:///{tmp_path / name}", profile)
        with database.reading() as connection:
            objects = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name").all()
            fixed = connection.execute(sa.select(properties.c.name).order_by(properties.c.name)).all()
        made.append(([(name, " ".join((sql or "").split())) for name, sql in objects], fixed))
        database.close()
    assert made[0] == made[1]


def test_people_are_found_by_the_beginning_of_their_digest(sqlite_url: str) -> None:
    others = decisions.alias("others")
    database = Database(sqlite_url)
    with database.reading() as connection:
        for other in (b"0123456789abcdef", others.c.person):
            query = sa.select(decisions.c.seq, others.c.seq).where(
                same_person(decisions.c.person, other), others.c.run_id == 1, others.c.seq == 1
            )
            compiled = query.compile(connection)
            values = tuple(compiled.params[name] for name in compiled.positiontup or ())
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
            assert "INDEX ix_decisions_person" in " ".join(step[3] for step in steps)
    database.close()


def test_opening_again_changes_nothing(url: str) -> None:
    with AuditTrail.open(url) as trail:
        person = trail.person("ada@example.com")
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.finish()
    with AuditTrail.open(url) as trail:
        assert trail.person(" ADA@example.com") == person
        assert trail.start_run(plugin="target-mailchimp", version="0.1.0").id == run.id + 1


def test_opening_says_nothing_of_its_routine(url: str, caplog: pytest.LogCaptureFixture) -> None:
    alembic = logging.getLogger("alembic")
    level = alembic.level
    caplog.set_level(logging.INFO)
    Database(url, BY_STEPS).close()
    AuditTrail.open(url).close()
    assert [record.name for record in caplog.records if record.name.startswith("alembic")] == []
    assert alembic.level == level


def test_a_trail_of_a_newer_version_is_left_alone(url: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(ConfigurationError, match="newer sync-audit") as raised:
        AuditTrail.open(url)
    assert "newest sync-audit" in raised.value.advice


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "is not a database URL"),
        ("mysql://localhost/audit", "database of kind 'mysql'"),
        ("sqlite://", "in memory"),
        ("sqlite:////proc/nowhere/audit.sqlite3", "cannot be made"),
    ],
)
def test_a_url_that_cannot_work_is_reported_with_the_setting(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        AuditTrail.open(url)
    assert "audit_database_url" in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://audit:made-up-word@127.0.0.1:1/audit?connect_timeout=2",
        "postgresql://127.0.0.1:1/audit?connect_timeout=2&user=audit&password=made-up-word",
    ],
)
def test_a_server_that_does_not_answer_is_reported_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened") as raised:
        AuditTrail.open(url)
    assert "made-up-word" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://audit:p@made-up-word@127.0.0.1:1/audit",
        "postgresql://audit:p@ss:made-up-word@127.0.0.1:1/audit",
        "postgresql://audit:p@ss/made-up-word@127.0.0.1:1/audit",
        "postgresql://audit:made-up-word/audit",
    ],
)
def test_no_part_of_a_malformed_password_is_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="%40") as raised:
        AuditTrail.open(url)
    assert "made-up-word" not in "".join(traceback.format_exception(raised.value))


def test_a_missing_driver_is_reported_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_url, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"kinetic-mailchimp-kit\[postgres\]"):
        AuditTrail.open("postgresql://localhost/audit")


def test_sqlite_is_durable_and_read_while_it_is_written(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    database.close()


def test_a_writer_that_waits_too_long_for_another_one_fails(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url, replace(PROFILE, busy_seconds=0))
    with database.writing(), pytest.raises(TransientError, match="locked for 0 s"), database.writing():
        pass
    with database.writing() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    database.close()


def test_a_full_database_is_transient_and_nothing_is_half(sqlite_url: str, decision: Make) -> None:
    with AuditTrail.open(sqlite_url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read(2_000)
        with trail.database.writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(TransientError, match="full"):
            run.record([decision(n) for n in range(2_000)])
        with trail.database.reading() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(decisions)).scalar_one() == 0
        with trail.database.writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        run.record([decision(n) for n in range(2_000)])
        assert run.finish().status == "succeeded"


@pytest.mark.rule("R3")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_run_whose_database_was_removed_does_not_succeed(
    sqlite_url: str, decision: Make, replaced: bool
) -> None:
    file = Path(str(sa.make_url(sqlite_url).database))
    with AuditTrail.open(sqlite_url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read()
        run.record([decision(1)])
        file.unlink()
        if replaced:
            file.touch()
        with pytest.raises(TransientError, match="removed or replaced"):
            run.finish()


def test_a_full_disk_at_the_start_is_told_as_one(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kinetic_mailchimp.audit.storage.database.PROFILE",
        replace(PROFILE, pragmas={**PROFILE.pragmas, "max_page_count": 4}),
    )
    with pytest.raises(TransientError, match="the disk is full") as caught:
        AuditTrail.open(sqlite_url)
    assert "may create tables" not in str(caught.value)


def test_a_locked_database_is_given_up_after_the_seconds_of_the_setting(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_LOCK_SECONDS", "1")
    with AuditTrail.open(sqlite_url) as trail:
        holder = sqlite3.connect(str(trail.database.url.database), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(TransientError, match=r"locked for 1 s .`AUDIT_LOCK_SECONDS`"):
            trail.start_run(plugin="target-mailchimp", version="0.1.0")
        assert 1 <= time.monotonic() - begun < 20  # the driver waits, and the machine may be busy
        holder.close()


@pytest.mark.parametrize("seconds", ["x", "-1", "1.5", "9999999", "²"])
def test_a_number_of_seconds_that_is_none_is_named(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("AUDIT_LOCK_SECONDS", seconds)
    with pytest.raises(ConfigurationError, match="AUDIT_LOCK_SECONDS"):
        Database(sqlite_url)


@pytest.mark.rule("R9")
def test_the_files_of_the_database_are_for_their_owner_alone(
    sqlite_url: str, decision: Make, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(str(sa.make_url(sqlite_url).database))
    before = os.umask(0)
    try:
        with AuditTrail.open(sqlite_url) as trail:
            trail.start_run(plugin="target-mailchimp", version="0.1.0").record([decision(1)])
            modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.glob(f"{file.name}*")}
    finally:
        os.umask(before)
    assert len(modes) == 3  # the database, its log and its index
    assert set(modes.values()) == {0o600}
    file.chmod(0o644)
    Database(sqlite_url).close()
    assert f"chmod 600 {file}" in caplog.text


def test_dead_letters_and_payloads_are_encrypted_with_the_key(
    sqlite_url: str, decision: Make, tmp_path: Path
) -> None:
    key = Fernet.generate_key().decode()
    letter = {"email_address": "hidden@example.com"}
    with AuditTrail.open(sqlite_url, encryption_key=key, keep_payloads=True) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.record([decision(dead_letter=letter, payload=letter)])
    everything = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"hidden@example.com" not in everything
    assert everything.count(b"fernet:") >= 2


def test_payloads_are_stored_by_setting_only(sqlite_trail: AuditTrail, decision: Make) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([decision(payload={"a": 1})])
    with sqlite_trail.database.reading() as connection:
        assert connection.execute(sa.select(decisions.c.payload)).scalar_one() is None


def test_what_was_encrypted_needs_its_key() -> None:
    old, new, other = (Fernet.generate_key().decode() for _ in range(3))
    stored = record_encryption(old).encrypt("text")
    with pytest.raises(ConfigurationError, match=r"no key is set.*AUDIT_ENCRYPTION_KEY"):
        record_encryption(None).decrypt(stored)
    with pytest.raises(ConfigurationError, match=r"another key.*AUDIT_ENCRYPTION_KEY"):
        record_encryption(other).decrypt(stored)
    with pytest.raises(ConfigurationError, match=r"AUDIT_ENCRYPTION_KEY is malformed"):
        record_encryption("short")
    both = record_encryption(f"{new},{old}")
    assert both.decrypt(stored) == "text"
    assert record_encryption(new).decrypt(both.encrypt("later")) == "later"


def test_a_record_in_clear_is_read_with_a_key_too() -> None:
    assert record_encryption(Fernet.generate_key().decode()).decrypt('{"a":1}') == '{"a":1}'
