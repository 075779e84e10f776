"""The Epicor simulator must never be the bottleneck of the benchmarks that stand on it.

Every time is told as a ratio to a floor measured in the same run: the same bytes, answered by an application
that does nothing. Run it with `python tests/bench/bench_simulators_epicor.py`.
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

CUSTOMERS = size(100_000, 600)
PAGE, ROUNDS = size(1000, 20), size(15, 3)
MOST_MEMORY_MIB = 1024
MOST_TIMES_THE_FLOOR = 50
COMMAND = [sys.executable, "-c", "from simulators.epicor.cli import main; main()", "--port", "0"]
SELECTED = "Company,CustNum,CustID,Name,EMailAddress,Inactive,NoContact,SysRevID,UpdatedOn"


@contextlib.contextmanager
def simulator(customers: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """A simulator in a process of its own: its greeting and its process id."""
    command = [*COMMAND, "--customers", str(customers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process.pid
        finally:
            process.terminate()


def median_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def floor_ms(answer: bytes) -> float:
    """The time of an exchange of the same size with an application that does nothing."""

    async def echo(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    app = Starlette(routes=[Route("/", echo, methods=["GET"])])
    with serve_in_thread(lambda _: (app, {})) as served, requests.Session() as session:
        return median_ms(lambda: session.get(f"{served.url}/").content)


class Reader:
    """Walks a set by keyset, a page at each call."""

    def __init__(
        self, session: requests.Session, url: str, cursor: str, keys: list[str], select: str
    ) -> None:
        self._session = session
        self._url = url
        self._columns = [cursor, *keys]
        self._options = {"$top": str(PAGE), "$orderby": ",".join(self._columns)}
        if select:
            self._options["$select"] = select
        self._last: Mapping[str, Any] | None = None

    def next_page(self) -> bytes:
        options = {**self._options, **({"$filter": self._after(self._last)} if self._last else {})}
        response = self._session.get(self._url, params=options)
        assert response.status_code == 200, response.text
        rows = json.loads(response.content)["value"]
        assert len(rows) == PAGE
        self._last = rows[-1]
        return response.content

    def _after(self, row: Mapping[str, Any]) -> str:
        parts, equal = [], ""
        for column in self._columns:
            value = row[column]
            literal = f"'{value}'" if column == "ShipToNum" else value
            parts.append(f"({equal}{column} gt {literal})")
            equal += f"{column} eq {literal} and "
        return " or ".join(parts)


def bench_simulators_epicor() -> list[tuple[str, float, float]]:
    """Measure, and say for each act its milliseconds and those of its floor."""
    started = time.perf_counter()
    with simulator(CUSTOMERS) as (hello, pid), requests.Session() as session:
        start_up = time.perf_counter() - started
        session.headers.update({"x-api-key": hello["api_key"], "Accept": "application/json"})
        session.auth = (hello["username"], hello["password"])
        url = f"{hello['base_url']}/api/v2/odata/{hello['companies'][0]}"
        customers = f"{url}/Erp.BO.CustomerSvc/Customers"
        contacts = f"{url}/Erp.BO.CustCntSvc/CustCnts"
        contact_keys = ["CustNum", "ShipToNum", "ConNum"]
        patched = f"{customers}(Company='{hello['companies'][0]}',CustNum=77)"
        acts: Mapping[str, Callable[[], bytes]] = {
            "customers, UpdatedOn": Reader(session, customers, "UpdatedOn", ["CustNum"], "").next_page,
            "customers, SysRevID": Reader(session, customers, "SysRevID", ["CustNum"], "").next_page,
            "customers, 9 columns": Reader(session, customers, "UpdatedOn", ["CustNum"], SELECTED).next_page,
            "contacts, UpdatedOn": Reader(session, contacts, "UpdatedOn", contact_keys, "").next_page,
            "one row patched": lambda: session.patch(patched, json={"City": "Elsewhere"}).content,
        }
        rows = []
        for name, act in acts.items():
            answer = act()
            rows.append((name, median_ms(act), floor_ms(answer)))
        memory = peak_mib(pid)
    print(
        f"\nEpicor simulator, {CUSTOMERS:,} customers: up in {start_up:.0f} s, peak memory {memory:.0f} MiB"
    )
    print(f"  (pages of {PAGE:,} rows; times include the client's reading of the JSON)")
    for name, spent, floor in rows:
        print(f"  {name:<22} {spent:8.1f} ms   {spent / floor:6.1f} x the floor of {floor:.1f} ms")
    assert memory < MOST_MEMORY_MIB
    return rows


def test_simulators_epicor() -> None:
    rows = bench_simulators_epicor()
    assert SMOKE or all(spent < floor * MOST_TIMES_THE_FLOOR for _, spent, floor in rows)


if __name__ == "__main__":
    bench_simulators_epicor()
