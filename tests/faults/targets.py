"""Both targets as processes between a named pipe and a simulator, with what they must have written."""

from __future__ import annotations

import contextlib
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any

import forked
from forked import Conditions, Files
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.reading.runs import latest_runs
from simulators.epicor.expectations import classify_email
from simulators.epicor.testing import RunningEpicor
from simulators.mailchimp.testing import RunningMailchimp
from stage import FOREIGN

RECORDS = 40
STATE_EVERY = 10
LOCK_SECONDS = 2


@dataclass
class Run:
    """A target that runs, or has run.

    Attributes:
        process: The process.
        pipe: The named pipe that it reads.
        files: Its streams.
        status: Its exit status, once it has ended.
    """

    process: ForkServerProcess
    pipe: IO[str]
    files: Files
    status: int | None = None

    def feed(self, lines: Iterator[str]) -> None:
        """Hand it messages, as long as it reads."""
        with contextlib.suppress(BrokenPipeError):
            self.pipe.writelines(lines)
            self.pipe.flush()

    def end(self) -> None:
        """Let its input end, and wait for its end."""
        with contextlib.suppress(BrokenPipeError):
            self.pipe.close()
        self.status = forked.ended(self.process)

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self.process.pid
        return self.process.pid

    @property
    def log(self) -> str:
        """The text of its log."""
        return self.files.log.read_text()

    @property
    def last_state(self) -> int:
        """The number of records that its last state covers; 0 without one."""
        assert self.files.output
        states = [json.loads(line)["read"] for line in self.files.output.read_text().splitlines()]
        assert states == sorted(states)
        return states[-1] if states else 0


@dataclass
class TargetBench(ABC):
    """A target, and records for it.

    Attributes:
        folder: For its files.
        runs: The runs so far.
    """

    folder: Path
    runs: list[Run] = field(default_factory=list)

    name = ""
    stream = ""
    writes_by = ""
    """The method of its writes."""

    @property
    def database(self) -> Path:
        """The file of the audit database."""
        return self.folder / "audit.sqlite3"

    @contextmanager
    def started(self, conditions: Conditions = forked.USUAL) -> Iterator[Run]:
        """Start the target; it is ended at the end of the `with` block, if it still runs."""
        number = len(self.runs)
        config, pipe = self.folder / f"config-{number}.json", self.folder / f"pipe-{number}"
        config.write_text(json.dumps({"audit_database_url": f"sqlite:///{self.database}", **self.config()}))
        os.mkfifo(pipe)
        files = Files(self.folder / f"log-{number}", self.folder / f"states-{number}")
        files.log.touch()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment["AUDIT_LOCK_SECONDS"] = str(LOCK_SECONDS)
        process = forked.start(
            [self.name, "--config", str(config), "--input", str(pipe)], environment, files, conditions
        )
        run = Run(process, _opened(pipe, process), files)
        self.runs.append(run)
        try:
            yield run
        finally:
            process.kill()
            process.join()

    def run(self, first: int = 0, conditions: Conditions = forked.USUAL) -> Run:
        """Run the target over all records from one on."""
        with self.started(conditions) as run:
            run.feed(self.lines(first))
            run.end()
        return run

    def lines(self, first: int = 0, last: int = RECORDS) -> Iterator[str]:
        """Messages: a schema, records, and states that say how many records came before."""
        message: dict[str, Any] = {"type": "SCHEMA", "stream": self.stream, **self.schema()}
        yield json.dumps(message) + "\n"
        for number in range(first, last):
            record = {"type": "RECORD", "stream": self.stream, "record": self.record(number)}
            yield json.dumps(record) + "\n"
            if (number + 1) % STATE_EVERY == 0:
                yield json.dumps({"type": "STATE", "value": {"read": number + 1}}) + "\n"

    def is_complete(self) -> bool:
        """Tell whether everything is written, and nothing else."""
        return self.written() == set(range(RECORDS)) and not self.touched_others()

    def status_of_run(self) -> str:
        """The status of the last run in the trail; empty where the trail has none."""
        with AuditTrail.open(f"sqlite:///{self.database}") as trail:
            return next((run.status for run in latest_runs(trail)), "")

    @property
    @abstractmethod
    def requests(self) -> Callable[[], list[dict[str, Any]]]:
        """Lists the requests that the simulator has seen."""

    def writes_seen(self) -> int:
        """The number of writes that the simulator has seen."""
        return sum(request["method"] == self.writes_by for request in self.requests())

    def wait_for_writes(self, number: int) -> None:
        """Wait until so many writes were made."""
        wait_until(lambda: self.writes_seen() >= number, self.runs[-1].process)

    @abstractmethod
    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put rules of faults in force; none at all clears them."""

    @abstractmethod
    def revoke(self, *, is_revoked: bool) -> None:
        """Revoke the credentials, or grant them again."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The settings of the target."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The schema and the keys of the records."""

    @abstractmethod
    def record(self, number: int) -> dict[str, Any]:
        """A record."""

    @abstractmethod
    def written(self) -> set[int]:
        """The numbers of the records that are written."""

    @abstractmethod
    def touched_others(self) -> bool:
        """Tell whether anything was written that no record asked for."""


@dataclass
class ToMailchimp(TargetBench):
    """target-mailchimp, which makes a member of each record."""

    mailchimp: RunningMailchimp = field(kw_only=True)

    name = "target-mailchimp"
    stream = "members"
    writes_by = "POST"

    @property
    def requests(self) -> Callable[[], list[dict[str, Any]]]:
        """Lists the requests that the simulator has seen."""
        return self.mailchimp.control.requests

    def faults(self, *rules: Mapping[str, Any]) -> None:
        self.mailchimp.control.set_faults(rules)

    def revoke(self, *, is_revoked: bool) -> None:
        self.mailchimp.control.switch(api_key_valid=not is_revoked)

    def config(self) -> dict[str, Any]:
        mailchimp = self.mailchimp
        return {
            "api_key": mailchimp.api_key,
            "base_url": mailchimp.base_url,
            "list_id": mailchimp.list_id,
            "batch_size": 5,
            "concurrency": 1,
        }

    def schema(self) -> dict[str, Any]:
        texts = {name: {"type": "string"} for name in self.record(0)}
        return {"schema": {"properties": texts}, "key_properties": ["email_address"]}

    def record(self, number: int) -> dict[str, Any]:
        return {
            "email_address": f"p{number}@example.com",
            "FNAME": f"P{number}",
            "source_key": f"Customer EPIC06/{number}",
        }

    def written(self) -> set[int]:
        members = self.mailchimp.control.members()
        return {
            int(address[1:].partition("@")[0])
            for address, member in members.items()
            if member["merge_fields"]["FNAME"] == address.partition("@")[0].upper()
        }

    def touched_others(self) -> bool:
        return len(self.mailchimp.control.members()) > RECORDS


@dataclass
class ToEpicor(TargetBench):
    """target-epicor-contacts, which flags the rows of each record's person."""

    epicor: RunningEpicor = field(kw_only=True)
    flagged_before: set[str] = field(init=False)
    people: list[str] = field(init=False)

    name = "target-epicor-contacts"
    stream = "contact_updates"
    writes_by = "PATCH"

    def __post_init__(self) -> None:
        self.flagged_before = self.flagged()
        by_person: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows().values():
            judged = classify_email(row["EMailAddress"])
            by_person.setdefault(judged.address or "", []).append(row)
        by_person.pop("")
        free = sorted(who for who, rows in by_person.items() if not any(row["NoContact"] for row in rows))
        self.people = free[:RECORDS]
        assert len(self.people) == RECORDS

    @property
    def requests(self) -> Callable[[], list[dict[str, Any]]]:
        """Lists the requests that the simulator has seen."""
        return self.epicor.control.requests

    def faults(self, *rules: Mapping[str, Any]) -> None:
        self.epicor.control.faults(*rules)

    def revoke(self, *, is_revoked: bool) -> None:
        self.epicor.control.switches(api_key_valid=not is_revoked)

    def config(self) -> dict[str, Any]:
        epicor = self.epicor
        return {
            "base_url": epicor.base_url,
            "companies": epicor.companies,
            "api_key": epicor.api_key,
            "username": epicor.username,
            "password": epicor.password,
            "concurrency": 1,
        }

    def schema(self) -> dict[str, Any]:
        texts = {name: {"type": "string"} for name in self.record(0)}
        return {"schema": {"properties": texts}, "key_properties": ["event_id"]}

    def record(self, number: int) -> dict[str, Any]:
        return {
            "email": self.people[number],
            "event_id": str(number),
            "occurred_at": f"2026-03-01T09:{number:02}:00Z",
            "contact_status": "unsubscribed",
        }

    def written(self) -> set[int]:
        clear = {
            classify_email(row["EMailAddress"]).address
            for row in self.rows().values()
            if not row["NoContact"]
        }
        return {number for number, person in enumerate(self.people) if person not in clear}

    def touched_others(self) -> bool:
        rows = self.rows()
        new = self.flagged() - self.flagged_before
        return any(not any(who in rows[name]["EMailAddress"].lower() for who in self.people) for name in new)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Contacts and customers, each by a name of its own."""
        control = self.epicor.control
        return {str(row["SysRowID"]): row for table in ("Customer", "CustCnt") for row in control.rows(table)}

    def flagged(self) -> set[str]:
        """The names of the rows with the flag."""
        return {name for name, row in self.rows().items() if row["NoContact"]}


def _opened(pipe: Path, reader: ForkServerProcess) -> IO[str]:
    """The end of a pipe to write to, once it is read; one to nowhere if the reader ends before."""
    while reader.is_alive():
        with contextlib.suppress(OSError):
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(end, True)
            return os.fdopen(end, "w")
        time.sleep(0.02)
    return Path(os.devnull).open("w")


def wait_until(condition: Callable[[], bool], process: ForkServerProcess) -> None:
    """Wait, by looking often, until something is so that a process does."""
    give_up = time.monotonic() + 240
    while not condition():
        assert process.is_alive(), "it has ended before"
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.05)
