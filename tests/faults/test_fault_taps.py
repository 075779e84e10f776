"""Both taps under every fault of the table."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import forked
import matrix
import pytest
from forked import USUAL, Conditions, Files
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from matrix import Outcome, in_words, outcomes
from simulators.epicor.testing import RunningEpicor
from simulators.mailchimp.testing import RunningMailchimp
from stage import FOREIGN
from tap_epicor_kinetic.tap import TapEpicorKinetic
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks
from targets import wait_until

TWO_HOURS = 7_200
SMALL = 20_000
"""Bytes of a file that cannot grow: fewer than a database needs to be opened."""
STORM = {"effect": {"kind": "status", "status": 503, "retry_after": 600}}
"""It is over in ten minutes, as the answers say: nobody waits so long."""
EVENTS = 10
MISSED = "missed@example.com"
FOREVER = 100_000

pytestmark = [pytest.mark.rule("R5"), pytest.mark.rule("R10")]


@dataclass
class Run:
    """A tap that runs, or has run."""

    process: ForkServerProcess
    files: Files
    status: int | None = None

    def end(self) -> None:
        self.status = forked.ended(self.process)

    def kill(self, signum: signal.Signals) -> None:
        assert self.process.pid
        os.kill(self.process.pid, signum)

    @property
    def log(self) -> str:
        return self.files.log.read_text()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What it has said; a killed one may have left half a line."""
        assert self.files.output
        lines = self.files.output.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def state(self) -> dict[str, Any]:
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}


@dataclass
class TapBench(ABC):
    """A tap, and what it must say."""

    folder: Path
    runs: list[Run] = field(default_factory=list)
    name = ""

    @contextmanager
    def started(
        self, state: Mapping[str, Any] | None = None, conditions: Conditions = USUAL, **settings: Any
    ) -> Iterator[Run]:
        number = len(self.runs)
        config, catalog, given = (
            self.folder / f"{name}-{number}.json" for name in ("config", "catalog", "state")
        )
        config.write_text(json.dumps({**self.config(), **settings}))
        catalog.write_text(json.dumps(self.catalog()))
        given.write_text(json.dumps(state or {}))
        files = Files(self.folder / f"log-{number}", self.folder / f"output-{number}")
        for file in (files.log, files.output):
            assert file
            file.touch()
        options = ("--config", str(config), "--catalog", str(catalog), "--state", str(given))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        run = Run(forked.start([self.name, *options], environment, files, conditions), files)
        self.runs.append(run)
        try:
            yield run
        finally:
            run.process.kill()
            run.process.join()

    def run(
        self, state: Mapping[str, Any] | None = None, conditions: Conditions = USUAL, **settings: Any
    ) -> Run:
        with self.started(state, conditions, **settings) as run:
            run.end()
        return run

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The settings of the tap."""

    @abstractmethod
    def catalog(self) -> dict[str, Any]:
        """The catalog: one stream."""

    def said(self, *runs: Run) -> set[str]:
        """The keys of the records that some runs have said."""
        return {
            self.key_of(message["record"])
            for run in runs
            for message in run.messages
            if message["type"] == "RECORD"
        }

    @abstractmethod
    def key_of(self, record: Mapping[str, Any]) -> str:
        """The key of a record."""

    @abstractmethod
    def expected(self) -> set[str]:
        """The keys of all records."""

    @abstractmethod
    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put rules of faults in force; none at all clears them."""

    @abstractmethod
    def revoke(self, *, is_revoked: bool) -> None:
        """Revoke the credentials, or grant them again."""


@dataclass
class FromEpicor(TapBench):
    epicor: RunningEpicor = field(kw_only=True)
    name = matrix.FROM_EPICOR

    def config(self) -> dict[str, Any]:
        names = ("base_url", "api_key", "companies", "username", "password")
        return {
            **{name: self.epicor.hello[name] for name in names},
            "page_size": 20,
            "inactive_customers": "flag",
        }

    def catalog(self) -> dict[str, Any]:
        catalog: dict[str, Any] = TapEpicorKinetic(config=self.config()).catalog_dict
        catalog["streams"] = [
            stream for stream in catalog["streams"] if stream["tap_stream_id"] == "customers"
        ]
        return catalog

    def key_of(self, record: Mapping[str, Any]) -> str:
        return f"{record['Company']}/{record['CustNum']}"

    def expected(self) -> set[str]:
        rows = self.epicor.control.rows("Customer")
        return {self.key_of(row) for row in rows if row["CustomerType"] == "CUS"}

    def faults(self, *rules: Mapping[str, Any]) -> None:
        self.epicor.control.faults(*rules)

    def revoke(self, *, is_revoked: bool) -> None:
        self.epicor.control.switches(api_key_valid=not is_revoked)


@dataclass
class FromInbox(TapBench):
    """tap-mailchimp-webhooks, with events in the inbox and an opt-out that no webhook reported."""

    mailchimp: RunningMailchimp = field(kw_only=True)
    name = matrix.FROM_INBOX

    def __post_init__(self) -> None:
        inbox = Inbox.open(f"sqlite:///{self.database}")
        inbox.store(
            [from_delivery(self.form(number), FORM, utc_now(), is_signed=True) for number in range(EVENTS)]
        )
        inbox.database.close()
        self.mailchimp.control.put_members([{"email": MISSED, "state": "unsubscribed_by_contact"}])

    @property
    def database(self) -> Path:
        """The file of the inbox."""
        return self.folder / "inbox.sqlite3"

    def form(self, number: int) -> bytes:
        data = {"email": f"p{number}@example.com", "list_id": self.mailchimp.list_id}
        values = {f"data[{name}]": value for name, value in data.items()}
        return urlencode({"type": "unsubscribe", "fired_at": "2026-03-01 09:00:00", **values}).encode()

    def config(self) -> dict[str, Any]:
        mailchimp = self.mailchimp
        return {
            "api_key": mailchimp.api_key,
            "base_url": mailchimp.base_url,
            "list_ids": [mailchimp.list_id],
            "inbox_database_url": f"sqlite:///{self.database}",
        }

    def catalog(self) -> dict[str, Any]:
        catalog: dict[str, Any] = TapMailchimpWebhooks(config={}).catalog_dict
        catalog["streams"] = [s for s in catalog["streams"] if s["tap_stream_id"] == "contact_events"]
        return catalog

    def key_of(self, record: Mapping[str, Any]) -> str:
        return str(record["email"])

    def expected(self) -> set[str]:
        return {MISSED, *(f"p{number}@example.com" for number in range(EVENTS))}

    def faults(self, *rules: Mapping[str, Any]) -> None:
        self.mailchimp.control.set_faults(rules)

    def revoke(self, *, is_revoked: bool) -> None:
        self.mailchimp.control.switch(api_key_valid=not is_revoked)


def while_it_reads(
    act: Callable[[FromEpicor], object], bench: FromEpicor, conditions: Conditions = USUAL
) -> Run:
    bench.faults({"match": {"path": "Customers"}, "effect": {"kind": "latency", "seconds": 0.1}})
    with bench.started(conditions=conditions) as run:
        wait_until(lambda: bool(run.state), run.process)
        act(bench)
        run.end()
    return run


def while_it_follows(act: Callable[[FromInbox], object], bench: FromInbox) -> Run:
    with bench.started(follow=True, follow_max_seconds=FOREVER) as run:
        wait_until(lambda: len(bench.said(run)) >= EVENTS, run.process)
        act(bench)
        run.end()
    return run


def kill(signum: signal.Signals, bench: TapBench) -> None:
    bench.runs[-1].kill(signum)


def break_a_page(bench: FromEpicor) -> Run:
    bench.faults({"match": {"path": "Customers", "nth": 3}, "effect": {"kind": "reset"}})
    return bench.run()


def lock(bench: FromInbox) -> Run:
    other = sqlite3.connect(bench.database, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    with bench.started() as run:
        wait_until(lambda: "is locked" in run.log, run.process)
        other.close()
        run.end()
    return run


def lose(bench: FromInbox) -> Run:
    away = bench.folder / "away.sqlite3"
    run = while_it_follows(lambda bench: bench.database.rename(away), bench)
    away.rename(bench.database)
    return run


def replace(bench: FromInbox) -> None:
    copy = bench.folder / "copy.sqlite3"
    shutil.copy(bench.database, copy)
    copy.rename(bench.database)


def take_right_to_write(bench: FromInbox) -> Run:
    bench.database.chmod(0o400)
    run = bench.run(conditions=Conditions(obeys_modes=True))
    bench.database.chmod(0o600)
    return run


def storm(bench: FromInbox) -> Run:
    bench.faults(STORM)
    return bench.run()


def revoke(bench: FromInbox) -> Run:
    bench.revoke(is_revoked=True)
    return bench.run()


EPICOR_CAUSES: Mapping[str, Callable[[FromEpicor], Run]] = {
    matrix.SIGTERM: partial(while_it_reads, partial(kill, signal.SIGTERM)),
    matrix.SIGKILL: partial(while_it_reads, partial(kill, signal.SIGKILL)),
    matrix.RESET_BEFORE: break_a_page,
    matrix.STORM: partial(while_it_reads, lambda bench: bench.faults(STORM)),
    matrix.REVOKED: partial(while_it_reads, lambda bench: bench.revoke(is_revoked=True)),
    matrix.CLOCK: partial(
        while_it_reads, partial(kill, signal.SIGUSR1), conditions=Conditions(clock_off_by=TWO_HOURS)
    ),
}
INBOX_CAUSES: Mapping[str, Callable[[FromInbox], Run]] = {
    matrix.SIGTERM: partial(while_it_follows, partial(kill, signal.SIGTERM)),
    matrix.SIGKILL: partial(while_it_follows, partial(kill, signal.SIGKILL)),
    matrix.FULL: lambda bench: bench.run(conditions=Conditions(largest_file=SMALL)),
    matrix.LOCKED: lock,
    matrix.DELETED: lose,
    matrix.READ_ONLY: take_right_to_write,
    matrix.REPLACED: partial(while_it_follows, replace),
    matrix.STORM: storm,
    matrix.REVOKED: revoke,
    matrix.CLOCK: lambda bench: bench.run(conditions=Conditions(clock_off_by=TWO_HOURS)),
}


@pytest.mark.parametrize(
    ("fault", "outcome"), outcomes(matrix.FROM_EPICOR), ids=lambda value: str(value)[:25]
)
def test_the_outcome_of_reading_epicor_is_that_of_the_table(
    start_epicor: Any, tmp_path: Path, fault: str, outcome: Outcome
) -> None:
    bench = FromEpicor(tmp_path, epicor=start_epicor(customers=400))
    check(bench, EPICOR_CAUSES[fault](bench), outcome)


@pytest.mark.parametrize(("fault", "outcome"), outcomes(matrix.FROM_INBOX), ids=in_words)
def test_the_outcome_of_reading_the_inbox_is_that_of_the_table(
    start_mailchimp: Any, tmp_path: Path, fault: str, outcome: Outcome
) -> None:
    bench = FromInbox(tmp_path, mailchimp=start_mailchimp())
    check(bench, INBOX_CAUSES[fault](bench), outcome)


def check(bench: TapBench, run: Run, outcome: Outcome) -> None:
    """Compare a run with the table; the next one, from its state, says the rest."""
    assert outcome.is_told(run.log), run.log
    assert run.status == outcome.exit, run.log
    assert bool(run.state) == (outcome.state != matrix.STAYS)
    if outcome.data == matrix.COMPLETE:
        assert bench.said(run) == bench.expected()
    bench.faults()
    bench.revoke(is_revoked=False)
    again = bench.run(run.state)
    assert again.status == 0, again.log
    assert bench.said(run, again) == bench.expected()
