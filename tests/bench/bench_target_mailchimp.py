"""How fast target-mailchimp loads an audience, against a bare loop that sends the same batches one by one.

`BENCH_MEMBERS` sets the size (default 100,000). The simulator is a process of its own. The loop reads
nothing, plans nothing, records nothing, and gives up on the first failure. Where each batch takes 1.2 s, as a
full one of 500 does in Mailchimp, the floor is what the connections can carry at that rate.

The run after a first load lists what that load has written; the one after it finds nothing changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from mailchimp_load import simulator, write_input
from simulators.mailchimp.control import Control
from sizing import SMOKE, size
from target_mailchimp.settings import LoadSettings

MEMBERS = size(100_000, 600, "BENCH_MEMBERS")
BATCH = 500
MOST_CALLS_PER_1000 = 2.0
SECONDS_A_BATCH = 1.2
CONNECTIONS = LoadSettings().concurrency
AIM_OF_THE_CONNECTIONS = 0.85
LEAST_OF_THE_CONNECTIONS = 0.6
"""Of what they can carry; a machine that does other work keeps a part of the aim."""
AIM_OF_THE_LOOP = 0.75
LEAST_OF_THE_LOOP = 0.45
"""Members a second at 0 ms, against the loop's."""


@dataclass(frozen=True)
class Measured:
    seconds: float
    calls: int

    @property
    def per_second(self) -> float:
        return MEMBERS / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.seconds:6.1f} s  {self.per_second:8,.0f} members/s  "
            f"{self.calls * 1000 / MEMBERS:5.2f} calls per 1,000"
        )


def bare_loop(hello: Mapping[str, Any]) -> Measured:
    """The floor: one connection, the same batches, nothing else."""
    url = f"{hello['base_url']}/lists/{hello['list_id']}"
    started = time.perf_counter()
    with requests.Session() as session:
        session.auth = ("any", hello["api_key"])
        for start in range(0, MEMBERS, BATCH):
            batch = [
                {
                    "email_address": f"floor{number}@example.com",
                    "status_if_new": "subscribed",
                    "merge_fields": {
                        "FNAME": f"First {number}",
                        "LNAME": "Last",
                        "COMPANY": f"C {number % 997}",
                    },
                }
                for number in range(start, min(start + BATCH, MEMBERS))
            ]
            answer = session.post(url, json={"members": batch, "update_existing": True}, timeout=120)
            assert answer.json()["total_created"] == len(batch)
    return Measured(time.perf_counter() - started, -(-MEMBERS // BATCH))


def load(
    hello: Mapping[str, Any], control: Control, tmp_path: Path, source: Path, **settings: Any
) -> Measured:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "api_key": hello["api_key"],
                "base_url": hello["base_url"],
                "list_id": hello["list_id"],
                "audit_database_url": f"sqlite:///{tmp_path / 'audit.sqlite3'}",
                **settings,
            }
        )
    )
    control.clear_requests()
    started = time.perf_counter()
    with source.open("rb") as file:
        subprocess.run(
            [sys.executable, "-m", "target_mailchimp", "--config", str(config)],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if not os.environ.get("BENCH_VERBOSE") else None,
            check=True,
        )
    return Measured(time.perf_counter() - started, sum(control.request_counts().values()))


@pytest.mark.timeout(1800)
def test_slow_batches(tmp_path: Path) -> None:
    source = tmp_path / "input.jsonl"
    write_input(source, MEMBERS)
    with simulator() as hello:
        control = Control(hello["control_url"], hello["list_id"])
        # What a run asks for before its first batch is answered at once, as a small answer is.
        slow = {"kind": "latency", "seconds": SECONDS_A_BATCH}
        control.set_faults([{"match": {"method": "POST"}, "effect": slow}])
        new = load(hello, control, tmp_path, source)
    least = -(-MEMBERS // BATCH) * SECONDS_A_BATCH / CONNECTIONS
    share = least / new.seconds
    print(f"\n{MEMBERS:,} new members, {SECONDS_A_BATCH} s a batch, {CONNECTIONS} connections")
    print(f"  new         {new}, {new.seconds - least:.1f} s more than the connections need ({least:.1f} s)")
    print(f"  {share:.2f} of what the connections can carry (the aim is {AIM_OF_THE_CONNECTIONS})")
    assert SMOKE or share >= LEAST_OF_THE_CONNECTIONS


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("latency", [0.2] if SMOKE else [0.0, 0.2])
def test_load(tmp_path: Path, latency: float) -> None:
    source = tmp_path / "input.jsonl"
    write_input(source, MEMBERS)
    with simulator() as hello:
        control = Control(hello["control_url"], hello["list_id"])
        control.set_faults([{"effect": {"kind": "latency", "seconds": latency}}] if latency else [])
        floor = bare_loop(hello)
        control.reset()
        control.set_faults([{"effect": {"kind": "latency", "seconds": latency}}] if latency else [])
        new = load(hello, control, tmp_path, source)
        most = control.connections()["most"]
        following = load(hello, control, tmp_path, source)
        unchanged = load(hello, control, tmp_path, source)
        compared = load(hello, control, tmp_path, source, reconcile=True)
    print(f"\n{MEMBERS:,} members, {latency * 1000:.0f} ms latency")
    print(f"  bare loop   {floor}")
    print(f"  new         {new}   ratio {floor.seconds / new.seconds:.2f}, {most} connections at most")
    print(f"  next run    {following}   ratio {floor.seconds / following.seconds:.2f}")
    print(f"  unchanged   {unchanged}   ratio {floor.seconds / unchanged.seconds:.2f}")
    print(f"  compared    {compared}   ratio {floor.seconds / compared.seconds:.2f}")
    if not latency:
        print(f"  new, against the loop: the aim is {AIM_OF_THE_LOOP}")
        assert floor.seconds / new.seconds >= LEAST_OF_THE_LOOP
    assert new.calls <= MEMBERS * MOST_CALLS_PER_1000 / 1000 + 10
    # A page for each thousand members, and those of its last second once more.
    assert following.calls <= MEMBERS * MOST_CALLS_PER_1000 / 1000 + 10
    assert unchanged.calls <= 10  # nothing but the lists and their fields
    assert compared.calls <= MEMBERS * MOST_CALLS_PER_1000 / 1000 + 10  # a listing, in pages
    assert most <= 10
