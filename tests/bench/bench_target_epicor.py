"""What 10,000 events cost target-epicor-contacts: calls per 1,000 events, and time against a bare loop.

`BENCH_EVENTS` sets the number (default 10,000). The simulator is a process of its own. The floor is as
many bare requests on as many connections: it reads, plans and records nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from contact_events import simulator, write_input
from simulators.epicor.testing import EpicorControl
from sizing import SMOKE, size

EVENTS = size(10_000, 50, "BENCH_EVENTS")
PEOPLE = max(10, EVENTS // 5)
FLOOR_CALLS = size(100, 3)
MOST_LOOKUPS_PER_1000 = 150
MOST_WRITES_PER_1000 = 2_000


@dataclass(frozen=True)
class Measured:
    seconds: float
    reads: int
    writes: int
    floor: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:7.1f} s  {EVENTS / self.seconds:7,.0f} events/s  "
            f"{self.reads * 1000 / EVENTS:6.1f} reads, {self.writes * 1000 / EVENTS:6.1f} writes per 1,000  "
            f"{self.seconds / self.floor:5.2f} times the floor"
        )


def floor_seconds(hello: Mapping[str, Any], calls: int, concurrency: int) -> float:
    """The time of as many bare requests, from a sample of them."""
    url = f"{hello['base_url']}/api/v2/odata/EPIC06/Erp.BO.CustCntSvc/CustCnts?$top=1&$select=CustNum"

    def some(count: int) -> None:
        with requests.Session() as session:
            session.auth = (hello["username"], hello["password"])
            session.headers["x-api-key"] = hello["api_key"]
            for _ in range(count):
                assert session.get(url, timeout=60).ok

    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(some, [FLOOR_CALLS] * concurrency))
    return (time.perf_counter() - started) / (FLOOR_CALLS * concurrency) * calls


def deliver(
    hello: Mapping[str, Any], control: EpicorControl, folder: Path, source: Path, **settings: Any
) -> Measured:
    names = ("base_url", "companies", "api_key", "username", "password")
    config = {name: hello[name] for name in names}
    config |= {"audit_database_url": f"sqlite:///{folder / 'audit.sqlite3'}", **settings}
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    control.clear_requests()
    started = time.perf_counter()
    with source.open("rb") as file:
        subprocess.run(
            [sys.executable, "-m", "target_epicor_contacts", "--config", str(path)],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
            check=True,
        )
    seconds = time.perf_counter() - started
    methods = [request["method"] for request in control.requests()]
    reads = methods.count("GET")
    writes = len(methods) - reads
    return Measured(seconds, reads, writes, floor_seconds(hello, len(methods), settings["concurrency"]))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("write_mode", ["patch", "update_ext"])
@pytest.mark.parametrize("concurrency", [4] if SMOKE else [1, 2, 4])
@pytest.mark.parametrize("latency", [0.1] if SMOKE else [0.0, 0.1])
def test_drain(tmp_path: Path, latency: float, concurrency: int, write_mode: str) -> None:
    with simulator(PEOPLE) as hello:
        control = EpicorControl(hello["control_url"])
        source = tmp_path / "input.jsonl"
        write_input(source, control, EVENTS)
        if latency:
            control.faults({"effect": {"kind": "latency", "seconds": latency}})
        measured = deliver(hello, control, tmp_path, source, concurrency=concurrency, write_mode=write_mode)
        control.close()
    print(
        f"\n{EVENTS:,} events, {latency * 1000:3.0f} ms, concurrency {concurrency}, "
        f"{write_mode:10} {measured}"
    )
    assert measured.reads <= EVENTS * MOST_LOOKUPS_PER_1000 / 1000 + 20
    assert measured.writes <= EVENTS * MOST_WRITES_PER_1000 / 1000
