"""`meltano run forward` as a whole: a first load, and runs after which nothing changed.

`BENCH_CUSTOMERS` sets the size (default 50,000, which have 58,000 contacts). All processes share the
machine's cores with both simulators, so what each computes is told beside the time that passes. The floor is
a `meltano run` of two bare plugins of the SDK and the same mapper with nothing to do (`meltano_floor.py`),
and in a first load the mapper, which works on the same records in the same run.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from measured import Usage, measured, measuring
from meltano_floor import Cost, cost_of, floor_cost
from sizing import SMOKE, size

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from stage import PROGRAMS, ROOT, Stage, set_stage

CUSTOMERS = size(50_000, 100, "BENCH_CUSTOMERS")
PLUGINS = {
    "tap-epicor-kinetic": ("extractors", "tap-epicor-kinetic"),
    "meltano-map-transform": ("mappers", "meltano-map-transform"),
    "target-mailchimp": ("loaders", "target-mailchimp"),
}
MOST_OF_THE_MAPPER = 3.0
"""Computing of the target in a first load, as a multiple of the mapper's on the same records."""
MOST_OF_THE_FLOOR = 1.6
"""Computing of a run in which nothing changed, as a multiple of an empty run's; the aim is 1.3."""


def borrow_measured(folder: Path, log: Path) -> None:
    """Let `meltano run --no-install` start the programs of this environment, and measure each."""
    for program, (kind, name) in PLUGINS.items():
        programs = folder / kind / name / "venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(sys.executable)
        script = programs / program
        command = " ".join(f"'{part}'" for part in measuring(log, program, PROGRAMS / program))
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)


def forward(stage: Stage, log: Path) -> tuple[Cost, list[Usage]]:
    """Run the pipeline: what all of it took, and each plugin."""
    command = [str(PROGRAMS / "meltano"), "--environment=dev", "run", "--no-install", "forward"]
    whole = cost_of(command, stage.folder, cwd=ROOT, env=stage.environment)
    return whole, measured(log)


def show(name: str, whole: Cost, plugins: list[Usage], records: int = 0) -> dict[str, float]:
    """Print a run, and hand back what each plugin computed."""
    of = dict.fromkeys(PLUGINS, 0.0)
    for usage in plugins:
        of[usage.name] += usage.cpu
    shown = {"meltano": whole.cpu - sum(of.values()), **of}
    most = max(usage.mib for usage in plugins if usage.name == "target-mailchimp")
    per = f", {records:,} records, {records / whole.wall:,.0f}/s" if records else ""
    print(f"  {name:16} {whole.wall:6.1f} s, {whole.cpu:5.1f} s of CPU{per}; the target held {most:.0f} MiB")
    for program, seconds in shown.items():
        cost = f"  {seconds * 1000 / records:6.3f} s per 1,000 records" if records else ""
        print(f"      {program:22} {seconds:6.2f} s of CPU{cost}")
    return of


def records_read(stage: Stage) -> int:
    with closing(sqlite3.connect(stage.folder / "audit.sqlite3")) as database:
        (count,) = database.execute("SELECT records_read FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return int(count)


@pytest.mark.timeout(3600)
def test_forward(tmp_path: Path) -> None:
    log, plugins = tmp_path / "usage.jsonl", tmp_path / "plugins"
    borrow_measured(plugins, log)
    floor = floor_cost(tmp_path / "floor")
    with set_stage(tmp_path / "stage", customers=CUSTOMERS, receiver=False, plugins=plugins) as stage:
        print(f"\nmeltano run forward, {CUSTOMERS:,} customers and their contacts, 0 ms")
        print(f"  {'empty run':16} {floor.wall:6.1f} s, {floor.cpu:5.1f} s of CPU")
        first, of = forward(stage, log)
        read = records_read(stage)
        first_of = show("first load", first, of, read)
        again, of = forward(stage, log)
        show("the next run", again, of)
        unchanged, of = forward(stage, log)
        show("nothing changed", unchanged, of)
        left = records_read(stage)
    print(
        f"  nothing changed, against the empty run: {unchanged.wall / floor.wall:.2f} of its time,"
        f" {unchanged.cpu / floor.cpu:.2f} of its CPU (the aim is 1.3)"
    )
    share = first_of["target-mailchimp"] / first_of["meltano-map-transform"]
    print(f"  first load, the target against the mapper: {share:.2f} of its CPU")
    assert read > CUSTOMERS
    assert left < read / 10
    assert SMOKE or share <= MOST_OF_THE_MAPPER
    assert SMOKE or unchanged.cpu <= MOST_OF_THE_FLOOR * floor.cpu
