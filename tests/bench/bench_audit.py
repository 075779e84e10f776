"""What it costs to record a decision, and how long a question takes in a trail of a million of them.

The floor of recording, measured in the same run: a bare executemany of the same rows into the same table,
with the same indexes and the same durability, by the driver alone. Run it with
`python tests/bench/bench_audit.py`.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.runs import latest_runs
from kinetic_mailchimp.audit.storage.database import PROFILE
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.kit.database.sqlite import prepare_sqlite
from sizing import SMOKE, size

RECORDED = size(100_000, 1_000)
TRAIL = size(1_000_000, 3_000, "BENCH_DECISIONS")
BATCH = 500
PEOPLE = 50_000
ROUNDS = size(30, 2)
MOST_TIMES_THE_FLOOR = 3.0
MOST_MS = 200.0


def make(number: int) -> Decision:
    person = number * 7919 % PEOPLE
    return Decision(
        stream="customer_contacts",
        action=Action.UPDATED if number % 10 else Action.UNCHANGED,
        reason="fields_differ",
        subject=f"person{person}@example.com",
        source_key=f"EPIC06/{person}//1",
        source_updated_on="2026-03-01T09:12:44Z",
        changes={"FNAME": ("Ada", "Eda"), "LNAME": ("Lovelace", "King")},
        targets="list 1a2b3c4d5e",
        http_status=200,
        request_id="0f1e2d3c-0000-4000-8000-000000000000",
        duration_ms=212.4,
        dead_letter={"email_address": f"person{person}@example.com"} if number % 5_000 == 0 else None,
    )


def record(trail: AuditTrail, total: int) -> float:
    """Seconds to record decisions that exist already, in batches as a target does."""
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0", pipeline="bench")
    seconds = 0.0
    for start in range(0, total, BATCH):
        made = [make(number) for number in range(start, start + BATCH)]
        begin = time.perf_counter()
        run.read(BATCH)
        run.record(made)
        seconds += time.perf_counter() - begin
    run.finish()
    return seconds


def floor(trail: AuditTrail, folder: Path) -> float:
    """Seconds for the driver alone to insert the rows of a trail once more."""
    with trail.database.reading() as connection:
        rows = [tuple(row) for row in connection.execute(sa.select(decisions))]
        created = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'decisions' AND sql > ''"
        )
        statements = list(created.scalars())
    marks = ", ".join("?" * len(decisions.columns))
    with closing(sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)) as bare:
        prepare_sqlite(bare, PROFILE.pragmas)
        for statement in statements:
            bare.execute(statement)
        begin = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(f"INSERT INTO decisions VALUES ({marks})", rows[start : start + BATCH])  # noqa: S608 - marks
            bare.execute("COMMIT")
        return time.perf_counter() - begin


def milliseconds(ask: Callable[[int], Iterable[object]]) -> float:
    """The median time of a question, asked about different things."""
    times = []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        list(ask(number * 131 % PEOPLE))
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def bench(total: int = TRAIL) -> tuple[float, dict[str, float]]:
    """The ratio to the floor, and the milliseconds of each question."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with AuditTrail.open(f"sqlite:///{folder}/small.sqlite3") as trail:
            ours = record(trail, RECORDED)
            bare = floor(trail, folder)
        print(f"record: {RECORDED / ours:,.0f} decisions per second; driver alone: {RECORDED / bare:,.0f}")
        print(f"ratio to the floor: {ours / bare:.2f} (at most {MOST_TIMES_THE_FLOOR})")
        with AuditTrail.open(f"sqlite:///{folder}/large.sqlite3") as trail:
            for _ in range(0, total, RECORDED):
                record(trail, RECORDED)
            questions: dict[str, Callable[[int], Iterable[object]]] = {
                "person": lambda n: entries(trail, EntryFilter(email=f"Person{n}@example.com")),
                "source key": lambda n: entries(trail, EntryFilter(source_key=f"EPIC06/{n}//1", limit=100)),
                "newest": lambda _: entries(trail, EntryFilter(newest_first=True, limit=100)),
                "newest of an action": lambda _: entries(
                    trail, EntryFilter(action="unchanged", newest_first=True, limit=100)
                ),
                "newest of a run": lambda _: entries(
                    trail, EntryFilter(run_id=3, newest_first=True, limit=100)
                ),
                "failures": lambda _: entries(trail, EntryFilter(waiting=True, limit=100)),
                "runs": lambda _: latest_runs(trail),
            }
            asked = {question: milliseconds(ask) for question, ask in questions.items()}
    for question, taken in asked.items():
        print(f"{question}: {taken:.1f} ms in a trail of {total:,} decisions (at most {MOST_MS:.0f})")
    return ours / bare, asked


def test_recording_stays_near_its_floor_and_questions_are_fast() -> None:
    ratio, asked = bench()
    assert SMOKE or ratio <= MOST_TIMES_THE_FLOOR
    assert SMOKE or max(asked.values()) <= MOST_MS


if __name__ == "__main__":
    measured, answers = bench()
    sys.exit(measured > MOST_TIMES_THE_FLOOR or max(answers.values()) > MOST_MS)
