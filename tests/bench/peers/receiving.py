"""Posts the same webhooks to the receiver and to the one that one writes in an hour."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from environments import environment, program
from receiver_load import RECEIVER, load, per_second, server

RATE = 500
SECONDS = 5


@dataclass(frozen=True)
class Received:
    """A receiver: deliveries a second as fast as it goes, and the 99th percentile in ms at a steady rate."""

    name: str
    per_second: float
    p99: float


def receive(folder: Path, deliveries: int) -> list[Received]:
    """Post to both.

    Args:
        folder: For databases.
        deliveries: As fast as they are taken.

    Raises:
        NotInstalledError: The environment of the other one cannot be made.
    """
    python = environment("fastapi") / "python"
    both = {
        "receiver of tap-mailchimp-webhooks": RECEIVER,
        "FastAPI + SQLite, a commit each": [str(python), program("bare_receiver.py")],
    }
    found = []
    for number, (name, command) in enumerate(both.items()):
        own = folder / str(number)
        own.mkdir()
        os.environ["RECEIVER_FILE"] = str(own / "bare.sqlite3")
        with server(command, own) as (url, _):
            fast = per_second(url, deliveries)
            steady = asyncio.run(load(url, RATE * SECONDS, RATE))
        found.append(Received(name, fast, steady.percentile(0.99)))
    return found
