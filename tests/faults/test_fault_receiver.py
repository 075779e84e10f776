"""The receiver under every fault of the table."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import forked
import matrix
import pytest
import requests
from forked import USUAL, Conditions, Files
from matrix import Outcome, in_words, outcomes
from stage import FOREIGN
from tap_mailchimp_webhooks.events.delivery import FORM
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.webhooks.urls import PATH
from targets import wait_until

SECRET = "a-path-secret-of-the-tests"
OTHER_SECRET = "another-path-secret-of-the-tests"
TWO_HOURS = 7_200
SMALL = 30_000
BEFORE, LATER = range(5), range(5, 10)
KEPT = frozenset(BEFORE)

pytestmark = [pytest.mark.rule("R2"), pytest.mark.rule("R10")]


@dataclass
class Receiver:
    """A receiver that runs, or has run.

    Attributes:
        process: The process.
        log_file: Gets what it says.
    """

    process: ForkServerProcess
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def url(self) -> str:
        wait_until(lambda: "running on http" in self.log, self.process)
        found = re.search(r"running on (http://\S+)", self.log)
        assert found
        return found[1]

    def deliver(self, number: int) -> requests.Response:
        """Deliver an event as Mailchimp does, which gives up after ten seconds."""
        headers = {"Content-Type": FORM}
        return requests.post(f"{self.url}{PATH}/{SECRET}", data=body(number), headers=headers, timeout=60)

    def limit_files(self, size: int) -> None:
        """Let files have so many bytes; 0 for any number."""
        assert self.process.pid
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size or most, most))

    def end(self, signum: signal.Signals) -> int:
        assert self.process.pid
        os.kill(self.process.pid, signum)
        return forked.ended(self.process)


def body(number: int) -> bytes:
    values = {"email": f"p{number}@example.com", "list_id": "1a2b3c4d5e"}
    data = {f"data[{name}]": value for name, value in values.items()}
    return urlencode({"type": "unsubscribe", "fired_at": "2026-03-01 09:00:00", **data}).encode()


@dataclass
class ReceiverBench:
    """A receiver and its inbox.

    Attributes:
        folder: For its files.
        accepted: The numbers of the events that were answered with 2xx.
        receivers: Those that were started.
    """

    folder: Path
    accepted: set[int] = field(default_factory=set)
    receivers: list[Receiver] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox.sqlite3"

    @contextmanager
    def started(self, conditions: Conditions = USUAL, secret: str = SECRET) -> Iterator[Receiver]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment["MAILCHIMP_WEBHOOKS_SECRET"] = secret
        environment["MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL"] = f"sqlite:///{self.inbox}"
        log = self.folder / f"log-{len(self.receivers)}"
        log.touch()
        command = ["mailchimp-webhooks", "serve", "--port", "0"]
        receiver = Receiver(forked.start(command, environment, Files(log), conditions), log)
        self.receivers.append(receiver)
        try:
            yield receiver
        finally:
            receiver.process.kill()
            receiver.process.join()

    def deliver(self, receiver: Receiver, *numbers: int) -> requests.Response:
        """Deliver events one after the other; the last answer."""
        for number in numbers:
            answer = receiver.deliver(number)
            if answer.ok:
                self.accepted.add(number)
        return answer

    def stored(self) -> set[int]:
        inbox = Inbox.open(f"sqlite:///{self.inbox}")
        events = inbox.read(CONTACT_EVENTS, after=0)
        inbox.database.close()
        return {int(event.data["email"][1:].partition("@")[0]) for event in events}


Seen = tuple[int, str]
"""Exit status of the process, or status of the answer; with the log and the text of the answer."""


def end_by_signal(signum: signal.Signals, bench: ReceiverBench) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        return receiver.end(signum), receiver.log


def refused(act: Callable[[Receiver, ReceiverBench], object], bench: ReceiverBench) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        act(receiver, bench)
        answer = bench.deliver(receiver, *LATER)
        return answer.status_code, receiver.log + answer.text


def lock(bench: ReceiverBench) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        other = sqlite3.connect(bench.inbox, isolation_level=None, timeout=60)
        other.execute("BEGIN IMMEDIATE")
        try:
            answer = bench.deliver(receiver, LATER[0])
        finally:
            other.close()
        return answer.status_code, receiver.log + answer.text


def replace_inbox(_: Receiver, bench: ReceiverBench) -> None:
    copy = bench.folder / "copy.sqlite3"
    shutil.copy(bench.inbox, copy)
    copy.rename(bench.inbox)


def take_right_to_write(bench: ReceiverBench) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        receiver.end(signal.SIGTERM)
    bench.inbox.chmod(0o400)
    with bench.started(Conditions(obeys_modes=True)) as receiver:
        answer = bench.deliver(receiver, *LATER)
    bench.inbox.chmod(0o600)
    return answer.status_code, receiver.log + answer.text


def cut_off(bench: ReceiverBench, *, is_whole: bool) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        content = body(LATER[0])
        address = urlsplit(receiver.url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            head = f"POST {PATH}/{SECRET} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {FORM}\r\n"
            connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
            connection.sendall(content if is_whole else content[:-5])
            if is_whole:
                wait_until(lambda: LATER[0] in bench.stored(), receiver.process)
        if not is_whole:
            assert bench.stored() == KEPT
        answer = bench.deliver(receiver, LATER[0])
        return answer.status_code, answer.text


def change_secret(bench: ReceiverBench) -> Seen:
    with bench.started() as receiver:
        bench.deliver(receiver, *BEFORE)
        receiver.end(signal.SIGTERM)
    with bench.started(secret=OTHER_SECRET) as receiver:
        answer = bench.deliver(receiver, *LATER)
        return answer.status_code, answer.text


def jump(bench: ReceiverBench) -> Seen:
    with bench.started(Conditions(clock_off_by=TWO_HOURS)) as receiver:
        bench.deliver(receiver, *BEFORE)
        assert receiver.process.pid
        os.kill(receiver.process.pid, signal.SIGUSR1)
        answer = bench.deliver(receiver, *LATER)
        return answer.status_code, answer.text


CAUSES: Mapping[str, Callable[[ReceiverBench], Seen]] = {
    matrix.SIGTERM: partial(end_by_signal, signal.SIGTERM),
    matrix.SIGKILL: partial(end_by_signal, signal.SIGKILL),
    matrix.FULL: partial(refused, lambda receiver, _: receiver.limit_files(SMALL)),
    matrix.LOCKED: lock,
    matrix.DELETED: partial(refused, lambda _, bench: bench.inbox.unlink()),
    matrix.READ_ONLY: take_right_to_write,
    matrix.REPLACED: partial(refused, replace_inbox),
    matrix.RESET_BEFORE: partial(cut_off, is_whole=False),
    matrix.RESET_AFTER: partial(cut_off, is_whole=True),
    matrix.REVOKED: change_secret,
    matrix.CLOCK: jump,
}


@pytest.mark.parametrize(("fault", "outcome"), outcomes(matrix.RECEIVER), ids=in_words)
def test_the_outcome_is_that_of_the_table(tmp_path: Path, fault: str, outcome: Outcome) -> None:
    bench = ReceiverBench(tmp_path)

    status, seen = CAUSES[fault](bench)

    assert outcome.is_told(seen), seen
    assert status == outcome.exit, seen
    if fault != matrix.DELETED:
        assert bench.stored() >= bench.accepted >= KEPT
    with bench.started() as receiver:
        # Mailchimp repeats what was not accepted.
        assert bench.deliver(receiver, *LATER).ok
    assert bench.stored() >= set(LATER)
