"""What the benchmarks of target-epicor-contacts share: a simulator of its own process, and events."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulators.epicor.expectations import classify_email
from simulators.epicor.testing import EpicorControl

STATE_EVERY = 500
BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)


@contextmanager
def simulator(people: int) -> Iterator[Mapping[str, Any]]:
    """A simulator with so many customers; hands out what it says about itself."""
    command = [
        str(Path(sys.executable).parent / "simulate-epicor"),
        "--port",
        "0",
        "--customers",
        str(people),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def write_input(path: Path, control: EpicorControl, events: int, *, people_at_once: int = 0) -> None:
    """Write what the mapper would write: so many events of every kind, about all people who have an address.

    Args:
        path: The file.
        control: Of the simulator.
        events: How many.
        people_at_once: How many people the events between two states are about; any by default. Events of a
            person that come together are one write, however many there are in all.
    """
    dice = random.Random(1)
    held = {classify_email(row["EMailAddress"]).address for row in control.rows("CustCnt")}
    people = sorted(address for address in held if address)
    with path.open("w", encoding="utf-8") as file:
        schema: dict[str, Any] = {"properties": {"email": {}, "PhoneNum": {}}}
        lines: list[dict[str, Any]] = [
            {"type": "SCHEMA", "stream": "contact_updates", "schema": schema, "key_properties": []}
        ]
        for number in range(events):
            record = {
                "email": dice.choice(_among(people, number, people_at_once)),
                "contact_status": dice.choice(["unsubscribed", "subscribed", "complaint", None]),
                "occurred_at": (BEGINNING + timedelta(seconds=number)).isoformat(),
                "event_id": f"e{number}",
                "sequence": number,
                "PhoneNum": f"555-{dice.randrange(10_000):04}",
            }
            lines.append({"type": "RECORD", "stream": "contact_updates", "record": record})
            if number % STATE_EVERY == STATE_EVERY - 1:
                lines.append({"type": "STATE", "value": {"sequence": number}})
        file.writelines(f"{json.dumps(line)}\n" for line in lines)


def _among(people: list[str], number: int, people_at_once: int) -> list[str]:
    first = number // STATE_EVERY * people_at_once % len(people)
    return people[first : first + people_at_once] if people_at_once else people
