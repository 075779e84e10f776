"""How the cost of a record grows with how many came before: target-mailchimp on ever larger audiences.

For each size and latency: a first load, the same records again (nothing changed), and again with one in a
hundred changed. Half of the records are names of contacts, which come first and wait for their customers, as
in `meltano run forward`. `BENCH_GROWTH` sets the numbers of customers (default `10000,100000`; with a million
it takes an hour more), `BENCH_GROWTH_LATENCIES` the milliseconds a call (default `0,50,200`). With
`BENCH_PLOT=1` the plot of docs/performance.md is drawn anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mailchimp_load import simulator
from measured import Usage, run_measured
from plot import write_plot
from simulators.mailchimp.control import Control
from sizing import SMOKE

CUSTOMERS = [
    int(text) for text in os.environ.get("BENCH_GROWTH", "200" if SMOKE else "10000,100000").split(",")
]
LATENCIES = [
    int(text) for text in os.environ.get("BENCH_GROWTH_LATENCIES", "0" if SMOKE else "0,50,200").split(",")
]
PLOT = Path(__file__).resolve().parents[2] / "docs" / "images" / "growth-forward.svg"
STEPS = ("first load", "nothing changed", "1 % changed")
CHANGED = 100
"""One record of so many has another value in the last step."""
MOST_GROWTH = 1.5
"""Of what a record costs, from one size to the next one that is ten times as large."""
MOST_MIB = 130
"""The aim is 120."""


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        records: That were read.
        calls: Of Mailchimp's API.
        bytes_per_record: Of the audit database, with all runs so far, by the records of one run.
    """

    usage: Usage
    records: int
    calls: int
    bytes_per_record: float

    @property
    def cpu_per_1000(self) -> float:
        return self.usage.cpu * 1000 / self.records


def lines(customers: int, step: str) -> Iterator[str]:
    """What the mapper would write: names first, then customers."""
    names = {"email_address", "status", "FNAME", "LNAME", "source_key", "source_updated_on"}
    texts = {"type": ["string", "null"]}
    schema = {"properties": {**dict.fromkeys([*sorted(names), "COMPANY", "PHONE", "INDUSTRY"], texts)}}
    schema["properties"]["ADDRESS"] = {"type": ["object", "null"]}
    for stream in ("member_names", "members"):
        message = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["email_address"]}
        yield json.dumps(message)
    for number in range(customers):
        yield record("member_names", number, {"FNAME": f"First {number}", "LNAME": "Last"}, "2026-01-01")
    for number in range(customers):
        is_changed = step == STEPS[-1] and number % CHANGED == 0
        values = {
            "COMPANY": f"Company {number}{' & Sons' if is_changed else ''}",
            "PHONE": f"555-{number % 10_000:04}",
            "INDUSTRY": "MEDI",
            "ADDRESS": {"addr1": f"{number} Street", "city": "Town", "state": "MN", "zip": "55401"},
        }
        yield record("members", number, values, "2026-01-02" if is_changed else "2026-01-01")
    yield json.dumps({"type": "STATE", "value": {"done": True}})


def record(stream: str, number: int, values: dict[str, Any], changed_on: str) -> str:
    source = {"source_key": f"{stream} EPIC06/{number}", "source_updated_on": f"{changed_on}T00:00:00Z"}
    member = {"email_address": f"member{number}@example.com", "status": None, **values, **source}
    return json.dumps({"type": "RECORD", "stream": stream, "record": member})


def run(folder: Path, control: Control, customers: int, step: str) -> Measured:
    source, database = folder / "input.jsonl", folder / "audit.sqlite3"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(customers, step))
    control.clear_requests()
    command = [sys.executable, "-m", "target_mailchimp", "--config", str(folder / "config.json")]
    usage = run_measured(folder, command, stdin=source)
    size = sum(file.stat().st_size for file in folder.glob("audit.sqlite3*"))
    with closing(sqlite3.connect(database)) as stored:
        (records,) = stored.execute("SELECT records_read FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return Measured(usage, records, sum(control.request_counts().values()), size / records)


def measure(folder: Path, customers: int, latency: int) -> dict[str, Measured]:
    """All steps with one audience."""
    folder.mkdir()
    with simulator() as hello:
        settings = {name: hello[name] for name in ("api_key", "base_url", "list_id")}
        settings["audit_database_url"] = f"sqlite:///{folder / 'audit.sqlite3'}"
        settings |= {"update_only_streams": ["member_names"], "create_merge_fields": True}
        (folder / "config.json").write_text(json.dumps(settings))
        control = Control(hello["control_url"], hello["list_id"])
        if latency:
            control.set_faults([{"effect": {"kind": "latency", "seconds": latency / 1000}}])
        found = {step: run(folder, control, customers, step) for step in STEPS}
    for step, one in found.items():
        print(
            f"  {customers:9,} {latency:4} ms  {step:16} {one.usage.wall:7.1f} s"
            f"  {one.usage.cpu:7.1f} s of CPU, {one.cpu_per_1000:6.3f} per 1,000"
            f"  {one.calls:6,} calls  {one.usage.mib:4.0f} MiB"
            f"  {one.bytes_per_record:6,.0f} B of database a record"
        )
    assert found["first load"].records == customers * 2
    assert found["first load"].calls <= customers * 2 / 1000 + 20 + customers / 500
    # What was written in the first load is listed once, a thousand to a page.
    assert found["nothing changed"].calls <= customers / 1000 + 20
    assert found["1 % changed"].calls <= customers / 1000 + customers / CHANGED / 100 + 20
    return found


@pytest.mark.timeout(3 * 3600)
def test_growth(tmp_path: Path) -> None:
    print("\ntarget-mailchimp, as many names as customers")
    found = {
        (customers, latency): measure(tmp_path / f"{customers}-{latency}", customers, latency)
        for latency in LATENCIES
        for customers in CUSTOMERS
    }
    if os.environ.get("BENCH_PLOT"):
        drawn = {
            f"{step}, {latency} ms": [
                (customers, found[customers, latency][step].cpu_per_1000) for customers in CUSTOMERS
            ]
            for latency in LATENCIES
            for step in STEPS
        }
        write_plot(PLOT, "target-mailchimp: seconds of CPU per 1,000 records", "customers", drawn)
    if SMOKE:
        return
    for latency in LATENCIES:
        for small, large in pairwise(CUSTOMERS):
            for step in STEPS:
                before, after = found[small, latency][step], found[large, latency][step]
                assert after.cpu_per_1000 <= before.cpu_per_1000 * MOST_GROWTH, (step, large, latency)
                assert after.bytes_per_record <= before.bytes_per_record * MOST_GROWTH, (step, large)
    assert max(one.usage.mib for steps in found.values() for one in steps.values()) <= MOST_MIB
