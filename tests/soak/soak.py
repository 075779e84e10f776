"""`make soak`: both directions under load and faults; nothing may grow, and both sides agree at the end."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import processes as programs
from load import Load, contacts
from pipelines import FORWARD, REVERSE
from rich import box
from rich.console import Console
from rich.table import Table
from series import Series
from stage import ROOT, Stage, set_stage

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
CUSTOMERS = int(os.environ.get("SOAK_CUSTOMERS", "200"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
FOLDER = ROOT / "data" / "soak"
ACTS_PER_SECOND = float(os.environ.get("SOAK_ACTS_PER_SECOND", "1"))
FAULT_SECONDS, SAMPLE_SECONDS, FORWARD_SECONDS = 15.0, 2.0, 20.0
PROBE_SECONDS = 5.0
WAIT_SECONDS = 120.0
MIB = 1024 * 1024

console = Console(highlight=False)


@dataclass(frozen=True)
class Limit:
    """How much may be more at the end than after the first third: noise, and what caches still take.

    Attributes:
        share: Of the median.
        fixed: Beside that.
    """

    share: float
    fixed: float

    def allows(self, series: Series) -> bool:
        """Tell whether a series is flat."""
        settled = series.settled()
        return settled.growth() <= self.share * settled.middle + self.fixed


MEMORY = Limit(0.1, 4 * MIB)
FILES = Limit(0.0, 3.0)
LATENCY = Limit(1.0, 0.5)


@dataclass
class Soak:
    """The processes and what is measured of them.

    Attributes:
        stage: Where they run.
        load: What happens meanwhile.
        probe: An address of which nobody else hears: leaving and returning take so long to reach Epicor.
        memory: Bytes, by process.
        files: Open files, by process.
        latency: Seconds, by what is waited for.
        failures: What went wrong.
        runs: The number of forward runs by exit status of the target.
    """

    stage: Stage
    load: Load
    probe: str
    memory: dict[str, Series] = field(default_factory=dict)
    files: dict[str, Series] = field(default_factory=dict)
    latency: dict[str, Series] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    runs: dict[int, int] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def sample(self, processes: Mapping[str, int]) -> None:
        """Measure processes once."""
        at = time.monotonic() - self.begun
        for name, pid in processes.items():
            folder = Path("/proc") / str(pid)
            try:
                pages = int((folder / "statm").read_text().split()[1])
                open_files = sum(1 for _ in (folder / "fd").iterdir())
            except OSError:
                self.failures.append(f"{name} has ended.")
                continue
            self.memory.setdefault(name, Series()).add(at, pages * os.sysconf("SC_PAGE_SIZE"))
            self.files.setdefault(name, Series()).add(at, open_files)

    def measure(self, name: str, act: Callable[[], object], is_done: Callable[[], bool]) -> None:
        """Measure how long it takes until an act has its effect."""
        begun = time.monotonic()
        act()
        while not is_done():
            if time.monotonic() - begun > WAIT_SECONDS:
                self.failures.append(f"{name}: nothing after {WAIT_SECONDS:g} s.")
                break
            time.sleep(0.1)
        took = time.monotonic() - begun
        self.latency.setdefault(name, Series()).add(begun - self.begun, took)

    def probe_once(self, number: int) -> None:
        """Let the probe leave or return, and wait for Epicor to know."""
        leaves = number % 2 == 0
        action, name = ("unsubscribe", "opt-out to flag") if leaves else ("subscribe", "return to no flag")
        self.measure(
            name,
            lambda: self.stage.person(action, self.probe),
            lambda: all(row["NoContact"] == leaves for row in contacts(self.stage)[self.probe]),
        )

    def forward(self) -> None:
        """One run of the forward pipeline."""
        begun = time.monotonic()
        statuses = programs.start(self.stage, FORWARD).wait()
        status = max(statuses.values())
        self.runs[status] = self.runs.get(status, 0) + 1
        if not status:
            took = time.monotonic() - begun
            self.latency.setdefault("forward run", Series()).add(begun - self.begun, took)


@contextmanager
def repeated(stop: threading.Event, seconds: float, act: Callable[[int], object]) -> Iterator[None]:
    """Do something again and again in a thread, for the length of a `with` block.

    Args:
        stop: Ends it as well.
        seconds: The pause between.
        act: Takes the number of times before.
    """

    def work() -> None:
        number = 0
        while not stop.wait(seconds):
            act(number)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def disagreements(stage: Stage) -> list[str]:
    """The kinds of people about whom both sides do not say the same."""
    members = stage.members()
    found = []
    for address, rows in contacts(stage).items():
        member = members.get(address)
        if member is None:
            continue
        if member["status"] in {"unsubscribed", "cleaned"} and not all(row["NoContact"] for row in rows):
            found.append("unsubscribed without a flag")
        shown = (member["merge_fields"]["FNAME"], member["merge_fields"]["LNAME"])
        told = {(row["FirstName"], row["LastName"]) for row in rows if not row["Inactive"]}
        if len(told) == 1 and shown not in told:
            found.append("another name")
    found += ["consent was raised" for _ in stage.mailchimp_control("GET", "/raises")]
    return found


def main() -> int:
    """Soak, and print what was measured; 0 if all of it is flat and right."""
    console.print(f"\n[bold]Soak[/]: {MINUTES:g} minutes, {CUSTOMERS} customers, seed {SEED}\n")
    with set_stage(FOLDER, customers=CUSTOMERS, seed=SEED) as stage:
        return _soak(stage)


def _soak(stage: Stage) -> int:
    programs.start(stage, FORWARD).wait()
    members = stage.members()
    people = sorted(
        address
        for address, rows in contacts(stage).items()
        if address in members and members[address]["status"] == "subscribed" and len(rows) == 1
    )
    probe = people.pop()
    soak = Soak(stage, Load(stage, people, random.Random(SEED)), probe)
    # A return that is told as `profile` waits for the next forward run: see docs/consent.md.
    stage.mailchimp_control("PUT", "/switches", json={"resubscribe_fires": "subscribe"})
    reverse = programs.start(stage, REVERSE, follow=True, catch_up_interval=30)
    try:
        processes = {"receiver": stage._processes[-1].pid}
        processes |= {name: process.pid for name, process in reverse.processes.items()}
        stop = threading.Event()
        # The first two wait for the pipeline to be there.
        for number in range(2):
            soak.probe_once(number)
        soak.latency.clear()
        with (
            repeated(stop, 1 / ACTS_PER_SECOND, lambda _: soak.load.act()),
            repeated(stop, FAULT_SECONDS, lambda _: soak.load.break_something()),
            repeated(stop, SAMPLE_SECONDS, lambda _: soak.sample(processes)),
            repeated(stop, PROBE_SECONDS, soak.probe_once),
            repeated(stop, FORWARD_SECONDS, lambda _: soak.forward()),
        ):
            stop.wait(MINUTES * 60)
        soak.load.heal()
        stage.mailchimp_control("POST", "/webhooks/flush", params={"hurry": "true"})
        reverse.processes[REVERSE.tap.name].terminate()
        statuses = reverse.wait()
    finally:
        reverse.kill()
    if any(statuses.values()):
        soak.failures.append(f"The reverse pipeline ended with {statuses}.")
    for _ in range(2):
        for pipeline in (REVERSE, FORWARD):
            ended = programs.start(stage, pipeline).wait()
            if any(ended.values()):
                soak.failures.append(f"The last {pipeline.name} run ended with {ended}.")
    soak.failures += disagreements(stage)
    stage.run("sync-audit", "verify", log="verify")
    return report(soak)


def report(soak: Soak) -> int:
    """Print the table; the exit status."""
    table = Table(
        "", "", "median", "largest", "growth", "", title="Flat?", box=box.SIMPLE_HEAD, title_justify="left"
    )
    wrong = list(soak.failures)
    for title, measured, limit, unit, divisor in (
        ("memory", soak.memory, MEMORY, "MiB", MIB),
        ("open files", soak.files, FILES, "", 1),
        ("latency", soak.latency, LATENCY, "s", 1),
    ):
        for name, series in measured.items():
            settled = series.settled()
            is_flat = limit.allows(series)
            if not is_flat:
                wrong.append(f"{name}: {title} grows.")
            values = [settled.middle / divisor, settled.worst / divisor, settled.growth() / divisor]
            shown = [f"{value:,.1f} {unit}" for value in values]
            table.add_row(title, name, *shown, "[green]flat[/]" if is_flat else "[red]grows[/]")
    console.print(table)
    acts = ", ".join(f"{name} {count}" for name, count in sorted(soak.load.counts.items()))
    console.print(f"{acts}. Forward runs by exit status: {soak.runs}.\n")
    for text in sorted(set(wrong)):
        console.print(f"  [red]✗[/] {text} ({wrong.count(text)} times)")
    console.print(
        "[red]Not all is well.[/]" if wrong else "[green]All of it is flat, and both sides agree.[/]"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
