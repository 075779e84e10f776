"""How the cost of an event grows with how many came before: target-epicor-contacts on ever more events.

There is a customer for every five events. `BENCH_GROWTH_EVENTS` sets the numbers of events (default
`1000,10000`; 100,000 at 200 ms take hours), `BENCH_GROWTH_LATENCIES` the milliseconds a call (default
`0,50,200`). With `BENCH_PLOT=1` the plot of docs/performance.md is drawn anew.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from contact_events import simulator, write_input
from measured import Usage, run_measured
from plot import write_plot
from simulators.epicor.testing import EpicorControl
from sizing import SMOKE

EVENTS = [
    int(text) for text in os.environ.get("BENCH_GROWTH_EVENTS", "50" if SMOKE else "1000,10000").split(",")
]
LATENCIES = [
    int(text) for text in os.environ.get("BENCH_GROWTH_LATENCIES", "0" if SMOKE else "0,50,200").split(",")
]
PLOT = Path(__file__).resolve().parents[2] / "docs" / "images" / "growth-reverse.svg"
CONCURRENCY = 4
PEOPLE_AT_ONCE = 100
MOST_GROWTH = 1.5
"""Of what an event costs, from one size to the next one that is ten times as large."""
MOST_MIB = 120


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        calls: Of Epicor's API.
        bytes_per_event: Of the audit database.
    """

    usage: Usage
    events: int
    calls: int
    bytes_per_event: float

    @property
    def cpu_per_1000(self) -> float:
        return self.usage.cpu * 1000 / self.events

    @property
    def calls_per_1000(self) -> float:
        return self.calls * 1000 / self.events


def measure(folder: Path, events: int, latency: int) -> Measured:
    folder.mkdir()
    with simulator(max(10, events // 5)) as hello:
        control = EpicorControl(hello["control_url"])
        names = ("base_url", "companies", "api_key", "username", "password")
        database = folder / "audit.sqlite3"
        config = {
            **{name: hello[name] for name in names},
            "audit_database_url": f"sqlite:///{database}",
            "concurrency": CONCURRENCY,
        }
        (folder / "config.json").write_text(json.dumps(config))
        write_input(folder / "input.jsonl", control, events, people_at_once=PEOPLE_AT_ONCE)
        if latency:
            control.faults({"effect": {"kind": "latency", "seconds": latency / 1000}})
        control.clear_requests()
        command = [sys.executable, "-m", "target_epicor_contacts", "--config", str(folder / "config.json")]
        usage = run_measured(folder, command, stdin=folder / "input.jsonl")
        calls = len(control.requests())
        control.close()
    size = sum(file.stat().st_size for file in folder.glob("audit.sqlite3*"))
    found = Measured(usage, events, calls, size / events)
    print(
        f"  {events:9,} {latency:4} ms {usage.wall:7.1f} s  {usage.cpu:7.1f} s of CPU, "
        f"{found.cpu_per_1000:6.3f} per 1,000  {calls:7,} calls  {usage.mib:4.0f} MiB  "
        f"{found.bytes_per_event:6,.0f} B of database an event"
    )
    return found


@pytest.mark.timeout(6 * 3600)
def test_growth(tmp_path: Path) -> None:
    print("\ntarget-epicor-contacts, a customer for every five events")
    found = {
        (events, latency): measure(tmp_path / f"{events}-{latency}", events, latency)
        for latency in LATENCIES
        for events in EVENTS
    }
    if os.environ.get("BENCH_PLOT"):
        drawn = {
            f"{latency} ms": [
                (events, found[events, latency].usage.wall * 1000 / events) for events in EVENTS
            ]
            for latency in LATENCIES
        }
        write_plot(PLOT, "target-epicor-contacts: seconds per 1,000 events", "events", drawn)
    if SMOKE:
        return
    for latency in LATENCIES:
        for small, large in pairwise(EVENTS):
            before, after = found[small, latency], found[large, latency]
            assert after.cpu_per_1000 <= before.cpu_per_1000 * MOST_GROWTH, (large, latency)
            assert after.calls_per_1000 <= before.calls_per_1000 * MOST_GROWTH, (large, latency)
            assert after.bytes_per_event <= before.bytes_per_event * MOST_GROWTH, (large, latency)
    assert max(one.usage.mib for one in found.values()) <= MOST_MIB
