from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import cast

import pytest
from click.testing import CliRunner
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError, TransientError
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption, SecretBox
from msgspec.structs import replace
from sqlalchemy import select, text
from tap_mailchimp_webhooks.cli.main import commands
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS, Arrival
from tap_mailchimp_webhooks.inbox.arrivals import Arrivals
from tap_mailchimp_webhooks.inbox.database import Database, default_url
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.inbox.tables import events

MakeArrival = Callable[..., Arrival]
OpenInbox = Callable[..., Inbox]


def test_stores_once_and_reads_in_order(
    open_inbox: OpenInbox, database_url: str, make_arrival: MakeArrival
) -> None:
    inbox = open_inbox(database_url)
    first, second, third = make_arrival(), make_arrival(), make_arrival()

    assert inbox.store([first, second, first]) == [True, True, False]
    assert inbox.store([second, third]) == [False, True]

    found = inbox.read(CONTACT_EVENTS, after=0)
    assert [event.event_id for event in found] == [arrival.event_id for arrival in (first, second, third)]
    assert [event.sequence for event in found] == sorted({event.sequence for event in found})
    assert inbox.read(CONTACT_EVENTS, after=found[1].sequence) == found[2:]
    assert inbox.read(CONTACT_EVENTS, after=0, limit=2) == found[:2]
    assert inbox.last_sequence() == found[-1].sequence
    assert found[0].data == first.data


def test_an_inbox_is_the_same_in_another_database_and_goes_on_there(
    open_inbox: OpenInbox, sqlite_url: str, postgres_url: str, make_arrival: MakeArrival
) -> None:
    inbox = open_inbox(sqlite_url)
    inbox.store([make_arrival() for _ in range(3)])

    command = ["copy", "--inbox-database-url", sqlite_url, "--to", postgres_url]
    told = CliRunner().invoke(commands, command)
    again = CliRunner().invoke(commands, command)

    assert told.exit_code == 0, told.output
    assert (again.exit_code, "has rows already" in again.stderr) == (1, True)
    copied = open_inbox(postgres_url)
    assert copied.inbox_id() == inbox.inbox_id()
    assert copied.page(after=0) == inbox.page(after=0)
    copied.store([make_arrival()])
    assert copied.last_sequence() > inbox.last_sequence()


def test_reads_some_audiences_and_events_that_name_none(inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store([make_arrival(list_id=list_id) for list_id in ("one", "two", "")])

    found = inbox.read(CONTACT_EVENTS, after=0, list_ids=["one"])

    assert [event.list_id for event in found] == ["one", None]


def test_finds_a_person_however_the_address_is_written(inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store([make_arrival(email="Ada@Example.com", list_id="one"), make_arrival(list_id="one")])

    assert list(inbox.about("one", ["ADA@example.com", "bob@example.com"])) == ["ADA@example.com"]
    assert inbox.about("two", ["ada@example.com"]) == {}


def test_the_file_is_its_owners_alone(inbox: Inbox, make_arrival: MakeArrival, tmp_path: Path) -> None:
    inbox.store([make_arrival()])

    modes = {file.name: stat.S_IMODE(os.stat(file).st_mode) for file in (tmp_path / "data").iterdir()}  # noqa: PTH116 (the mode)
    assert set(modes) >= {"inbox.sqlite3", "inbox.sqlite3-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.rule("R2")
def test_every_commit_reaches_the_disk(inbox: Inbox) -> None:
    with inbox.database.reading() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


@pytest.mark.rule("R9")
def test_with_a_key_nothing_personal_is_in_the_file(
    open_inbox: OpenInbox,
    sqlite_url: str,
    make_arrival: MakeArrival,
    new_key: Callable[[], str],
    tmp_path: Path,
) -> None:
    inbox = open_inbox(sqlite_url, FieldEncryption(SecretBox((new_key(),))))
    inbox.store([make_arrival(email="ada.lovelace@example.com", **{"merges][FNAME": "Adafromthetest"})])

    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"lovelace" not in stored
    assert b"Adafromthetest" not in stored
    assert inbox.read(CONTACT_EVENTS, after=0)[0].data["email"] == "ada.lovelace@example.com"


def test_a_key_can_be_added_and_changed_at_any_time(
    open_inbox: OpenInbox, sqlite_url: str, make_arrival: MakeArrival, new_key: Callable[[], str]
) -> None:
    old, new = new_key(), new_key()
    for keys in ((), (old,), (new, old)):
        box = SecretBox(keys) if keys else None
        open_inbox(sqlite_url, FieldEncryption(box)).store(
            [make_arrival(email="ada@example.com", id=str(keys))]
        )
    inbox = open_inbox(sqlite_url, FieldEncryption(SecretBox((new, old))))

    assert len(inbox.read(CONTACT_EVENTS, after=0)) == 3
    assert len(inbox.about("1a2b3c4d5e", ["ada@example.com"])["ada@example.com"]) == 3


def test_a_missing_key_is_named(
    open_inbox: OpenInbox,
    sqlite_url: str,
    make_arrival: MakeArrival,
    new_key: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CONNECTOR_SECRET_KEY", raising=False)
    open_inbox(sqlite_url, FieldEncryption(SecretBox((new_key(),)))).store([make_arrival()])

    with pytest.raises(ConfigurationError, match="CONNECTOR_SECRET_KEY"):
        open_inbox(sqlite_url).read(CONTACT_EVENTS, after=0)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_be_used_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="inbox_database_url"):
        Database.connect(url)


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    "url", ["postgresql://inbox:made-up-word/inbox", "postgresql://inbox:p@ss:made-up-word@127.0.0.1/inbox"]
)
def test_an_error_shows_no_part_of_a_password_that_is_written_wrongly(url: str) -> None:
    with pytest.raises(ConfigurationError, match="%40") as raised:
        Database.connect(url)
    assert "made-up-word" not in "".join(traceback.format_exception(raised.value))


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")

    with pytest.raises(ConfigurationError, match="inbox_database_url"):
        Database.connect(f"sqlite:///{tmp_path / 'data' / 'inbox.sqlite3'}")


def test_a_server_that_is_not_there_is_a_transient_error() -> None:
    with pytest.raises(TransientError, match="inbox_database_url"):
        Inbox.open("postgresql://nobody@127.0.0.1:1/none", FieldEncryption())


def test_a_file_that_is_not_a_database_is_a_connector_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all, " * 100)

    with pytest.raises(TransientError, match="`inbox_database_url`"):
        Inbox.open(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_a_value_that_the_database_refuses_is_an_error_of_that_event(
    inbox: Inbox, make_arrival: MakeArrival
) -> None:
    refused = replace(make_arrival(), occurred_at=cast("str", None))

    with pytest.raises(DataError):
        inbox.store([refused])


def test_receiver_and_tap_agree_on_the_default() -> None:
    assert (
        default_url({"MELTANO_PROJECT_ROOT": "/project"}) == "sqlite:////project/data/webhook-inbox.sqlite3"
    )
    assert default_url({}) == f"sqlite:///{Path.cwd()}/data/webhook-inbox.sqlite3"


@pytest.mark.rule("R2")
def test_a_sequence_is_never_given_out_twice(inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store([make_arrival(), make_arrival()])
    last = inbox.last_sequence()
    with inbox.database.writing() as connection:
        connection.execute(events.delete())
    inbox.store([make_arrival()])

    with inbox.database.reading() as connection:
        assert connection.execute(select(events.c.sequence)).scalar_one() > last


def test_a_follower_is_woken_by_a_new_event_and_not_by_a_clock(
    database_url: str, open_inbox: OpenInbox, make_arrival: MakeArrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_mailchimp_webhooks.inbox.arrivals.LONGEST_WAIT_SECONDS", 600.0)
    inbox, receiver = open_inbox(database_url), open_inbox(database_url)
    with closing(Arrivals(inbox.database)) as arrivals:
        arrivals.wait(Event())  # from now on it listens
        receiver.store([make_arrival()])
        arrivals.wait(Event())
        receiver.requeue([1])
        arrivals.wait(Event())
    assert inbox.last_sequence() == 2


def test_a_follower_whose_connection_is_cut_listens_again(
    postgres_url: str, open_inbox: OpenInbox, make_arrival: MakeArrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_mailchimp_webhooks.inbox.arrivals.LONGEST_WAIT_SECONDS", 600.0)
    inbox, receiver = open_inbox(postgres_url), open_inbox(postgres_url)
    with closing(Arrivals(inbox.database)) as arrivals:
        arrivals.wait(Event())
        with receiver.database.autocommit() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            connection.exec_driver_sql(others)
        for _ in range(2):  # it notices, and listens
            arrivals.wait(Event())
        receiver.store([make_arrival()])
        arrivals.wait(Event())
