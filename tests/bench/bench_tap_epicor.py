"""How fast the tap reads: 17 columns of a table, a first load, the whole command.

Judged by CPU seconds and by ratios to what runs beside it, which hold on a busy machine. The
floor is a loop over the same pages that decodes them with msgspec and writes each row as a line, and does
nothing else that a tap has to do. `BENCH_CUSTOMERS` sets how many the simulator has (60,000, of which 50,000
are read), `BENCH_ROWS` how many rows a server without an end gives, where memory is judged.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests
from endless_kinetic import endless_kinetic
from epicor_load import COLUMNS, COMPANY, TAP, control_of, last_state, prepare, set_latency, simulator
from measuring import Run, measured
from sizing import SMOKE, size

CUSTOMERS = size(60_000, 1_500, "BENCH_CUSTOMERS")
ROWS = size(200_000, 6_000, "BENCH_ROWS")
FEW_ROWS = size(60_000, 3_000)
"""Of fewer, hardly ever as many pages are there at once as may be."""
RUNS = size(3, 1)
"""How many pages are there at once is the machine's doing: the middle run counts."""
PAGE = 1000
LATENCY = 0.5
"""Seconds of each answer: enough to be told from a machine that does other things."""
CONNECTIONS = 4
MOST_TIMES_THE_FLOOR = 3.0
"""CPU seconds for each row, without the start."""
MOST_TIMES_THE_SDK = 1.3
"""CPU seconds to start, of those that it takes to import the SDK."""
MOST_MEMORY_MIB = 62
"""At any number of rows, at two connections: the SDK alone takes 46."""
MOST_GROWTH_MIB = 3
MOST_SHARE_OF_THE_WAITING = 0.5
"""Of calls times latency, which is what one call after the other would wait: a quarter is the aim."""
SDK = [sys.executable, "-c", "import singer_sdk"]


def floor(hello: Mapping[str, Any], out: Path) -> tuple[float, float]:
    """CPU seconds and seconds of a bare loop."""
    url = f"{hello['base_url']}/api/v2/odata/{COMPANY}/Erp.BO.CustomerSvc/Customers"
    last, started, cpu = 0, time.perf_counter(), time.process_time()
    with requests.Session() as session, out.open("wb") as lines:
        session.auth = (hello["username"], hello["password"])
        session.headers["x-api-key"] = hello["api_key"]
        while True:
            query = {
                "$select": ",".join(COLUMNS),
                "$filter": f"CustNum gt {last}",
                "$orderby": "CustNum",
                "$top": str(PAGE),
            }
            page = msgspec.json.decode(session.get(url, params=query).content)["value"]
            if not page:
                return time.process_time() - cpu, time.perf_counter() - started
            lines.write(msgspec.json.Encoder().encode_lines(page))
            last = page[-1]["CustNum"]


def rows_in(out: Path) -> int:
    with out.open("rb") as lines:
        return sum(line.startswith(b'{"type":"RECORD"') for line in lines)


def least(command: list[str], out: Path, times: int = 3) -> Run:
    """The run with the fewest CPU seconds."""
    return min((measured(command, out) for _ in range(times)), key=lambda run: run.cpu)


def test_a_first_load_costs_little_more_than_its_bytes() -> None:
    with tempfile.TemporaryDirectory() as name, simulator(CUSTOMERS) as hello:
        folder = Path(name)
        out, arguments = folder / "out.jsonl", prepare(folder, hello)
        bare, bare_seconds = floor(hello, folder / "floor.jsonl")
        start = least([*TAP, "--about"], folder / "about")
        first = measured([*TAP, *arguments], out)
        rows = rows_in(out)
        (folder / "state.json").write_text(json.dumps(last_state(out)))
        again = measured([*TAP, *arguments, "--state", str(folder / "state.json")], out)
        again_rows = rows_in(out)
        expected = sum(row["Company"] == COMPANY for row in control_of(hello).rows("Customer"))
    reading = first.cpu - start.cpu
    print(f"\n{rows:,} rows: {first.seconds:.2f} s, {first.cpu:.2f} s of CPU, {first.memory:.1f} MiB")
    print(f"  to start {start.cpu:.2f} s of CPU; for each row {reading / rows * 1e6:.1f} us")
    print(f"  the floor {bare / rows * 1e6:.1f} us: {reading / bare:.2f} times; it took {bare_seconds:.2f} s")
    print(f"  without changes {again.seconds:.2f} s, {again.cpu:.2f} s of CPU, {again_rows} rows")
    assert rows == expected
    assert again_rows <= rows / 10
    assert SMOKE or reading / bare <= MOST_TIMES_THE_FLOOR
    assert first.memory <= MOST_MEMORY_MIB


def test_the_start_is_that_of_the_sdk() -> None:
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        times = 3 if SMOKE else 8
        sdk, about = [], []
        for _ in range(times):
            sdk.append(measured(SDK, out).cpu)
            about.append(measured([*TAP, "--about"], out).cpu)
    print(f"\nto start {min(about):.2f} s of CPU, the SDK's own import {min(sdk):.2f} s")
    assert SMOKE or min(about) <= MOST_TIMES_THE_SDK * min(sdk)


def test_connections_share_the_waiting_and_pages_grow() -> None:
    with tempfile.TemporaryDirectory() as name, simulator(CUSTOMERS) as hello:
        folder = Path(name)
        out, arguments = folder / "out.jsonl", prepare(folder, hello, concurrency=CONNECTIONS)
        control = control_of(hello)
        at_once = measured([*TAP, *arguments], out)
        control.clear_requests()
        set_latency(control, LATENCY)
        late = measured([*TAP, *arguments], out)
        calls = sum(control.counts().values())
        rows = rows_in(out)
    waited = late.seconds - at_once.seconds
    print(
        f"\n{rows:,} rows, {LATENCY:g} s an answer, {CONNECTIONS} connections: "
        f"{late.seconds:.2f} s, {calls} calls"
    )
    print(f"  {waited:.2f} s longer than without; one after the other would be {calls * LATENCY:.2f} s")
    assert SMOKE or waited <= MOST_SHARE_OF_THE_WAITING * calls * LATENCY
    # Each range asks for one page that is empty, and begins with smaller ones.
    assert calls <= rows / (2 * PAGE) + 4 * CONNECTIONS + 6


def test_memory_does_not_grow_with_the_rows() -> None:
    with tempfile.TemporaryDirectory() as name, simulator(200) as hello:
        folder, peaks = Path(name), []
        for rows in (FEW_ROWS, ROWS):
            with endless_kinetic(hello, rows) as url:
                out, arguments = folder / "out.jsonl", prepare(folder, {**hello, "base_url": url})
                runs = [measured([*TAP, *arguments], out) for _ in range(RUNS)]
            assert rows_in(out) == rows
            peaks.append(statistics.median(run.memory for run in runs))
            print(f"\n{rows:,} rows: {peaks[-1]:.1f} MiB, {min(run.cpu for run in runs):.2f} s of CPU")
    assert max(peaks) <= MOST_MEMORY_MIB
    assert SMOKE or peaks[1] - peaks[0] <= MOST_GROWTH_MIB
