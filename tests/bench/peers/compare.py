"""Compares with what else one could use, in one run: `make bench-peers`.

`PEERS_CUSTOMERS` (60,000), `PEERS_EDITED` (12,000), `PEERS_MEMBERS` (10,000) and `PEERS_DELIVERIES` (5,000)
set the sizes. With `--write`, the table goes into docs/performance.md.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import extraction
import loading
import receiving
from environments import NotInstalledError, peers

PAGE = Path(__file__).parents[3] / "docs" / "performance.md"
BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
LATENCIES = [0.0, 0.15]
LEAST_CPU_OF_ANY = 1.5
LEAST_CPU_OF_A_SINGER_TAP = 4.0
"""CPU seconds of a peer for each of ours: what holds on a machine that does other things too."""


def _size(variable: str, default: int) -> int:
    return int(os.environ.get(variable) or default)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown, its numbers to the right."""
    lines = [f"| {' | '.join(head)} |", f"|:--{'|--:' * (len(head) - 1)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def extraction_tables(folder: Path, missing: dict[str, str]) -> list[str]:
    lines: list[str] = []
    found = extraction.speed(folder, _size("PEERS_CUSTOMERS", 60_000), LATENCIES, missing)
    for latency, reads in found.items():
        peers_of = [read for read in reads if not read.name.startswith(extraction.OURS)]
        best = min((read.run.seconds for read in peers_of), default=0.0)
        lines += [f"Reading {reads[0].rows:,} rows of 17 columns, {latency * 1000:.0f} ms a page:", ""]
        head = ("reader", "seconds", "CPU seconds", "MiB", "calls", "best peer ÷ this")
        lines += table(
            head,
            (
                (
                    read.name,
                    f"{read.run.seconds:.1f}",
                    f"{read.run.cpu:.1f}",
                    f"{read.run.memory:.0f}",
                    str(read.calls),
                    f"{best / read.run.seconds:.1f}",
                )
                for read in reads
            ),
        )
        ours = max(read.run.cpu for read in reads if read.name.startswith(extraction.OURS))
        for read in reads:
            if not read.name.startswith(extraction.OURS):
                is_singer = read.name == "tap-rest-api-msdk"
                least = LEAST_CPU_OF_A_SINGER_TAP if is_singer else LEAST_CPU_OF_ANY
                assert read.run.cpu / ours >= least, (read, ours)
    return lines


def loss_table(folder: Path, missing: dict[str, str]) -> list[str]:
    size = _size("PEERS_EDITED", 12_000)
    read = extraction.losses(folder, size, of_read=True, missing=missing)
    any_row = extraction.losses(folder, size, of_read=False, missing=missing)
    assert read[0].never == read[0].stale == any_row[0].never == any_row[0].stale == 0
    head = ("reader", "rows read already: never", "stale", "any row: never", "stale")
    rows = (
        (one.name, f"{one.never:.0f}", f"{one.stale:.0f}", f"{other.never:.0f}", f"{other.stale:.0f}")
        for one, other in zip(read, any_row, strict=True)
    )
    return [
        "Rows lost for good, per 10,000: one is edited after each page of 100, then a second run follows:",
        "",
        *table(head, rows),
    ]


def loading_table(folder: Path, missing: dict[str, str]) -> list[str]:
    found = loading.load(folder, _size("PEERS_MEMBERS", 10_000), 100, missing)
    head = ("loader", "members", "seconds", "members/s", "calls", "connections at most")
    rows = (
        (
            one.name,
            f"{one.members:,}",
            f"{one.seconds:.1f}",
            f"{one.members / one.seconds:,.0f}",
            str(one.calls),
            str(one.most_connections),
        )
        for one in found
    )
    return ["Loading new members, 200 ms and 2 ms a member for each call:", "", *table(head, rows)]


def receiving_table(folder: Path, missing: dict[str, str]) -> list[str]:
    try:
        found = receiving.receive(folder, _size("PEERS_DELIVERIES", 5_000))
    except NotInstalledError as error:
        missing["fastapi"] = str(error)
        return []
    head = ("receiver", "durable deliveries/s", f"p99 at {receiving.RATE}/s, ms")
    rows = ((one.name, f"{one.per_second:,.0f}", f"{one.p99:.1f}") for one in found)
    return ["Receiving webhooks:", "", *table(head, rows)]


def main() -> None:
    missing: dict[str, str] = {}
    versions = ", ".join(f"`{package}`" for peer in peers().values() for package in peer["packages"])
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, simulators on the same ones"
    lines = [f"{machine}; {versions}.", ""]
    for part in (extraction_tables, loss_table, loading_table, receiving_table):
        with tempfile.TemporaryDirectory() as name:
            made = part(Path(name), missing)
        print("\n".join(made), flush=True)
        lines += made
    for peer, reason in missing.items():
        lines.append(f"Not compared: {peer} ({reason}).")
    print("\n".join(lines[:1] + lines[len(lines) - len(missing) :]))
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
