"""Runs the target in this process against a simulator, and reads what came of it."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.storage.schema import decisions, runs
from simulators.mailchimp.testing import RunningMailchimp, StartMailchimp, running_mailchimp
from target_mailchimp.assembly import Assembly
from target_mailchimp.rules.plan import Write
from target_mailchimp.target import TargetMailchimp
from target_mailchimp.writing.write_result import WriteResult
from target_mailchimp.writing.writer import MailchimpWriter

Record = Mapping[str, Any]

SCHEMA = {
    "type": "object",
    "properties": {
        "email_address": {"type": ["string", "null"]},
        "FNAME": {"type": ["string", "null"]},
        "LNAME": {"type": ["string", "null"]},
        "COMPANY": {"type": ["string", "null"]},
        "source_key": {"type": ["string", "null"]},
        "source_updated_on": {"type": ["string", "null"]},
        "source_active": {"type": ["boolean", "null"]},
    },
}


KILLED = """
import itertools, json, os, signal, sys
from kinetic_mailchimp.mailchimp import MailchimpClient
from target_mailchimp.target import TargetMailchimp

config, at_call, answered = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
upsert, calls = MailchimpClient.upsert_members, itertools.count(1)

def killed(*arguments, **named):
    is_last = next(calls) == at_call
    if not is_last or answered:
        answer = upsert(*arguments, **named)
    if is_last:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

MailchimpClient.upsert_members = killed
TargetMailchimp(config=config).listen(sys.stdin)
"""


def as_text(lines: Iterable[Mapping[str, Any]]) -> str:
    """Singer messages as a process reads them."""
    return "".join(json.dumps(line) + "\n" for line in lines)


def messages(
    records: Iterable[Record],
    *,
    stream: str = "customers",
    schema: Mapping[str, Any] | None = None,
    state_every: int = 0,
) -> list[dict[str, Any]]:
    """A tap's output: a schema, records with states in between, and a last state that counts the records."""
    lines: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": stream, "schema": schema or SCHEMA, "key_properties": ["email_address"]}
    ]
    count = 0
    for count, record in enumerate(records, start=1):
        lines.append({"type": "RECORD", "stream": stream, "record": dict(record)})
        if state_every and count % state_every == 0:
            lines.append({"type": "STATE", "value": {"read": count}})
    lines.append({"type": "STATE", "value": {"read": count}})
    return lines


class HurriedTarget(TargetMailchimp):
    """The target, without the pauses between attempts."""

    def pause(self, seconds: float) -> None:
        """Go on at once."""


class OneByOne:
    """Writes in calls of its own what a batch would carry."""

    def __init__(self, writer: MailchimpWriter) -> None:
        self._writer = writer

    def write_batch(self, writes: Sequence[Write]) -> list[WriteResult]:
        return [self._writer.write_single(write) for write in writes]

    def write_single(self, write: Write) -> WriteResult:
        return self._writer.write_single(write)


class SingleCallTarget(HurriedTarget):
    """The target, without batches."""

    @cached_property
    def assembly(self) -> Assembly:
        assembly = super().assembly
        keep_payloads = self.settings.keep_payloads
        writer = MailchimpWriter(self.client, skip_merge_validation=True, keep_payloads=keep_payloads)
        assembly.writer = OneByOne(writer)
        return assembly


@pytest.fixture
def single_call_target() -> type[TargetMailchimp]:
    return SingleCallTarget


@dataclass
class Audited:
    """What the trail says about one record."""

    run_id: int
    action: str
    reason: str
    subject: str
    source_key: str
    detail: str
    consent: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    dead_letter: Mapping[str, Any] | None = None
    http_status: int | None = None
    request_id: str | None = None
    duration_ms: float | None = None
    payload: str | None = None


@dataclass
class Bench:
    """A simulator, a trail, and runs of the target between them."""

    mailchimp: RunningMailchimp
    database_url: str
    target_class: type[TargetMailchimp] = HurriedTarget

    def config(self, **settings: Any) -> dict[str, Any]:
        return {
            "api_key": self.mailchimp.api_key,
            "base_url": self.mailchimp.base_url,
            "list_id": self.mailchimp.list_id,
            "audit_database_url": self.database_url,
            **settings,
        }

    def run(self, records: Sequence[Record], **settings: Any) -> list[Audited]:
        """Load records of the stream `customers`; the decisions of this run."""
        return self.run_messages(messages(records), **settings)

    def run_messages(self, lines: Iterable[Mapping[str, Any]], **settings: Any) -> list[Audited]:
        self.states(lines, **settings)
        return self.decisions(self.last_run()["id"])

    def states(self, lines: Iterable[Mapping[str, Any]], **settings: Any) -> list[Any]:
        """Run the target; the states that it emitted."""
        target = self.target_class(config=self.config(**settings))
        out = io.StringIO()
        with redirect_stdout(out):
            target.listen(io.StringIO(as_text(lines)))
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def killed(
        self, lines: Iterable[Mapping[str, Any]], *, at_call: int, answered: bool, **settings: Any
    ) -> None:
        """Run the target as a process that is killed before a call that writes members, or after it."""
        config = json.dumps(self.config(**settings))
        done = subprocess.run(
            [sys.executable, "-c", KILLED, config, str(at_call), str(answered)],
            input=as_text(lines),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr

    def last_run(self) -> Mapping[str, Any]:
        with AuditTrail.open(self.database_url) as trail, trail.database.reading() as connection:
            return dict(
                connection.execute(sa.select(runs).order_by(runs.c.id.desc()).limit(1)).mappings().one()
            )

    def decisions(self, run_id: int | None = None) -> list[Audited]:
        query = sa.select(decisions).where(decisions.c.part_of.is_(None))
        if run_id is not None:
            query = query.where(decisions.c.run_id == run_id)
        with AuditTrail.open(self.database_url) as trail, trail.database.reading() as connection:
            rows = connection.execute(query.order_by(decisions.c.run_id, decisions.c.seq)).mappings().all()
        return [
            Audited(
                row["run_id"],
                row["action"],
                row["reason"],
                row["subject"] or "",
                row["source_key"] or "",
                row["detail"] or "",
                row["consent"] or "",
                json.loads(row["changes"]) if row["changes"] else {},
                json.loads(row["dead_letter"]) if row["dead_letter"] else None,
                *(row[name] for name in ("http_status", "request_id", "duration_ms", "payload")),
            )
            for row in rows
        ]

    def calls(self) -> dict[str, int]:
        """Requests since the last `clear`, by method and kind of path."""
        return self.mailchimp.control.request_counts()

    def clear(self) -> None:
        self.mailchimp.control.clear_requests()

    def members(self, list_id: str | None = None) -> dict[str, dict[str, Any]]:
        return self.mailchimp.control.members(list_id)

    def states_of_people(self) -> dict[str, str]:
        return {address: member["state"] for address, member in self.members().items()}


StartBench = Callable[..., Bench]


@pytest.fixture
def start_bench(start_mailchimp: StartMailchimp, tmp_path: Path) -> StartBench:
    """Start a simulator with switches, beside an empty trail."""

    def start(**switches: Any) -> Bench:
        mailchimp = start_mailchimp(**switches)
        return Bench(mailchimp, f"sqlite:///{tmp_path / 'audit.sqlite3'}")

    return start


@pytest.fixture
def bench(start_bench: StartBench) -> Bench:
    return start_bench()


@pytest.fixture
def two_benches(tmp_path: Path) -> Iterator[tuple[Callable[[], Bench], Callable[[], Bench]]]:
    """One simulator, handed out empty and with an empty trail: for tests of many examples."""
    empty = tmp_path / "empty.sqlite3"
    AuditTrail.open(f"sqlite:///{empty}").close()
    numbers = itertools.count()
    with running_mailchimp() as mailchimp:

        def fresh(target_class: type[TargetMailchimp]) -> Bench:
            mailchimp.control.reset()
            trail = shutil.copy(empty, tmp_path / f"audit-{next(numbers)}.sqlite3")
            return Bench(mailchimp, f"sqlite:///{trail}", target_class)

        yield partial(fresh, HurriedTarget), partial(fresh, SingleCallTarget)
