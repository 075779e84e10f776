"""Both targets under every fault of the table."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import matrix
import pytest
from forked import USUAL, Conditions
from kinetic_mailchimp.audit import AuditTrail
from matrix import Outcome, outcomes
from targets import RECORDS, Run, TargetBench, ToEpicor, ToMailchimp

HALF = RECORDS // 2
FIRST_WRITES = 3
TWO_HOURS = 7_200
BINDING_MODES = Conditions(obeys_modes=True)
SMALL = 60_000
"""Bytes of a file that cannot grow: fewer than the audit database has."""

pytestmark = [pytest.mark.rule("R3"), pytest.mark.rule("R10")]

Cause = Callable[[TargetBench], Run]


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> TargetBench:
    if request.param == matrix.TO_MAILCHIMP:
        return ToMailchimp(tmp_path, mailchimp=request.getfixturevalue("start_mailchimp")())
    return ToEpicor(tmp_path, epicor=request.getfixturevalue("start_epicor")(customers=40))


def end_by_signal(signum: signal.Signals, bench: TargetBench) -> Run:
    bench.faults({"match": {"method": bench.writes_by}, "effect": {"kind": "latency", "seconds": 0.2}})
    with bench.started() as run:
        run.feed(bench.lines())
        bench.wait_for_writes(FIRST_WRITES)
        os.kill(run.pid, signum)
        run.end()
    return run


def in_mid_run(
    act: Callable[[TargetBench], object], bench: TargetBench, conditions: Conditions = USUAL
) -> Run:
    with bench.started(conditions) as run:
        run.feed(bench.lines(last=HALF))
        bench.wait_for_writes(1)
        act(bench)
        run.feed(bench.lines(HALF))
        run.end()
    return run


def fill_disk(bench: TargetBench) -> None:
    resource.prlimit(bench.runs[-1].pid, resource.RLIMIT_FSIZE, (SMALL, SMALL))


def replace_database(bench: TargetBench) -> None:
    copy = bench.folder / "copy.sqlite3"
    shutil.copy(bench.database, copy)
    copy.rename(bench.database)


def lock(bench: TargetBench) -> Run:
    with bench.started() as run:
        run.feed(bench.lines(last=HALF))
        bench.wait_for_writes(1)
        other = sqlite3.connect(bench.database, isolation_level=None, timeout=60)
        try:
            other.execute("BEGIN IMMEDIATE")
            run.feed(bench.lines(HALF))
            run.end()
        finally:
            other.close()
    return run


def take_right_to_write(bench: TargetBench) -> Run:
    AuditTrail.open(f"sqlite:///{bench.database}").close()
    bench.database.chmod(0o400)
    run = bench.run(conditions=BINDING_MODES)
    bench.database.chmod(0o600)
    return run


def reset(bench: TargetBench, *, is_applied: bool) -> Run:
    effect = {"kind": "reset", "applied": is_applied}
    bench.faults({"match": {"method": bench.writes_by, "nth": 2}, "effect": effect})
    return bench.run()


def storm(bench: TargetBench) -> Run:
    # It is over in ten minutes, as the answers say: nobody waits so long.
    effect = {"kind": "status", "status": 503, "retry_after": 600}
    return in_mid_run(lambda bench: bench.faults({"effect": effect}), bench)


def jump(bench: TargetBench) -> Run:
    return in_mid_run(
        lambda bench: os.kill(bench.runs[-1].pid, signal.SIGUSR1), bench, Conditions(clock_off_by=TWO_HOURS)
    )


CAUSES: Mapping[str, Cause] = {
    matrix.SIGTERM: partial(end_by_signal, signal.SIGTERM),
    matrix.SIGKILL: partial(end_by_signal, signal.SIGKILL),
    matrix.FULL: partial(in_mid_run, fill_disk),
    matrix.LOCKED: lock,
    matrix.DELETED: partial(in_mid_run, lambda bench: bench.database.unlink()),
    matrix.READ_ONLY: take_right_to_write,
    matrix.REPLACED: partial(in_mid_run, replace_database),
    matrix.RESET_BEFORE: partial(reset, is_applied=False),
    matrix.RESET_AFTER: partial(reset, is_applied=True),
    matrix.STORM: storm,
    matrix.REVOKED: partial(in_mid_run, lambda bench: bench.revoke(is_revoked=True)),
    matrix.CLOCK: jump,
}
STATES: Mapping[str, Callable[[int, set[int]], bool]] = {
    matrix.LAST: lambda read, _: read == RECORDS,
    matrix.WRITTEN: lambda read, written: read < RECORDS and set(range(read)) <= written,
    matrix.STAYS: lambda read, _: read == 0,
}


@pytest.mark.parametrize(
    ("bench", "fault", "outcome"),
    [
        pytest.param(name, *cell, id=f"{name}: {cell[0]}")
        for name in (matrix.TO_MAILCHIMP, matrix.TO_EPICOR)
        for cell in outcomes(name)
    ],
    indirect=["bench"],
)
def test_the_outcome_is_that_of_the_table(bench: TargetBench, fault: str, outcome: Outcome) -> None:
    run = CAUSES[fault](bench)

    assert outcome.is_told(run.log), run.log
    assert run.status == outcome.exit, run.log
    assert STATES[outcome.state](run.last_state, bench.written())
    assert bench.is_complete() == (outcome.data == matrix.COMPLETE)
    if outcome.exit:
        assert bench.status_of_run() != "succeeded"

    bench.faults()
    bench.revoke(is_revoked=False)
    again = bench.run(run.last_state)
    assert again.status == 0, again.log
    assert bench.is_complete()
