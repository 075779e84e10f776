"""What the benchmarks of the receiver share: servers in processes of their own, deliveries, and a load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.store import Inbox

CONNECTIONS = 64
SECRET = "a-path-secret-of-the-benchmark"
PATH = f"/webhooks/mailchimp/{SECRET}"


@contextlib.contextmanager
def server(command: list[str], folder: Path, url: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A web server in a process of its own: its address, as it tells it, and the process.

    Args:
        command: Starts it.
        folder: For its inbox, which must be there.
        url: Of another inbox.
    """
    environment = {
        **os.environ,
        "MAILCHIMP_WEBHOOKS_SECRET": SECRET,
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": url or inbox_url(folder),
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


def request(content: bytes, path: str = PATH) -> bytes:
    """A delivery as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def usual_request(number: int) -> bytes:
    """The delivery with a number."""
    return request(body(number))


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> int:
    """Send a request; gives the status of its answer."""
    writer.write(sent)
    status = await reader.readline()
    if not status:
        raise ConnectionResetError
    length = 0
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    await reader.readexactly(length)
    return int(status.split()[1])


async def load(
    url: str,
    count: int,
    rate: float | None,
    first: int = 0,
    request_of: Callable[[int], bytes] = usual_request,
) -> Load:
    """Post deliveries over a fixed number of connections.

    Args:
        url: Of the server.
        count: How many.
        rate: A second, whether or not the answers keep up; None for as fast as the answers come.
        first: The number of the first one.
        request_of: Makes the delivery with a number.
    """
    seen = Load()
    numbers = iter(range(first, first + count))
    address = urlsplit(url)
    started = time.perf_counter()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for number in numbers:
                due = started + (number - first) / rate if rate else time.perf_counter()
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                status = await post(reader, writer, request_of(number))
                seen.milliseconds.append((time.perf_counter() - due) * 1000)
                if status // 100 == 2:
                    seen.accepted.append(number)
                else:
                    seen.refused += 1
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return seen


def per_second(url: str, count: int, first: int = 0) -> float:
    """How many deliveries a second are answered as fast as it goes.

    Args:
        url: Of the server.
        count: How many are sent.
        first: The number of the first one.
    """
    started = time.perf_counter()
    seen = asyncio.run(load(url, count, None, first))
    assert seen.refused == 0
    return count / (time.perf_counter() - started)


def stored_numbers(folder: Path) -> set[int]:
    """The numbers of the deliveries that are in the inbox of a folder."""
    inbox = Inbox.open(inbox_url(folder), FieldEncryption())
    found: set[int] = set()
    after = 0
    while batch := inbox.read(CONTACT_EVENTS, after=after, limit=5000):
        found.update(int(event.data["web_id"]) for event in batch)
        after = batch[-1].sequence
    inbox.database.close()
    return found


def cpu_seconds(process_id: int) -> float:
    """What a process and all that descend from it have used so far, user and system."""
    used, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            number = int(file.parent.name)
            parents[number] = int(fields[1])
            used[number] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    family = {process_id}
    while more := {number for number, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(number, 0.0) for number in family)
