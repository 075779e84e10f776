"""Several writers, and writers that die: what is stored is complete, and nothing is half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.reading.runs import find_run, latest_runs
from kinetic_mailchimp.audit.storage.schema import decisions, ledger_entries

Make = Callable[..., Decision]
PROCESSES = 4
BATCHES = 12

WRITER = """
import sys
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
url, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
with AuditTrail.open(url) as trail:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0", pipeline=name)
    for batch in range(batches):
        run.read(20)
        people = [f"p{n}@example.com" for n in range(20)]
        made = [
            Decision(stream="customers", action=Action.UPDATED, reason="fields_differ", subject=who)
            for who in people
        ]
        run.record(made, ledger={"members": {who: {"by": name} for who in people}})
        print(batch, flush=True)
    print(run.finish(), flush=True)
"""


def start(url: str, name: str, batches: int = BATCHES) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, str(batches)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_open_one_new_database_at_once_all_write(url: str) -> None:
    writers = [start(url, f"writer-{number}") for number in range(PROCESSES)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    with AuditTrail.open(url) as trail:
        found = latest_runs(trail)
        assert Counter(run.status for run in found) == {"succeeded": PROCESSES}
        assert {run.records_read for run in found} == {20 * BATCHES}
        assert trail.ledger("members").count() == 20
        outcome = verify(trail)
    assert outcome.problems == ()
    assert outcome.entries == PROCESSES * 20 * BATCHES


def test_threads_share_a_run(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    together = threading.Barrier(4)

    def write(number: int) -> None:
        together.wait()
        for batch in range(5):
            run.read(3)
            run.record([decision(number * 100 + batch * 10 + n) for n in range(3)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert run.finish().undecided == 0
    assert verify(trail).problems == ()
    assert run.counts == {Action.UPDATED: 60}


@pytest.mark.parametrize("after", [0, 1, 3, 7])
def test_a_killed_writer_leaves_whole_batches(url: str, after: int) -> None:
    writer = start(url, "killed", batches=100_000)
    assert writer.stdout is not None
    while int(writer.stdout.readline()) < after:
        pass
    os.kill(writer.pid, signal.SIGKILL)
    answered = [int(line) for line in writer.stdout.read().split()] or [after]
    writer.communicate(timeout=60)
    with AuditTrail.open(url) as trail:
        with trail.database.reading() as connection:
            stored = connection.execute(sa.select(sa.func.count()).select_from(decisions)).scalar_one()
            in_ledger = connection.execute(
                sa.select(sa.func.count()).select_from(ledger_entries)
            ).scalar_one()
        (run,) = latest_runs(trail)
        outcome = verify(trail)
    assert stored % 20 == 0
    assert stored >= 20 * (max(answered) + 1)
    assert (run.status, run.records_read, run.counts) == ("running", stored, {"updated": stored})
    assert in_ledger == 20
    assert outcome.problems == ()


outcomes = st.lists(
    st.lists(
        st.tuples(st.sampled_from(sorted(Action)), st.integers(0, 3), st.booleans()),
        max_size=8,
    ),
    max_size=6,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=outcomes)
def test_counts_equal_the_records_read_in_any_mixture(
    sqlite_trail: AuditTrail, decision: Make, batches: list[list[tuple[Action, int, bool]]]
) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    expected: Counter[str] = Counter()
    for batch in batches:
        run.read(len(batch))
        run.record(
            [
                decision(
                    number,
                    action,
                    stream="any",
                    parts=[decision(number)] * parts,
                    dead_letter={"n": number} if has_letter else None,
                )
                for number, (action, parts, has_letter) in enumerate(batch)
            ]
        )
        expected.update(action.value for action, _, _ in batch)
    summary = run.finish()
    with sqlite_trail.database.reading() as connection:
        stored = find_run(connection, run.id)
    assert stored
    assert summary.status == stored.status == "succeeded"
    assert stored.counts == dict(expected)
    assert stored.records_read == summary.read == summary.decided == expected.total()
    failures = sum(expected[action.value] for action in (Action.FAILED, Action.QUARANTINED))
    assert sum(count for action, count in summary.counts.items() if action.is_failure) == failures
    assert run.exceeds(failures - 1, None) is True
    assert run.exceeds(failures, None) is False
