"""Meltano and the mapper under faults of the table, in `meltano run forward`.

Each takes as long as two runs: the usual tests have one of each process, `FAULTS=all` (`make faults`) all.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matrix
import pytest
from forked import USUAL, Conditions
from matrix import Outcome, outcomes
from stage import PROGRAMS, ROOT, Stage, borrow_plugins, set_stage
from test_pipelines import listed

SLOW = {"match": {"path": "CustCnts"}, "effect": {"kind": "latency", "seconds": 4}}
SMALL = 30_000
USUAL_CELLS = {(matrix.MAPPER, matrix.SIGKILL), (matrix.MELTANO, matrix.SIGKILL)}

pytestmark = pytest.mark.rule("R3")


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    borrow_plugins(tmp_path / "plugins")
    with set_stage(tmp_path / "stage", customers=30, plugins=tmp_path / "plugins", receiver=False) as running:
        yield running


@dataclass
class Run:
    """A run of Meltano, and what it says."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def mapper(self) -> int:
        """The process of the mapper."""
        (pid,) = (
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and self._is_mapper(process)
        )
        return pid

    def _is_mapper(self, process: Path) -> bool:
        with contextlib.suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            command = (process / "cmdline").read_text()
            return int(parent) == self.process.pid and "meltano-map-transform" in command
        return False


def start(stage: Stage, log: str, conditions: Conditions = USUAL, *options: str) -> Run:
    file = stage.folder / f"{log}.log"
    with file.open("w") as output:
        process = subprocess.Popen(
            [str(PROGRAMS / "meltano"), "--environment=dev", "run", "--no-install", *options, "forward"],
            cwd=ROOT,
            env=stage.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=conditions.apply,  # noqa: PLW1509 (no other thread of this process holds a lock)
        )
    return Run(process, file)


def while_it_reads(act: Callable[[Stage, Run], object], stage: Stage) -> Run:
    stage.epicor_control("PUT", "/faults", json=[SLOW])
    run = start(stage, "broken")
    while not any("CustCnts" in request["path"] for request in stage.epicor_control("GET", "/requests")):
        assert run.process.poll() is None, run.log
        time.sleep(0.1)
    act(stage, run)
    run.process.wait()
    stage.epicor_control("PUT", "/faults", json=[])
    return run


def kill_mapper(signum: signal.Signals, _: Stage, run: Run) -> None:
    os.kill(run.mapper, signum)


def kill_meltano(signum: signal.Signals, _: Stage, run: Run) -> None:
    run.process.send_signal(signum)


def fill_disk(_: Stage, run: Run) -> None:
    most = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (SMALL, most))


def database(stage: Stage) -> Path:
    return stage.folder / "meltano.sqlite3"


def replace(stage: Stage, _: Run) -> None:
    copy = stage.folder / "copy.sqlite3"
    shutil.copy(database(stage), copy)
    copy.rename(database(stage))


def with_database(stage: Stage) -> None:
    stage.meltano("state", "list", log="states")


def lock(stage: Stage) -> Run:
    with_database(stage)
    with contextlib.closing(sqlite3.connect(database(stage), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run = start(stage, "broken")
        run.process.wait()
    return run


def take_right_to_write(stage: Stage) -> Run:
    with_database(stage)
    database(stage).chmod(0o400)
    run = start(stage, "broken", Conditions(obeys_modes=True))
    run.process.wait()
    database(stage).chmod(0o600)
    return run


MELTANO_CAUSES: Mapping[str, Callable[[Stage], Run]] = {
    matrix.SIGTERM: partial(while_it_reads, partial(kill_meltano, signal.SIGTERM)),
    matrix.SIGKILL: partial(while_it_reads, partial(kill_meltano, signal.SIGKILL)),
    matrix.FULL: partial(while_it_reads, fill_disk),
    matrix.LOCKED: lock,
    matrix.DELETED: partial(while_it_reads, lambda stage, _: database(stage).unlink()),
    matrix.READ_ONLY: take_right_to_write,
    matrix.REPLACED: partial(while_it_reads, replace),
}
MAPPER_CAUSES: Mapping[str, Callable[[Stage], Run]] = {
    matrix.SIGTERM: partial(while_it_reads, partial(kill_mapper, signal.SIGTERM)),
    matrix.SIGKILL: partial(while_it_reads, partial(kill_mapper, signal.SIGKILL)),
}
CELLS: list[Any] = [
    pytest.param(causes[fault], outcome, id=f"{process}: {fault}")
    for process, causes in ((matrix.MELTANO, MELTANO_CAUSES), (matrix.MAPPER, MAPPER_CAUSES))
    for fault, outcome in outcomes(process)
    if os.environ.get("FAULTS") == "all" or (process, fault) in USUAL_CELLS
]


@pytest.mark.parametrize(("cause", "outcome"), CELLS)
def test_the_outcome_is_that_of_the_table(
    stage: Stage, cause: Callable[[Stage], Run], outcome: Outcome
) -> None:
    run = cause(stage)

    assert outcome.is_told(run.log), run.log
    assert run.process.returncode == outcome.exit, run.log
    # After SIGKILL, Meltano takes the run for one that goes on, unless it is told otherwise.
    again = start(stage, "again", USUAL, "--force")
    assert again.process.wait() == 0, again.log
    assert stage.members().keys() == listed(stage).keys()
