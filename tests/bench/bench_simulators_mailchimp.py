"""The Mailchimp simulator must never be the bottleneck of the benchmarks that stand on it.

Every time is told as a ratio to a floor measured in the same run: the same bytes, answered by an application
that does nothing. Run it with `python tests/bench/bench_simulators_mailchimp.py`.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
from simulators.common.serve import serve_in_thread
from sizing import SMOKE, size
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEMBERS = size(100_000, 2_000)
BATCH, PAGE, ROUNDS = 500, size(1000, 100), size(15, 3)
MOST_MEMORY_MIB = 1024
MOST_TIMES_THE_FLOOR = 50
COMMAND = [sys.executable, "-c", "from simulators.mailchimp.cli import main; main()"]


@contextlib.contextmanager
def simulator(members: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """A simulator in a process of its own: its greeting and its process id."""
    command = [*COMMAND, "--members", str(members)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process.pid
        finally:
            process.terminate()


def median_ms(act: Callable[[int], object]) -> float:
    times = []
    for round_number in range(ROUNDS):
        started = time.perf_counter()
        act(round_number)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def floor_ms(request_body: bytes, answer: bytes) -> float:
    """The time of an exchange of the same size with an application that does nothing."""

    async def echo(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    with serve_in_thread(lambda _: (app, {})) as served, requests.Session() as session:
        return median_ms(lambda _: session.post(f"{served.url}/", data=request_body).json())


def batch_body(round_number: int) -> bytes:
    """Updates of members that exist and a few that do not."""
    first = round_number * BATCH
    members = [
        {
            "email_address": f"member{first + n}@example.com" if n % 10 else f"new{first + n}@example.com",
            "status_if_new": "subscribed",
            "merge_fields": {
                "FNAME": f"First {n}",
                "LNAME": f"Last {n}",
                "COMPANY": f"Company {round_number}",
                "REGION": "North",
            },
            "tags": ["Customer"],
        }
        for n in range(BATCH)
    ]
    return json.dumps({"members": members, "update_existing": True}).encode()


def bench_simulators_mailchimp() -> list[tuple[str, float, float]]:
    """Measure, and say for each act its milliseconds and those of its floor."""
    with simulator(MEMBERS) as (hello, pid), requests.Session() as session:
        session.auth = ("", hello["api_key"])
        url = f"{hello['base_url']}/lists/{hello['list_id']}"
        page: dict[str, str | int] = {
            "count": PAGE,
            "sort_field": "last_changed",
            "since_last_changed": "2020-01-01T00:00:00Z",
        }
        bodies = [batch_body(number) for number in range(ROUNDS)]
        single = f"{url}/members/member5@example.com"
        acts: Mapping[str, tuple[Callable[[int], requests.Response], bytes]] = {
            f"batch of {BATCH}": (lambda n: session.post(url, data=bodies[n]), bodies[0]),
            f"next page of {PAGE}": (
                lambda n: session.get(f"{url}/members", params={**page, "offset": n * PAGE}),
                b"",
            ),
            "one member": (lambda n: session.put(single, json={"merge_fields": {"FNAME": f"l{n}"}}), b"{}"),
        }
        rows = []
        for name, (act, sent) in acts.items():
            answer = act(0)
            assert answer.status_code == 200, answer.text
            spent = median_ms(lambda n, act=act: act(n).json())  # type: ignore[misc] # binds the act
            rows.append((name, spent, floor_ms(sent, answer.content)))
        memory = peak_mib(pid)
    print(f"\nMailchimp simulator with {MEMBERS:,} members, peak memory {memory:.0f} MiB")
    for name, spent, floor in rows:
        print(f"  {name:<20} {spent:8.1f} ms   {spent / floor:6.1f} x the floor of {floor:.1f} ms")
    assert memory < MOST_MEMORY_MIB
    return rows


def test_simulators_mailchimp() -> None:
    rows = bench_simulators_mailchimp()
    assert SMOKE or all(spent < floor * MOST_TIMES_THE_FLOOR for _, spent, floor in rows)


if __name__ == "__main__":
    bench_simulators_mailchimp()
