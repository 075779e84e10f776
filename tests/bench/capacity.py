"""Computes the tables of docs/scale.md from what `make bench` measured.

    .venv/bin/python tests/bench/capacity.py [--write] [FILE]

FILE is the JSON that BENCH_JSON named; without one, the numbers that are kept beside this program.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured.json"
PAGE = HERE.parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- model -->", "<!-- /model -->"
DAY = 86_400
YEAR_DAYS = 365
WHOLE = 100
"""From here on, a number is shown without decimals."""

ASSUMED = {
    "rounds_a_day": (96, "rounds of `forward`, and as many of `reverse`: every 15 minutes"),
    "alerts_a_day": (24, "runs of `alert`: every hour"),
    "changed_share": (0.01, "customers that change in a day"),
    "events_share": (0.002, "customers about whom an event arrives in a day"),
    "events_per_run": (3, "events that a run of the sensor takes"),
    "batch_seconds": (2.0, "until Mailchimp answers a batch of 500 members"),
    "connections": (5, "connections to Mailchimp that one run has: half of the account's ten"),
    "page_seconds": (1.5, "until Epicor answers a page of 500 rows"),
    "write_seconds": (0.4, "until Epicor answers a call of the way back"),
    "epicor_connections": (2, "connections to Epicor that one run has"),
    "busy_processes": (2, "processes of a run of `forward` that are busy at once"),
    "receivers": (2, "receivers of a tenant"),
    "sensor_seconds": (5, "between two questions of the sensor to a tenant's receiver"),
    "dagster_mib": (1024, "MiB of Dagster's daemon and its web server"),
    "used_share": (0.6, "of a core that is planned for"),
    "machine_cores": (8, "cores of a machine"),
    "machine_gib": (32, "GiB of memory of a machine"),
    "machine_dollars": (250, "dollars a month for such a machine; an eighth of one at least"),
    "gib_dollars": (0.15, "dollars a month for a GiB of the database, with its copy"),
    "launches_a_second": (1.5, "runs that one daemon of Dagster starts in a second"),
}
"""What was not measured here: name → value and what it means."""

FLEETS = [(1, 5_000), (200, 5_000), (10_000, 5_000), (1, 1_000_000), (1, 10_000_000)]
"""Tenants, and customers of each."""


@dataclass(frozen=True)
class Answer:
    """What a fleet needs."""

    tenants: int
    customers: int
    cores: float
    memory_gib: float
    database_gib: float
    first_load_seconds: float
    way_back_seconds: float
    binds: str
    round_seconds: float
    launches: float

    @property
    def machines(self) -> int:
        """Machines for the cores, or for the memory."""
        cores, memory = self.cores / assumed("machine_cores"), self.memory_gib / assumed("machine_gib")
        return max(1, -int(-max(cores, memory) // 1))

    @property
    def dollars(self) -> float:
        """A month of machines and database."""
        share = (
            min(1.0, max(0.125, self.cores / assumed("machine_cores")))
            if self.machines == 1
            else self.machines
        )
        return share * assumed("machine_dollars") + self.database_gib * assumed("gib_dollars")


def assumed(name: str) -> float:
    """A number that was not measured."""
    return ASSUMED[name][0]


def answer(measured: Mapping[str, Mapping[str, float]], tenants: int, customers: int) -> Answer:
    """The needs of a fleet.

    Args:
        measured: What `make bench` kept.
        tenants: How many.
        customers: Of each.
    """
    forward, reverse = measured["forward"], measured["reverse"]
    receiver, dagster = measured["receiver"], measured["orchestrator"]
    thousands = customers / 1000
    rounds, events = assumed("rounds_a_day"), customers * assumed("events_share")
    reverse_runs = rounds + events / assumed("events_per_run")
    reverse_runs = min(reverse_runs, DAY / 30)  # one at a time
    run_cpu = (
        dagster["run_cpu_seconds"] + measured["alert"]["cpu_seconds"]
    )  # `sync-audit` counts what it decided
    loads = forward["per_1000_customers_cpu_seconds"] * thousands
    cpu = (
        rounds * (forward["idle_cpu_seconds"] + run_cpu)
        + reverse_runs * (reverse["start_cpu_seconds"] + run_cpu)
        + assumed("alerts_a_day") * (measured["alert"]["cpu_seconds"] + dagster["run_cpu_seconds"])
        + loads * (assumed("changed_share") + 1)  # and all of them, every night, to compare
        + events / 1000 * (reverse["per_1000_events_cpu_seconds"] + receiver["per_1000_events_cpu_seconds"])
        + DAY / assumed("sensor_seconds") / 1000 * receiver["per_1000_questions_cpu_seconds"]
    )
    runs = tenants * (rounds + reverse_runs + assumed("alerts_a_day") + 1)
    cores = tenants * cpu / DAY / assumed("used_share")
    round_seconds = forward["idle_cpu_seconds"] + run_cpu
    answers = forward["idle_epicor_calls"] * assumed("page_seconds") / assumed(
        "epicor_connections"
    ) + forward["idle_mailchimp_calls"] * assumed("batch_seconds") / assumed("connections")
    at_once = max(1.0, runs / DAY * (round_seconds + answers))
    run_mib = max(forward["peak_mib"], reverse["peak_mib"]) + dagster["run_peak_mib"]
    receivers_mib = tenants * assumed("receivers") * receiver["idle_mib"]
    memory = at_once * run_mib + receivers_mib + assumed("dagster_mib")
    decisions = customers + YEAR_DAYS * customers * assumed("changed_share")
    stored = decisions / 1000 * forward["per_1000_customers_audit_bytes"] + YEAR_DAYS * events / 1000 * (
        reverse["per_1000_events_audit_bytes"] + receiver["per_1000_events_inbox_bytes"]
    )
    waits = {
        "CPU": loads / assumed("busy_processes"),
        "Mailchimp": thousands
        * forward["per_1000_customers_mailchimp_calls"]
        * assumed("batch_seconds")
        / assumed("connections"),
        "Epicor": thousands
        * forward["per_1000_customers_epicor_calls"]
        * assumed("page_seconds")
        / assumed("epicor_connections"),
    }
    back = max(
        reverse["per_1000_events_cpu_seconds"],
        reverse["per_1000_events_epicor_calls"] * assumed("write_seconds") / assumed("epicor_connections"),
    )
    binds = max(waits, key=lambda name: waits[name])
    return Answer(
        tenants=tenants,
        customers=customers,
        cores=cores,
        memory_gib=memory / 1024,
        database_gib=tenants * stored / 2**30,
        first_load_seconds=forward["start_cpu_seconds"] + waits[binds],
        way_back_seconds=back,
        binds=binds,
        round_seconds=round_seconds,
        launches=runs / DAY,
    )


def count(number: int, thing: str) -> str:
    """A number of things in words."""
    return f"{number:,} {thing}{'s' if number != 1 else ''}"


def duration(seconds: float) -> str:
    """Seconds in words."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def tables(measured: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """The lines between the marks of the page."""
    yield from (
        "",
        "| Fleet | Cores | Machines | Memory | Database after a year | A month |",
        "|:--|--:|--:|--:|--:|--:|",
    )
    answers = [answer(measured, *fleet) for fleet in FLEETS]
    for one in answers:
        name = f"{count(one.tenants, 'tenant')} of {one.customers:,} customers"
        yield (
            f"| {name} | {one.cores:,.2f} | {one.machines:,} | {one.memory_gib:,.1f} GiB | "
            f"{one.database_gib:,.1f} GiB | {one.dollars:,.0f} $ |"
        )
    yield from ("", "| Customers of a tenant | First load | What bounds it |", "|--:|--:|:--|")
    for customers in sorted({one.customers for one in answers}):
        one = next(found for found in answers if found.customers == customers)
        yield f"| {customers:,} | {duration(one.first_load_seconds)} | {one.binds} |"
    yield from (
        "",
        f"A round without changes takes {duration(answers[0].round_seconds)} of a core, and 1,000 opt-outs",
        f"that arrive at once are in Epicor after {duration(answers[0].way_back_seconds)}.",
    )
    daemon = assumed("launches_a_second")
    yield from ("", "| Fleet | Runs started in a second, on average | Daemons |", "|:--|--:|--:|")
    for one in answers[:3]:
        daemons = max(1, -int(-one.launches // daemon))
        yield f"| {count(one.tenants, 'tenant')} | {one.launches:,.2f} | {daemons:,} |"
    yield from ("", "### Measured", "", "| | | |", "|:--|:--|--:|")
    for name, numbers in sorted(measured.items()):
        for quantity, number in sorted(numbers.items()):
            shown = f"{number:,.0f}" if number >= WHOLE else f"{number:,.2f}"
            yield f"| {name} | {quantity.replace('_', ' ')} | {shown} |"
    yield from ("", "### Assumed", "", "| | |", "|--:|:--|")
    for value, meaning in ASSUMED.values():
        yield f"| {value:,} | {meaning} |"
    yield ""


def page_with_tables(measured: Mapping[str, Mapping[str, float]]) -> str:
    """The page, with its tables computed again."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n" + "\n".join(tables(measured)) + f"\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Print the tables, or write them into the page and keep the numbers."""
    write = "--write" in arguments
    files = [Path(argument) for argument in arguments if argument != "--write"]
    file = files[0] if files else MEASURED
    try:
        measured = json.loads(file.read_text(encoding="utf-8"))
        page, printed = page_with_tables(measured), "\n".join(tables(measured))
    except (OSError, ValueError, LookupError, TypeError) as error:
        sys.exit(f"{file} is not what `BENCH_JSON=FILE make bench` writes: {type(error).__name__}: {error}")
    if write:
        MEASURED.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(printed)


if __name__ == "__main__":
    main(sys.argv[1:])
