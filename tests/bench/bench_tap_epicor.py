"""How fast the tap reads: 17 columns of a table, a first load by pages of 1,000, the whole command.

The floor, measured in the same run: a loop that asks for the same pages one after the other, parses them and
writes each row as a line, and does nothing else that a tap has to do. Run it with
`python tests/bench/bench_tap_epicor.py`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sizing import SMOKE, size

CUSTOMERS = size(60_000, 1_500, "BENCH_CUSTOMERS")
PAGE = 1000
COMPANY = "EPIC06"
LEAST_PER_SECOND = 13_000
LEAST_SHARE_OF_THE_FLOOR = 0.5
MOST_MEMORY_MIB = 75
MOST_SECONDS_TO_START = 2.0
SIMULATOR = [sys.executable, "-c", "from simulators.epicor.cli import main; main()", "--port", "0"]
TAP = [sys.executable, "-m", "tap_epicor_kinetic"]
MEASURE = """
import os, sys, time
out, log, *command = sys.argv[1:]
create = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
files = [(os.POSIX_SPAWN_OPEN, number, path, create, 0o600) for number, path in ((1, out), (2, log))]
started = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=files)
_, status, usage = os.wait4(child, 0)
print([os.waitstatus_to_exitcode(status), time.perf_counter() - started, usage.ru_maxrss])
"""
"""Runs a command and prints its exit status, seconds and peak in KiB. It is a small process in between: Linux
counts into a peak what the process held before it became another program, which is what its parent holds."""
COLUMNS = (
    *("Company", "CustNum", "CustID", "Name", "Address1", "Address2", "City", "State", "Zip", "Country"),
    *("PhoneNum", "EMailAddress", "GroupCode", "TerritoryID", "CreditHold", "NoContact", "UpdatedOn"),
)


@contextlib.contextmanager
def simulator() -> Iterator[Mapping[str, Any]]:
    """A simulated Kinetic in a process of its own: its greeting."""
    with subprocess.Popen(
        [*SIMULATOR, "--customers", str(CUSTOMERS)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@dataclass(frozen=True)
class Run:
    """One run of the command: rows, seconds of all of it, and the most memory that it took."""

    rows: int
    seconds: float
    memory_mib: float


def run_tap(folder: Path, *arguments: str) -> Run:
    out, log = folder / "out.jsonl", folder / "log"
    measured = subprocess.run(
        [sys.executable, "-ISc", MEASURE, out, log, *TAP, *arguments],
        stdout=subprocess.PIPE,
        check=True,
    )
    status, seconds, kib = json.loads(measured.stdout)
    assert status == 0, log.read_text()
    with out.open("rb") as lines:
        rows = sum(line.startswith(b'{"type":"RECORD"') for line in lines)
    return Run(rows, seconds, kib / 1024)


def prepare(folder: Path, hello: Mapping[str, Any]) -> list[str]:
    """Configuration and catalog, as arguments of the command."""
    known = {name: hello[name] for name in ("base_url", "api_key", "username", "password")}
    config = folder / "config.json"
    config.write_text(
        json.dumps({**known, "companies": [COMPANY], "customer_types": [], "inactive_customers": "flag"})
    )
    shown = subprocess.run(
        [*TAP, "--config", str(config), "--discover"], capture_output=True, text=True, check=True
    )
    catalog = json.loads(shown.stdout)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            crumb = item["breadcrumb"]
            chosen = crumb[-1] in COLUMNS if crumb else entry["tap_stream_id"] == "customers"
            item["metadata"]["selected"] = chosen
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return ["--config", str(config), "--catalog", str(folder / "catalog.json")]


def floor_per_second(hello: Mapping[str, Any], out: Path) -> float:
    """Rows a second of a bare loop."""
    url = f"{hello['base_url']}/api/v2/odata/{COMPANY}/Erp.BO.CustomerSvc/Customers"
    rows, last, started = 0, 0, time.perf_counter()
    with requests.Session() as session, out.open("w") as lines:
        session.auth = (hello["username"], hello["password"])
        session.headers["x-api-key"] = hello["api_key"]
        while True:
            query = {
                "$select": ",".join(COLUMNS),
                "$filter": f"CustNum gt {last}",
                "$orderby": "CustNum",
                "$top": str(PAGE),
            }
            page = session.get(url, params=query).json()["value"]
            if not page:
                return rows / (time.perf_counter() - started)
            for row in page:
                lines.write(json.dumps(row) + "\n")
            rows += len(page)
            last = page[-1]["CustNum"]


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, simulator() as hello:
        folder = Path(name)
        arguments = prepare(folder, hello)
        start = run_tap(folder, "--about").seconds
        floor = floor_per_second(hello, folder / "floor.jsonl")
        first = run_tap(folder, *arguments)
        with (folder / "out.jsonl").open() as lines:
            state = [line for line in lines if line.startswith('{"type":"STATE"')][-1]
        (folder / "state.json").write_text(json.dumps(json.loads(state)["value"]))
        second = run_tap(folder, *arguments, "--state", str(folder / "state.json"))
    per_second = first.rows / (first.seconds - start)
    return {
        "rows": first.rows,
        "rows a second, once started": per_second,
        "rows a second of the floor": floor,
        "share of the floor": per_second / floor,
        "seconds of the first load": first.seconds,
        "seconds of a run without changes": second.seconds,
        "rows of a run without changes": second.rows,
        "seconds to start": start,
        "peak MiB": first.memory_mib,
    }


def test_the_tap_reads_fast_and_in_little_memory() -> None:
    found = measure()
    for name, value in found.items():
        print(f"{name:40} {value:12,.2f}")
    assert SMOKE or found["rows a second, once started"] >= LEAST_PER_SECOND
    assert SMOKE or found["share of the floor"] >= LEAST_SHARE_OF_THE_FLOOR
    assert found["peak MiB"] <= MOST_MEMORY_MIB
    assert SMOKE or found["seconds to start"] <= MOST_SECONDS_TO_START


if __name__ == "__main__":
    test_the_tap_reads_fast_and_in_little_memory()
