from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it publishes no types
import pytest
from kinetic_mailchimp.kit.errors import ConnectorError
from simulators.mailchimp.testing import StartMailchimp
from tap_mailchimp_webhooks.catch_up.poller import CatchUp
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS, Arrival
from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.streams.event_reader import BATCH, QUIET_SECONDS, EventReader
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks

MakeArrival = Callable[..., Arrival]
Message = dict[str, Any]


@dataclass
class Run:
    """What a tap wrote."""

    messages: list[Message]
    errors: str
    status: int

    def records(self, stream: str = CONTACT_EVENTS) -> list[Message]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    @property
    def state(self) -> Message:
        return next(m["value"] for m in reversed(self.messages) if m["type"] == "STATE")


@dataclass
class Following:
    """A tap that runs."""

    process: subprocess.Popen[str]
    messages: Queue[Message | None] = field(default_factory=Queue)

    def next(self, kind: str) -> Message:
        """The next message of a type."""
        while (message := self.messages.get(timeout=120)) is not None:
            if message["type"] == kind:
                return message
        pytest.fail("the tap ended")

    def next_record(self) -> Message:
        record: Message = self.next("RECORD")["record"]
        return record

    def end(self, signum: int) -> tuple[int, Message]:
        """Send a signal; hands out the exit status and the last state."""
        self.process.send_signal(signum)
        state: Message = {}
        while (message := self.messages.get(timeout=120)) is not None:
            if message["type"] == "STATE":
                state = message["value"]
        return self.process.wait(timeout=120), state


@dataclass(frozen=True)
class Tap:
    """Runs the tap: in this process, or as a program of its own where it is stopped from outside."""

    folder: Path
    config: dict[str, Any]
    capture: pytest.CaptureFixture[str]
    logs: pytest.LogCaptureFixture

    def command(self, state: Message | None, settings: Mapping[str, Any]) -> list[str]:
        (self.folder / "config.json").write_text(json.dumps({**self.config, **settings}))
        arguments = ["--config", str(self.folder / "config.json")]
        if state is not None:
            (self.folder / "state.json").write_text(json.dumps(state))
            arguments += ["--state", str(self.folder / "state.json")]
        return [sys.executable, "-m", "tap_mailchimp_webhooks", *arguments]

    def run(self, state: Message | None = None, **settings: Any) -> Run:
        self.capture.readouterr()
        self.logs.clear()
        status, error = 0, ""
        with handlers_kept():
            tap = TapMailchimpWebhooks(config={**self.config, **settings}, state=state)
            try:
                tap.sync_all()
            except ConnectorError as failure:
                status, error = 1, str(failure)
        lines = self.capture.readouterr().out.splitlines()
        return Run([json.loads(line) for line in lines], self.logs.text + error, status)

    @contextmanager
    def following(self, state: Message | None = None, **settings: Any) -> Iterator[Following]:
        command = self.command(state, {"follow": True, **settings})
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            running = Following(process)

            def read() -> None:
                for line in process.stdout or ():
                    running.messages.put(json.loads(line))
                running.messages.put(None)

            reader = threading.Thread(target=read)
            reader.start()
            try:
                yield running
            finally:
                process.kill()
                reader.join()


@contextmanager
def handlers_kept() -> Iterator[None]:
    """The tap takes the signals of its process; this one's go on to pytest."""
    kept = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in kept.items():
            signal.signal(signum, handler)


@pytest.fixture
def tap(
    tmp_path: Path,
    sqlite_url: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Tap:
    return Tap(tmp_path, {"inbox_database_url": sqlite_url, "catch_up": False}, capsys, caplog)


def test_drains_the_inbox_in_order_and_goes_on_where_it_was(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    arrivals = [make_arrival(event_type) for event_type in ("subscribe", "profile", "unsubscribe", "cleaned")]
    inbox.store(arrivals[:3])

    first = tap.run()
    inbox.store(arrivals[3:])
    second = tap.run(first.state)
    third = tap.run(second.state)

    assert [record["event_id"] for record in first.records()] == [
        arrival.event_id for arrival in arrivals[:3]
    ]
    assert [record["sequence"] for record in first.records()] == [1, 2, 3]
    assert [record["event_id"] for record in second.records()] == [arrivals[3].event_id]
    assert third.records() == []
    assert third.state["bookmarks"][CONTACT_EVENTS]["replication_key_value"] == 4
    assert first.status == second.status == third.status == 0


def test_a_record_has_the_contract_form(tap: Tap, inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store(
        [
            make_arrival(
                "upemail",
                old_email="old@example.com",
                new_email="new@example.com",
                email="",
                web_id="3375995",
                campaign_id="c1",
            )
        ]
    )

    (record,) = tap.run().records()

    assert record == {
        "event_id": record["event_id"],
        "sequence": 1,
        "type": "upemail",
        "reason": None,
        "action": None,
        "email": "old@example.com",
        "old_email": "old@example.com",
        "new_email": "new@example.com",
        "list_id": "1a2b3c4d5e",
        "web_id": "3375995",
        "campaign_id": "c1",
        "unsubscribe_reason": None,
        "initiated_by": None,
        "merges": {},
        "statement": None,
        "claimed_at": None,
        "confirmation": None,
        "occurred_at": "2026-03-01T11:59:58+00:00",
        "received_at": "2026-03-01T12:00:00.000000+00:00",
        "origin": "webhook",
    }


def test_every_record_fits_its_schema(tap: Tap, inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store(
        [make_arrival(), make_arrival("subscribe", **{"merges][A][b": "1"}), make_arrival("campaign")]
    )

    run = tap.run()

    schemas = {m["stream"]: m["schema"] for m in run.messages if m["type"] == "SCHEMA"}
    for stream, schema in schemas.items():
        for record in run.records(stream):
            jsonschema.validate(record, schema)
    assert [record["status"] for record in run.records("campaign_events")] == [None]


def test_only_some_audiences_are_read(tap: Tap, inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store([make_arrival(list_id=list_id) for list_id in ("one", "two", "three")])

    assert [record["list_id"] for record in tap.run(list_ids=["one", "three"]).records()] == ["one", "three"]
    assert [record["list_id"] for record in tap.run(list_ids="one, two").records()] == ["one", "two"]
    assert len(tap.run(list_ids="").records()) == 3


def test_a_state_of_another_inbox_is_an_error_that_says_what_to_do(tap: Tap) -> None:
    state = {"bookmarks": {CONTACT_EVENTS: {"replication_key": "sequence", "replication_key_value": 9}}}

    run = tap.run(state)

    assert run.status == 1
    assert "inbox_database_url" in run.errors


@pytest.mark.rule("R2")
def test_a_state_of_another_inbox_that_has_grown_past_it_is_an_error_too(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival, open_inbox: Callable[..., Inbox], tmp_path: Path
) -> None:
    inbox.store([make_arrival()])
    state = tap.run().state
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    open_inbox(url).store([make_arrival(), make_arrival()])

    refused = tap.run(state, inbox_database_url=url)

    assert refused.status == 1
    assert refused.records() == []
    assert "another inbox" in refused.errors
    assert "clear the state" in refused.errors


def test_a_run_that_creates_the_inbox_logs_no_migration_steps(tap: Tap) -> None:
    done = subprocess.run(tap.command(None, {}), capture_output=True, text=True, check=True)

    assert "contact_events" in done.stderr
    assert "alembic" not in done.stderr


def test_a_state_that_names_no_inbox_is_accepted_once(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    inbox.store([make_arrival(), make_arrival()])
    bookmark = {"replication_key": "sequence", "replication_key_value": 1}

    run = tap.run({"bookmarks": {CONTACT_EVENTS: bookmark}})

    assert [record["sequence"] for record in run.records()] == [2]
    assert run.state["bookmarks"][CONTACT_EVENTS]["inbox_id"] == inbox.inbox_id()


@pytest.mark.rule("R3")
def test_follows_emits_each_event_and_its_state_and_ends_on_a_signal(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    before, after = make_arrival(), make_arrival()
    inbox.store([before])
    with tap.following() as running:
        assert running.next_record()["event_id"] == before.event_id
        bookmark = running.next("STATE")["value"]["bookmarks"][CONTACT_EVENTS]
        assert bookmark["replication_key_value"] == 1
        inbox.store([after])
        assert running.next_record()["event_id"] == after.event_id
        status, state = running.end(signal.SIGTERM)

    assert status == 0
    assert state["bookmarks"][CONTACT_EVENTS]["replication_key_value"] == 2
    assert tap.run(state).records() == []


def test_a_follower_says_that_it_is_there_while_nothing_arrives(tap: Tap, inbox: Inbox) -> None:
    moments = itertools.count(step=QUIET_SECONDS)
    reader = EventReader(
        inbox, CONTACT_EVENTS, threading.Event(), reader="default", clock=lambda: float(next(moments))
    )
    assert list(itertools.islice(reader.follow(None), 2)) == [[], []]


def test_campaign_events_come_out_while_it_follows(tap: Tap, inbox: Inbox, make_arrival: MakeArrival) -> None:
    with tap.following() as running:
        inbox.store([make_arrival("campaign", id="c1", subject="News", status="sent")])
        assert running.next_record()["subject"] == "News"
        inbox.store([make_arrival(), make_arrival("campaign", id="c2", subject="More", status="sent")])
        assert {running.next("RECORD")["stream"] for _ in range(2)} == {CONTACT_EVENTS, "campaign_events"}
        _, state = running.end(signal.SIGTERM)

    run = tap.run(state)
    assert run.records() == run.records("campaign_events") == []


def test_following_ends_after_its_time(tap: Tap, inbox: Inbox, make_arrival: MakeArrival) -> None:
    inbox.store([make_arrival()])

    run = tap.run(follow=True, follow_max_seconds=0.2)

    assert run.status == 0
    assert len(run.records()) == 1


@pytest.mark.rule("R3")
def test_killed_while_it_follows_it_repeats_at_most_what_had_no_state(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    arrivals = [make_arrival() for _ in range(40)]
    state: Message | None = None
    seen: list[str] = []
    for start in range(0, 40, 10):
        inbox.store(arrivals[start : start + 10])
        with tap.following(state) as running:
            while len(set(seen)) < start + 10:
                message = running.messages.get(timeout=120)
                assert message is not None
                if message["type"] == "RECORD":
                    seen.append(message["record"]["event_id"])
                if message["type"] == "STATE":
                    state = message["value"]
            running.process.kill()

    assert list(dict.fromkeys(seen)) == [arrival.event_id for arrival in arrivals]


def test_notes_its_position_in_the_inbox(tap: Tap, inbox: Inbox, make_arrival: MakeArrival, now: Any) -> None:
    inbox.store([make_arrival(), make_arrival()])
    readers = Readers(inbox.database)
    assert readers.unread(CONTACT_EVENTS, now).count == 2

    state = tap.run().state
    assert readers.unread(CONTACT_EVENTS, now).count == 0

    # What was emitted may not have arrived: only the state that comes back says so.
    assert readers.delete_before(now.replace(year=2036), days=1) == 0
    tap.run(state)
    assert readers.delete_before(now.replace(year=2036), days=1) == 1
    assert inbox.last_sequence() == 2


@pytest.mark.rule("R2")
def test_unread_events_are_never_deleted(inbox: Inbox, make_arrival: MakeArrival, now: Any) -> None:
    inbox.store([make_arrival(), make_arrival()])
    later = now.replace(year=2036)

    assert Readers(inbox.database).delete_before(later, days=1) == 0
    Readers(inbox.database).note("slow", CONTACT_EVENTS, now, emitted=1, confirmed=1)
    Readers(inbox.database).note("fast", CONTACT_EVENTS, now, emitted=2, confirmed=2)
    assert Readers(inbox.database).unread(CONTACT_EVENTS, now).count == 1
    assert Readers(inbox.database).delete_before(later, days=1) == 1
    assert Readers(inbox.database).delete_before(now, days=1) == 0


@pytest.mark.rule("R2")
def test_catches_up_before_it_drains(tap: Tap, inbox: Inbox, start_mailchimp: StartMailchimp) -> None:
    mailchimp = start_mailchimp()
    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.unsubscribe("ada@example.com")

    run = tap.run(catch_up=True, api_key=mailchimp.api_key, base_url=mailchimp.base_url)

    assert [(record["email"], record["origin"]) for record in run.records()] == [
        ("ada@example.com", "catch_up")
    ]
    assert "ada@example.com" not in run.errors


def test_catches_up_while_it_follows(tap: Tap, inbox: Inbox, start_mailchimp: StartMailchimp) -> None:
    mailchimp = start_mailchimp()
    mailchimp.control.subscribe("ada@example.com")
    credentials: dict[str, Any] = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}
    with tap.following(catch_up=True, catch_up_interval=0.05, **credentials) as running:
        running.next("SCHEMA")
        mailchimp.control.unsubscribe("ada@example.com")
        assert running.next_record()["email"] == "ada@example.com"
        status, _ = running.end(signal.SIGTERM)

    assert status == 0


@pytest.mark.rule("R2")
def test_a_failed_catch_up_fails_the_run_but_not_the_events(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival, start_mailchimp: StartMailchimp
) -> None:
    inbox.store([make_arrival()])
    mailchimp = start_mailchimp()

    run = tap.run(catch_up=True, api_key="0123-us1", base_url=mailchimp.base_url)

    assert run.status == 1
    assert "`api_key`" in run.errors
    assert len(run.records()) == 1
    assert run.state["bookmarks"][CONTACT_EVENTS]["replication_key_value"] == 1


def test_an_unforeseen_error_of_the_catch_up_fails_the_run_but_not_the_events(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: CatchUp) -> int:
        raise KeyError("ada@example.com")

    inbox.store([make_arrival()])
    monkeypatch.setattr(CatchUp, "run", fail)

    run = tap.run(catch_up=True, api_key="0123-us1")

    assert run.status == 1
    assert "KeyError" in run.errors
    assert "ada@example.com" not in run.errors
    assert len(run.records()) == 1


def test_without_credentials_it_warns_that_it_does_not_catch_up(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    inbox.store([make_arrival()])

    run = tap.run(catch_up=True)

    assert run.status == 0
    assert len(run.records()) == 1
    assert "neither `api_key` nor `access_token`" in run.errors


@pytest.mark.parametrize("has_account", [True, False])
def test_a_connection_test_ends_although_it_should_follow(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival, start_mailchimp: Any, *, has_account: bool
) -> None:
    mailchimp = start_mailchimp() if has_account else None
    account = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url} if mailchimp else {}
    inbox.store([make_arrival(), make_arrival()])
    (tap.folder / "config.json").write_text(json.dumps({**tap.config, "follow": True, **account}))

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tap_mailchimp_webhooks",
            "--config",
            str(tap.folder / "config.json"),
            "--test",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == (0 if account else 1)
    assert ("Mailchimp answers" in done.stdout) == bool(account)
    assert "The inbox answers, and is in clear." in done.stdout
    assert ("Set exactly one of `api_key` and `access_token`." in done.stderr) != bool(account)
    assert '"RECORD"' not in done.stdout


@pytest.mark.parametrize("option", ["--about", "--discover"])
def test_about_and_help_need_no_setting(option: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tap_mailchimp_webhooks", option],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )

    assert done.returncode == 0
    assert CONTACT_EVENTS in done.stdout or "inbox_database_url" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rule("R3")
def test_a_drain_that_is_stopped_ends_with_its_state_and_says_so(
    tap: Tap, inbox: Inbox, make_arrival: MakeArrival
) -> None:
    inbox.store([make_arrival() for _ in range(BATCH + 1)])
    stopped = TapMailchimpWebhooks(config=tap.config)
    take = stopped.source.after_batch

    def stop_after_the_first_batch() -> None:
        stopped._handle_termination(signal.SIGTERM, None)
        take()

    stopped.source.after_batch = stop_after_the_first_batch  # type: ignore[method-assign] # a signal at this moment
    with handlers_kept(), pytest.raises(SystemExit) as end:
        stopped.sync_all()

    lines = [json.loads(line) for line in tap.capture.readouterr().out.splitlines()]
    state = next(line["value"] for line in reversed(lines) if line["type"] == "STATE")
    assert end.value.code == 143
    assert state["bookmarks"][CONTACT_EVENTS]["replication_key_value"] == BATCH
    assert len(tap.run(state).records()) == 1


def test_a_drain_that_is_stopped_before_it_begins_says_so(tap: Tap, inbox: Inbox) -> None:
    with handlers_kept():
        stopped = TapMailchimpWebhooks(config=tap.config)
        stopped._handle_termination(signal.SIGTERM, None)
        with pytest.raises(SystemExit) as end:
            stopped.sync_all()

    assert end.value.code == 143


def test_an_event_about_consent_has_what_mailchimp_said(
    tap: Tap, inbox: Inbox, form: Callable[..., bytes], now: Any
) -> None:
    given = {"ip_opt": "192.0.2.1", "ip_signup": "192.0.2.2", "reason": "manual", "initiated_by": "admin"}
    for number, event_type in enumerate(("unsubscribe", "subscribe", "profile")):
        body = form(event_type, email=f"person{number}@example.com", **given)
        inbox.store([from_delivery(body, FORM, now, is_signed=not number)])
    ended = tap.run(confirm_unsigned=False, catch_up=False)
    statements = [record["statement"] for record in ended.records()]
    told = {
        "told_by": "webhook",
        "received_at": "2026-03-01T12:00:00.000000+00:00",
        "list_id": "1a2b3c4d5e",
        "reason": "manual",
        "ip_opt": "192.0.2.1",
        "ip_signup": "192.0.2.2",
    }
    assert statements == [{**told, "is_signed": True}, {**told, "is_signed": False}, None]
    assert "192.0.2" not in ended.errors
