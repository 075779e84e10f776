"""Helpers of these tests: contact updates, a target in this process or in its own, and the rows it wrote."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from simulators.epicor.testing import RunningEpicor, StartEpicor
from sync_audit import AuditTrail
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


def messages(records: Iterable[Record], *, state_every: int = 0, stream: str = STREAM) -> str:
    """Singer messages: a schema, the records, and states that say how many records came before."""
    rows = list(records)
    columns = sorted({name for record in rows for name in record} | set(METADATA))
    lines: list[Record] = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": {name: {} for name in columns}},
            "key_properties": ["event_id"],
        }
    ]
    for number, record in enumerate(rows, start=1):
        lines.append({"type": "RECORD", "stream": stream, "record": record})
        if state_every and number % state_every == 0:
            lines.append({"type": "STATE", "value": {"records": number}})
    lines.append({"type": "STATE", "value": {"records": len(rows), "end": True}})
    return "".join(f"{json.dumps(line)}\n" for line in lines)


@dataclass(frozen=True)
class Bench:
    """A simulated Kinetic, a target that is configured for it, and its audit trail."""

    epicor: RunningEpicor
    folder: Path

    @property
    def audit_url(self) -> str:
        return f"sqlite:///{self.folder / 'audit.sqlite3'}"

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

    def target(self, **settings: Any) -> TargetEpicorContacts:
        return TargetEpicorContacts(config=self.config(**settings))

    def deliver(self, *records: Record, state_every: int = 0, **settings: Any) -> list[Any]:
        """Run the target over records; the states that it emitted."""
        written = io.StringIO()
        with redirect_stdout(written):
            self.target(**settings).listen(io.StringIO(messages(records, state_every=state_every)))
        return [json.loads(line) for line in written.getvalue().splitlines()]

    def command(self, **settings: Any) -> list[str]:
        """The target as a process of its own."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config(**settings)))
        return [sys.executable, "-m", "target_epicor_contacts", "--config", str(path)]

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
            for row in self._stored("part_of IS NOT NULL")
        ]

    def decisions(self) -> list[Record]:
        """Every decision of the audit trail in order, without the parts."""
        return self._stored("part_of IS NULL")

    def actions(self) -> list[tuple[str, str]]:
        """Action and reason of every decision."""
        return [(decision["action"], decision["reason"]) for decision in self.decisions()]

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
def start_bench(start_epicor: StartEpicor, tmp_path: Path) -> Callable[..., Bench]:
    """A factory of benches; it takes what `start_epicor` takes."""

    def start(**given: Any) -> Bench:
        return Bench(start_epicor(**{"customers": 12, **given}), tmp_path)

    return start


@pytest.fixture
def bench(start_bench: Callable[..., Bench]) -> Bench:
    return start_bench()
