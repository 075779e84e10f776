"""Helpers of these tests: contact updates, a target in this process or in its own, and the rows it wrote."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.mailchimp import subscriber_hash
from simulators.epicor.testing import RunningEpicor, StartEpicor
from target_epicor_contacts.target import TargetEpicorContacts

Record = dict[str, Any]

STREAM = "contact_updates"
ROW_KEYS = {"CustCnt": ("Company", "CustNum", "ShipToNum", "ConNum"), "Customer": ("Company", "CustNum")}
METADATA = [
    "email",
    "new_email",
    "event_id",
    "occurred_at",
    "sequence",
    "type",
    "reason",
    "campaign_id",
    "list_id",
    "origin",
    "contact_status",
]


def make_update(email: str, status: str | None = None, *, second: int = 0, **properties: Any) -> Record:
    """A contact update; `second` is when it happened, counted from some evening."""
    record: Record = {
        "email": email,
        "contact_status": status,
        "occurred_at": f"2026-03-01T{18 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z",
        "event_id": f"{email}-{second}-{status}",
    }
    return {**record, **properties}


def messages(
    records: Iterable[Record],
    *,
    state_every: int = 0,
    columns_of: Iterable[Record] = (),
    first: int = 0,
    is_whole: bool = False,
) -> str:
    """Singer messages: a schema, the records, and states that say how many records came before.

    With `is_whole`, the last record is followed by the word that it was the last.
    """
    rows = list(records)
    columns = sorted({name for record in [*rows, *columns_of] for name in record} | set(METADATA))
    lines: list[Record] = [
        {
            "type": "SCHEMA",
            "stream": STREAM,
            "schema": {"type": "object", "properties": {name: {} for name in columns}},
            "key_properties": ["event_id"],
        }
    ]
    for number, record in enumerate(rows, start=first + 1):
        lines.append({"type": "RECORD", "stream": STREAM, "record": record})
        if state_every and number % state_every == 0:
            lines.append({"type": "STATE", "value": {"records": number}})
    if is_whole:
        lines.append({"type": "ACTIVATE_VERSION", "stream": STREAM, "version": 1})
    lines.append({"type": "STATE", "value": {"records": first + len(rows), "end": True}})
    return "".join(f"{json.dumps(line)}\n" for line in lines)


class HastyTarget(TargetEpicorContacts):
    """Tries again at once."""

    def pause(self, seconds: float) -> None:
        """Do not wait."""


HASTY_PROGRAM = """
from target_epicor_contacts.__main__ import main
from target_epicor_contacts.target import TargetEpicorContacts
TargetEpicorContacts.pause = lambda self, seconds: None
main()
"""


@dataclass
class Process:
    """A target that runs by itself."""

    popen: subprocess.Popen[str]

    def send(self, text: str) -> None:
        """Write to it while it works, from a thread: it may stop reading."""
        threading.Thread(target=self._write, args=(text,), daemon=True).start()

    def next_state(self) -> dict[str, Any] | None:
        """The next state that it emits, or None when it has ended."""
        stdout = self.popen.stdout
        line = stdout.readline() if stdout else ""
        return dict(json.loads(line)) if line else None

    def end(self, signum: int) -> tuple[int, dict[str, Any] | None]:
        """Signal it; its exit status, and the last state that it emitted after this."""
        self.popen.send_signal(signum)
        last = None
        while state := self.next_state():
            last = state
        return self.close(), last

    def close(self) -> int:
        """Wait for its end."""
        status = self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return status

    def _write(self, text: str) -> None:
        stdin = self.popen.stdin
        if stdin:
            with contextlib.suppress(BrokenPipeError, ValueError):
                stdin.write(text)
                stdin.flush()


@dataclass(frozen=True)
class Bench:
    """A simulated Kinetic, a target that is configured for it, and its audit trail."""

    epicor: RunningEpicor
    folder: Path
    processes: list[Process] = field(default_factory=list)
    other_audit_url: str = ""

    @property
    def audit_url(self) -> str:
        return self.other_audit_url or f"sqlite:///{self.folder / 'audit.sqlite3'}"

    def config(self, **settings: Any) -> dict[str, Any]:
        epicor = self.epicor
        return {
            "base_url": epicor.base_url,
            "companies": epicor.companies,
            "api_key": epicor.api_key,
            "username": epicor.username,
            "password": epicor.password,
            "audit_database_url": self.audit_url,
            **settings,
        }

    def deliver(
        self, *records: Record, state_every: int = 0, is_whole: bool = True, **settings: Any
    ) -> list[Any]:
        """Run the target over records; the states that it emitted."""
        states, error = self.attempt(*records, state_every=state_every, is_whole=is_whole, **settings)
        if error:
            raise error
        return states

    def attempt(
        self, *records: Record, state_every: int = 0, is_whole: bool = True, **settings: Any
    ) -> tuple[list[Any], ConnectorError | None]:
        """Run the target over records; the states that it emitted, and the error that ended it."""
        written, failure = io.StringIO(), None
        with redirect_stdout(written):
            try:
                target = HastyTarget(config=self.config(**settings))
                target.listen(io.StringIO(messages(records, state_every=state_every, is_whole=is_whole)))
            except ConnectorError as error:
                failure = error
        return [json.loads(line) for line in written.getvalue().splitlines()], failure

    def deliver_between(
        self, first: list[Record], act: Callable[[], None], then: list[Record], **settings: Any
    ) -> None:
        """Run the target over records; something happens in Epicor between the first and the others."""

        def lines() -> Iterator[str]:
            schema, *before = messages(first, columns_of=then).splitlines(keepends=True)
            yield from (schema, *before)
            act()
            yield from messages(then).splitlines(keepends=True)[1:]

        with redirect_stdout(io.StringIO()):
            HastyTarget(config=self.config(**settings)).listen(cast("IO[str]", lines()))

    def command(self, **settings: Any) -> list[str]:
        """The target as a process of its own that tries again at once."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config(**settings)))
        return [sys.executable, "-c", HASTY_PROGRAM, "--config", str(path)]

    def start(self, **settings: Any) -> Process:
        """Start the target as a process of its own."""
        log = (self.folder / "target.log").open("ab")
        with log:
            started = subprocess.Popen(
                self.command(**settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.processes.append(Process(started))
        return self.processes[-1]

    def all_rows(self) -> dict[str, Record]:
        """Contacts and customers by a readable name: `EPIC06/CustCnt/12//3`."""
        control = self.epicor.control
        return {row_name(table, row): row for table in ROW_KEYS for row in control.rows(table)}

    def edit(self, name: str, **changes: Any) -> None:
        """Change a row as a user of Epicor does."""
        company, table, *key = name.split("/")
        values = [company, *(int(part) if part else part for part in key)]
        self.epicor.control.edit(table, dict(zip(ROW_KEYS[table], values, strict=True)), **changes)

    def flagged(self) -> set[str]:
        """Names of the rows that must not be contacted."""
        return {name for name, row in self.all_rows().items() if row["NoContact"]}

    def calls(self, method: str) -> int:
        """How many requests of a method there were so far."""
        return sum(
            count for name, count in self.epicor.control.counts().items() if name.startswith(f"{method} ")
        )

    def parts(self) -> list[Record]:
        """What was written to single rows, in order."""
        return [
            {**row, "changes": json.loads(row["changes"] or "{}")}
            for row in self._stored("part_of IS NOT NULL AND stream <> 'trail'")
        ]

    def decisions(self) -> list[Record]:
        """Every decision of the audit trail in order, without the parts."""
        return self._stored("part_of IS NULL")

    def actions(self) -> list[tuple[str, str]]:
        """Action and reason of every decision."""
        return [(decision["action"], decision["reason"]) for decision in self.decisions()]

    def remember_sent(self, list_id: str, address: str, sent: Record) -> None:
        """Store the state of a member as target-mailchimp does."""
        state = MemberState(address, sent=sent).to_json()
        with AuditTrail.open(self.audit_url) as trail:
            run = trail.start_run(plugin="target-mailchimp", version="1")
            run.record([], ledger={members_namespace(list_id): {subscriber_hash(address): state}})
            run.finish()

    def runs(self) -> list[Record]:
        """Every run of the audit trail in order."""
        with AuditTrail.open(self.audit_url) as trail, trail.database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM runs ORDER BY id")
            return [dict(row._mapping) for row in rows]

    def _stored(self, condition: str) -> list[Record]:
        query = f"SELECT * FROM decisions WHERE {condition} ORDER BY run_id, seq"  # noqa: S608 (our own words)
        with AuditTrail.open(self.audit_url) as trail, trail.database.reading() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql(query)]


def row_name(table: str, row: Mapping[str, Any]) -> str:
    company, *rest = (str(row[name]) for name in ROW_KEYS[table])
    return "/".join([company, table, *rest])


@pytest.fixture(name="update")
def update_fixture() -> Callable[..., Record]:
    """Makes contact updates (see `make_update`)."""
    return make_update


@pytest.fixture
def start_bench(start_epicor: StartEpicor, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A factory of benches; it takes what `start_epicor` takes."""
    started: list[Bench] = []

    def start(**given: Any) -> Bench:
        started.append(Bench(start_epicor(**{"customers": 12, **given}), tmp_path))
        return started[-1]

    yield start
    for process in (process for bench in started for process in bench.processes):
        process.popen.kill()
        process.close()


@pytest.fixture
def bench(start_bench: Callable[..., Bench]) -> Bench:
    return start_bench()


@pytest.fixture(name="messages")
def messages_fixture() -> Callable[..., str]:
    """Makes Singer messages (see `messages`)."""
    return messages
