"""How many webhooks a second the receiver makes durable, and how long one takes to come out of the tap.

The floor, measured in the same run: a bare FastAPI endpoint in the same web server that reads the body, keeps
nothing and answers. Run it with `python tests/bench/bench_receiver.py [seconds]`, or as a test with
`BENCH_SECONDS` set.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from sizing import SMOKE, size
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.encryption import FieldEncryption
from tap_mailchimp_webhooks.inbox.store import Inbox

SECONDS = float(size(10, 1, "BENCH_SECONDS"))
AS_FAST_AS_IT_GOES = size(6000, 300)
FOLLOWED = size(200, 10)
RATE = 1000
CONNECTIONS = 64
MOST_TIMES_THE_FLOOR = 10.0
MOST_P99_MS = 50.0
MOST_FOLLOW_MS = 50.0
QUIET = 6.0
"""So many times the rate of the load the floor takes on two cores that nothing else uses."""
QUIET_SYNC_MS = 8.0
SECRET = "a-path-secret-of-the-benchmark"
PATH = f"/webhooks/mailchimp/{SECRET}"

FLOOR = """
import signal, uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
app = FastAPI()
@app.post("/webhooks/mailchimp/{secret}")
async def take(secret: str, request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("ok")
signal.signal(signal.SIGTERM, lambda *_: None)
uvicorn.run(app, port=0, access_log=False)
"""


@contextlib.contextmanager
def server(command: list[str], folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A web server in a process of its own: its address, as it tells it, and the process."""
    environment = {
        **os.environ,
        "MAILCHIMP_WEBHOOKS_SECRET": SECRET,
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": inbox_url(folder),
    }
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r"running on (http://\S+)", line):
                    threading.Thread(target=process.stderr.read, daemon=True).start()
                    yield found[1], process
                    break
        finally:
            process.terminate()


RECEIVER = [
    sys.executable,
    "-c",
    "from tap_mailchimp_webhooks.cli.main import main; main()",
    "serve",
    "--port",
    "0",
]


def inbox_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'inbox.sqlite3'}"


def body(number: int) -> bytes:
    """A delivery of the usual size."""
    fields = {
        "type": "unsubscribe",
        "fired_at": "2026-03-01 12:00:00",
        "data[action]": "unsub",
        "data[reason]": "manual",
        "data[id]": f"{number:010x}",
        "data[list_id]": "1a2b3c4d5e",
        "data[email]": f"person{number}@example.com",
        "data[email_type]": "html",
        "data[merges][EMAIL]": f"person{number}@example.com",
        "data[merges][FNAME]": "Jörg",
        "data[merges][LNAME]": "Größe",
        "data[merges][ADDRESS][addr1]": "1 Main Street",
        "data[merges][ADDRESS][city]": "Springfield",
        "data[merges][GROUPINGS][0][id]": "6197",
        "data[merges][GROUPINGS][0][groups]": "Yes, No",
        "data[web_id]": str(number),
    }
    return urlencode(fields).encode()


@dataclass
class Load:
    """What a load generator saw.

    Attributes:
        accepted: The numbers of the deliveries that were answered with 2xx.
        refused: How many were answered otherwise.
        milliseconds: From the moment a delivery was due to its answer.
    """

    accepted: list[int] = field(default_factory=list)
    refused: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ranked = sorted(self.milliseconds)
        return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> int:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    status = await reader.readline()
    if not status:
        raise ConnectionResetError
    length = 0
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    await reader.readexactly(length)
    return int(status.split()[1])


async def load(url: str, count: int, rate: float | None) -> Load:
    """Post deliveries over a fixed number of connections.

    Args:
        url: Of the server.
        count: How many.
        rate: A second, whether or not the answers keep up; None for as fast as the answers come.
    """
    seen = Load()
    numbers = iter(range(count))
    address = urlsplit(url)
    started = time.perf_counter()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for number in numbers:
                due = started + number / rate if rate else time.perf_counter()
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                status = await _post(reader, writer, body(number))
                seen.milliseconds.append((time.perf_counter() - due) * 1000)
                if status // 100 == 2:
                    seen.accepted.append(number)
                else:
                    seen.refused += 1
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return seen


def per_second(url: str, count: int) -> float:
    started = time.perf_counter()
    seen = asyncio.run(load(url, count, None))
    assert seen.refused == 0
    return count / (time.perf_counter() - started)


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


def stored_numbers(folder: Path) -> set[int]:
    inbox = Inbox.open(inbox_url(folder), FieldEncryption())
    found: set[int] = set()
    after = 0
    while batch := inbox.read(CONTACT_EVENTS, after=after, limit=5000):
        found.update(int(event.data["web_id"]) for event in batch)
        after = batch[-1].sequence
    inbox.database.close()
    return found


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
    async def post() -> None:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await _post(reader, writer, body(number))
        writer.close()

    asyncio.run(post())


def test_keeps_up_with_a_thousand_a_second_and_loses_none() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server([sys.executable, "-c", FLOOR], folder) as (url, _):
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
        assert SMOKE or floor / durable < MOST_TIMES_THE_FLOOR
        synced = sync_milliseconds(folder)
        print(f"the disk makes 64 KiB durable in {synced:.1f} ms (p99)")
        if SMOKE or floor < QUIET * RATE or synced > QUIET_SYNC_MS:
            print("The machine is too busy to judge how long a delivery takes.")
        else:
            assert seen.percentile(0.99) < MOST_P99_MS


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
