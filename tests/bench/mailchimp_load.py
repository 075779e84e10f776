"""What the benchmarks of target-mailchimp share: a simulator of its own process, and an audience to load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def simulator() -> Iterator[Mapping[str, Any]]:
    """A simulator; hands out what it says about itself."""
    command = [str(Path(sys.executable).parent / "simulate-mailchimp"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def member(number: int) -> dict[str, Any]:
    """A member record."""
    return {
        "email_address": f"member{number}@example.com",
        "FNAME": f"First {number}",
        "LNAME": "Last",
        "COMPANY": f"Company {number % 997}",
        "source_key": f"EPIC06/{number}",
        "source_updated_on": "2026-01-01T00:00:00Z",
    }


def write_input(path: Path, members: int) -> None:
    """Write what a tap would emit: the schema, so many members, and a state."""
    properties = {name: {"type": ["string", "null"]} for name in member(0)}
    schema = {"properties": properties}
    with path.open("w", encoding="utf-8") as file:
        file.write(
            json.dumps({"type": "SCHEMA", "stream": "customers", "schema": schema, "key_properties": []})
        )
        for number in range(members):
            file.write("\n" + json.dumps({"type": "RECORD", "stream": "customers", "record": member(number)}))
        file.write("\n" + json.dumps({"type": "STATE", "value": {"done": True}}) + "\n")
