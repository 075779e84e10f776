from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from kinetic_mailchimp.kit.errors import ConfigurationError
from simulators.mailchimp.testing import RunningMailchimp
from sqlalchemy import inspect, text
from tap_mailchimp_webhooks.events.delivery import FORM
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS, Arrival
from tap_mailchimp_webhooks.inbox import database
from tap_mailchimp_webhooks.inbox.database import PROFILE, VERSION_TABLE, Database
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.inbox.tables import events, metadata
from tap_mailchimp_webhooks.receiver import group_commit
from typing_extensions import override

OpenInbox = Callable[..., Inbox]
Form = Callable[..., bytes]
MakeArrival = Callable[..., Arrival]

PATH = "/webhooks/mailchimp/a-path-secret-of-the-tests"
COMMAND = (sys.executable, "-c", "from tap_mailchimp_webhooks.cli.main import main; main()")


def variables(inbox_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "MAILCHIMP_WEBHOOKS_SECRET": PATH.rpartition("/")[2],
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": inbox_url,
    }


@contextmanager
def receiver_process(inbox_url: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`mailchimp-webhooks serve` as a process: its address, and the process."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True, env=variables(inbox_url)
    ) as process:
        assert process.stderr is not None
        found = next(filter(None, (re.search(r"running on (http://\S+)", line) for line in process.stderr)))
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield found[1], process
        finally:
            process.kill()
            reader.join()


def post_until_it_ends(url: str, worker: int, form: Form, accepted: list[str]) -> None:
    """Post events one after the other; note the addresses of those that were accepted."""
    with requests.Session() as session:
        for number in range(100_000):
            email = f"person{worker}-{number}@example.com"
            try:
                answer = session.post(
                    url + PATH, data=form(email=email), headers={"Content-Type": FORM}, timeout=10
                )
            except requests.RequestException:
                return
            if answer.ok:
                accepted.append(email)


def stored_addresses(inbox: Inbox) -> set[str]:
    return {event.data["email"] for event in inbox.read(CONTACT_EVENTS, after=0, limit=100_000)}


@pytest.mark.rule("R2")
def test_killed_under_load_it_has_everything_that_it_accepted(
    open_inbox: OpenInbox, sqlite_url: str, form: Form, wait_until: Callable[..., None]
) -> None:
    accepted: list[str] = []
    with receiver_process(sqlite_url) as (url, process):
        workers = [
            threading.Thread(target=post_until_it_ends, args=(url, worker, form, accepted))
            for worker in range(8)
        ]
        for worker in workers:
            worker.start()
        wait_until(lambda: len(accepted) > 300)
        process.kill()
        for worker in workers:
            worker.join()

    stored = {
        event.data["email"] for event in open_inbox(sqlite_url).read(CONTACT_EVENTS, after=0, limit=100_000)
    }
    assert set(accepted) <= stored


@pytest.mark.rule("R2")
def test_stopped_under_load_it_ends_well_with_everything_that_it_accepted(
    open_inbox: OpenInbox, sqlite_url: str, form: Form, wait_until: Callable[..., None]
) -> None:
    accepted: list[str] = []
    with receiver_process(sqlite_url) as (url, process):
        workers = [
            threading.Thread(target=post_until_it_ends, args=(url, worker, form, accepted))
            for worker in range(4)
        ]
        for worker in workers:
            worker.start()
        wait_until(lambda: len(accepted) > 100)
        process.terminate()
        assert process.wait(timeout=120) == 0
        for worker in workers:
            worker.join()

    stored = {
        event.data["email"] for event in open_inbox(sqlite_url).read(CONTACT_EVENTS, after=0, limit=100_000)
    }
    assert set(accepted) <= stored


@pytest.mark.rule("R2")
def test_two_receivers_on_one_database_while_a_reader_reads(
    open_inbox: OpenInbox, postgres_url: str, start_receiver: Callable[..., str], form: Form
) -> None:
    urls = [start_receiver(postgres_url), start_receiver(postgres_url)]
    count = 600
    done = threading.Event()
    read: list[str] = []

    def follow() -> None:
        inbox = open_inbox(postgres_url)
        after = 0
        while True:
            was_done = done.is_set()
            batch = inbox.read(CONTACT_EVENTS, after=after, limit=50)
            read.extend(event.event_id for event in batch)
            after = batch[-1].sequence if batch else after
            if was_done and not batch:
                return

    reader = threading.Thread(target=follow)
    reader.start()
    sessions = [requests.Session() for _ in range(12)]

    def post(number: int) -> str:
        # Each event goes to both, as when two webhooks lead to one inbox.
        body = form(email=f"person{number // 2}@example.com")
        session = sessions[number % len(sessions)]
        answer = session.post(urls[number % 2] + PATH, data=body, headers={"Content-Type": FORM}, timeout=120)
        assert answer.status_code == 200
        return answer.text

    with ThreadPoolExecutor(len(sessions)) as pool:
        answers = list(pool.map(post, range(count)))
    done.set()
    reader.join()
    for session in sessions:
        session.close()

    assert sorted(answers) == ["known"] * (count // 2) + ["stored"] * (count // 2)
    assert len(read) == len(set(read)) == count // 2


@contextmanager
def one_address(*urls: str) -> Iterator[str]:
    """An address whose connections go to some receivers in turn, also to one that is gone."""
    places = [urlsplit(url) for url in urls]
    turns = itertools.cycle([(place.hostname, place.port) for place in places])

    def relay(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(65_536):
                target.sendall(some)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    class Handler(socketserver.BaseRequestHandler):
        @override
        def handle(self) -> None:
            with suppress(ConnectionRefusedError), socket.create_connection(next(turns)) as receiver:
                there = threading.Thread(target=relay, args=(self.request, receiver))
                there.start()
                relay(receiver, self.request)
                there.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def metrics(url: str, name: str) -> float:
    """The sum of the values of a metric of a receiver."""
    page = requests.get(f"{url}/metrics", timeout=60).text
    return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)))


@pytest.mark.rule("R2")
def test_several_receivers_behind_one_address_are_one_receiver(
    open_inbox: OpenInbox, postgres_url: str, mailchimp: RunningMailchimp
) -> None:
    people = {f"person{number}@example.com" for number in range(12)}
    with ExitStack() as stack:
        started = [stack.enter_context(receiver_process(postgres_url)) for _ in range(3)]
        urls = [url for url, _ in started]
        address = stack.enter_context(one_address(*urls))
        account = {"MAILCHIMP_API_KEY": mailchimp.api_key, "MAILCHIMP_BASE_URL": mailchimp.base_url}
        subprocess.run(
            [*COMMAND, "register", "--url", address, "--list-id", mailchimp.list_id],
            env=variables(postgres_url) | account,
            check=True,
            capture_output=True,
        )
        for person in people:
            mailchimp.control.subscribe(person)
        mailchimp.control.flush_webhooks(hurry=True)
        # Each knows the secret of their signatures, and tells of what all of them stored.
        assert all(metrics(url, "mailchimp_webhooks_events_total") > 0 for url in urls)
        assert {metrics(url, "mailchimp_webhooks_inbox_unread") for url in urls} == {len(people)}

        started[0][1].kill()
        for person in people:
            mailchimp.control.unsubscribe(person)
        mailchimp.control.flush_webhooks(hurry=True)

    assert {delivery["state"] for delivery in mailchimp.control.deliveries()} == {"delivered"}
    read = open_inbox(postgres_url).read(CONTACT_EVENTS, after=0, limit=1000)
    expected = [(kind, person) for kind in ("subscribe", "unsubscribe") for person in people]
    assert Counter((event.type, event.data["email"]) for event in read) == Counter(expected)


@pytest.mark.rule("R2")
def test_an_event_that_commits_late_is_not_skipped(
    open_inbox: OpenInbox, database_url: str, make_arrival: MakeArrival
) -> None:
    early, late = open_inbox(database_url), open_inbox(database_url)
    reader = open_inbox(database_url)
    first, second = make_arrival(), make_arrival()
    with early.database.writing() as connection:
        connection.execute(events.insert(), early.rows([first]))
        storing = threading.Thread(target=late.store, args=([second],))
        storing.start()
        storing.join(timeout=0.3)
        # The second waits for the first, so that no reader can be past it.
        assert storing.is_alive()
        assert reader.read(CONTACT_EVENTS, after=0) == []
    storing.join()

    assert [event.event_id for event in reader.read(CONTACT_EVENTS, after=0)] == [
        first.event_id,
        second.event_id,
    ]


def test_many_may_open_a_new_inbox_at_once(database_url: str) -> None:
    def open_and_close(_: int) -> None:
        inbox = Inbox.open(database_url)
        inbox.last_sequence()
        inbox.database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_close, range(8)))


def test_the_migrations_lead_to_the_tables_that_the_code_expects(database_url: str) -> None:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 (slow to import)
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 (the same)
    from alembic.script import ScriptDirectory  # noqa: PLC0415 (the same)

    database = Database.connect(database_url)
    database.migrate()
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
            },
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == PROFILE.head
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}
    database.close()
    assert ScriptDirectory.from_config(PROFILE.alembic_config()).get_current_head() == PROFILE.head


def test_an_inbox_of_a_newer_version_is_left_alone(database_url: str) -> None:
    database = Database.connect(database_url)
    database.migrate()
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 (a constant)

    with pytest.raises(
        ConfigurationError, match="newest tap-mailchimp-webhooks for the receiver as well as the tap"
    ):
        database.migrate()
    database.close()


@pytest.mark.rule("R2")
def test_goes_on_after_the_database_server_broke_off(
    open_inbox: OpenInbox, postgres_url: str, make_arrival: MakeArrival
) -> None:
    inbox, other = open_inbox(postgres_url), open_inbox(postgres_url)
    inbox.store([make_arrival()])
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    with other.database.writing() as connection:
        connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608 (a constant)
        )

    assert inbox.store([make_arrival()]) == [True]
    assert len(inbox.read(CONTACT_EVENTS, after=0)) == 2


def _answers_503(url: str, form: Form, email: str) -> bool:
    answer = requests.post(url + PATH, data=form(email=email), headers={"Content-Type": FORM}, timeout=60)
    return answer.status_code == 503 and bool(answer.headers["Retry-After"])


@pytest.mark.rule("R2")
@pytest.mark.parametrize("replaced", [False, True])
def test_an_inbox_file_that_was_removed_or_replaced_takes_nothing(
    start_receiver: Callable[..., str], form: Form, tmp_path: Path, replaced: bool
) -> None:
    url = start_receiver()
    assert not _answers_503(url, form, "first@example.com")
    file = tmp_path / "data" / "inbox.sqlite3"

    file.rename(tmp_path / "away.sqlite3")
    if replaced:
        shutil.copy(tmp_path / "away.sqlite3", file)

    assert _answers_503(url, form, "second@example.com")
    assert requests.get(f"{url}/readyz", timeout=60).status_code == 503
    if not replaced:
        (tmp_path / "away.sqlite3").rename(file)
        assert not _answers_503(url, form, "second@example.com")


@pytest.mark.rule("R2")
def test_on_a_full_disk_only_what_is_stored_is_accepted(
    start_receiver: Callable[..., str],
    open_inbox: OpenInbox,
    sqlite_url: str,
    form: Form,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "PROFILE", replace(PROFILE, pragmas={"max_page_count": 35}))
        url = start_receiver()
        people = [f"person{number}@example.com" for number in range(200)]
        accepted = {person for person in people if not _answers_503(url, form, person)}

    assert 0 < len(accepted) < len(people)
    assert accepted == stored_addresses(open_inbox(sqlite_url))


@pytest.mark.rule("R2")
def test_on_a_disk_that_cannot_be_written_nothing_is_accepted(
    start_receiver: Callable[..., str], form: Form, monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    monkeypatch.setattr(database, "PROFILE", replace(PROFILE, pragmas={"query_only": "ON"}))

    assert _answers_503(start_receiver(), form, "ada@example.com")
    assert inbox.last_sequence() == 0


@pytest.mark.rule("R2")
def test_an_inbox_that_is_locked_is_told_before_mailchimp_gives_up(
    start_receiver: Callable[..., str],
    form: Form,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., None],
) -> None:
    assert group_commit.LONGEST_WAIT_SECONDS <= 5
    monkeypatch.setattr(group_commit, "LONGEST_WAIT_SECONDS", 0.1)
    url = start_receiver()

    with inbox.database.writing():
        assert _answers_503(url, form, "ada@example.com")
        assert _answers_503(url, form, "bob@example.com")
    wait_until(lambda: not _answers_503(url, form, "ada@example.com"))
