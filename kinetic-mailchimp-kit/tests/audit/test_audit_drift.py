"""What the last comparison found: counted, listed, and judged by the exit status."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import RECONCILE, Action, AuditTrail, Decision, Drift
from kinetic_mailchimp.audit.reading.reports.comparisons import last_comparisons
from kinetic_mailchimp.audit.storage.schema import runs
from kinetic_mailchimp.console.cli import main

FORWARD, REVERSE = "target-mailchimp", "target-epicor-contacts"
Make = Callable[..., Decision]


@pytest.fixture
def compare(trail: AuditTrail, decision: Make, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Record a comparison that found differences of these kinds."""

    def record(plugin: str, kinds: Mapping[Drift, int], *, job: str = "", status: Any = "succeeded") -> int:
        if job:
            monkeypatch.setenv("SYNC_AUDIT_CORRELATION", job)
        else:
            monkeypatch.delenv("SYNC_AUDIT_CORRELATION", raising=False)
        clock.advance(hours=1)
        run = trail.start_run(plugin=plugin, version="1", pipeline=RECONCILE, dry_run=True)
        part = decision(action=Action.DRIFTED, reason="fields_differ")
        made = [
            decision(number, Action.DRIFTED, reason=kind.value, parts=[part])
            for kind, count in kinds.items()
            for number in range(count)
        ]
        made.append(decision(action=Action.UNCHANGED))
        run.read(len(made))
        run.record(made)
        run.finish(status)
        return run.id

    return record


@pytest.fixture
def drift(trail: AuditTrail, url: str) -> Callable[..., Result]:
    def run(*arguments: str, **environment: str) -> Result:
        runner = CliRunner(env={"COLUMNS": "120", **environment})
        return runner.invoke(main, ["--database", url, "drift", *arguments])

    return run


def test_differences_are_counted_by_kind(compare: Any, drift: Callable[..., Result]) -> None:
    compare(FORWARD, {Drift.MEMBER_MISSING: 3, Drift.ROW_GONE: 1})
    compare(REVERSE, {Drift.OPT_OUT_UNKNOWN_TO_EPICOR: 2})
    outcome = drift()
    assert outcome.exit_code == 1
    lines = [" ".join(line.split()) for line in outcome.output.splitlines()]
    assert "target-mailchimp run 1, 2026-03-01 10:30:00 UTC: 5 records compared" in lines
    assert f"3 member_missing {Drift.MEMBER_MISSING.sentence}" in lines
    assert f"1 row_gone {Drift.ROW_GONE.sentence}" in lines
    assert "target-epicor-contacts run 2, 2026-03-01 11:30:00 UTC: 3 records compared" in lines
    assert "6 differences; the limit is 0." in lines


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        ((), {}, 1),
        (("--limit", "2"), {}, 1),
        (("--limit", "3"), {}, 0),
        ((), {"AUDIT_ALERT_DRIFT": "3"}, 0),
        (("--accept", "member_missing"), {}, 1),
        (("--accept", "member_missing", "--accept", "row_gone"), {}, 0),
        ((), {"AUDIT_DRIFT_ACCEPT": "member_missing row_gone"}, 0),
        (("--accept", "bad_weather"), {}, 2),
    ],
)
def test_the_exit_status_says_whether_it_is_too_much(
    compare: Any,
    drift: Callable[..., Result],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    status: int,
) -> None:
    compare(FORWARD, {Drift.MEMBER_MISSING: 2, Drift.ROW_GONE: 1})
    assert drift(*arguments, **environment).exit_code == status


def test_a_narrow_terminal_keeps_sentences_in_their_column(
    compare: Any, drift: Callable[..., Result]
) -> None:
    compare(FORWARD, {Drift.MEMBER_ARCHIVED: 1, Drift.ROW_GONE: 1})
    lines = drift("--accept", "row_gone", COLUMNS="80").output.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:9].strip() for line in lines[1:-2]] == ["1", "", "1", ""]
    assert lines[-3].rstrip().endswith("Accepted.")


def test_both_sides_alike(compare: Any, drift: Callable[..., Result]) -> None:
    compare(FORWARD, {})
    outcome = drift()
    assert outcome.exit_code == 0
    assert "0 differences" in outcome.output


def test_every_difference_is_listed(compare: Any, drift: Callable[..., Result]) -> None:
    compare(FORWARD, {Drift.MEMBER_MISSING: 1})
    compare(REVERSE, {Drift.OPT_OUT_UNKNOWN_TO_EPICOR: 1})
    rows = list(csv.DictReader(io.StringIO(drift("--format", "csv").output)))
    wholes = [row for row in rows if not row["part_of"]]
    assert Counter(row["reason"] for row in wholes) == {"member_missing": 1, "opt_out_unknown_to_epicor": 1}
    assert {row["subject"] for row in wholes} == {"person0@example.com"}
    found = [json.loads(line) for line in drift("--format", "json").output.splitlines()]
    assert len(found) == len(rows) == 4


def test_the_last_comparison_counts_and_ordinary_runs_do_not(
    trail: AuditTrail, compare: Any, decision: Make, drift: Callable[..., Result]
) -> None:
    compare(FORWARD, {Drift.ROW_GONE: 9})
    newest = compare(FORWARD, {Drift.ROW_GONE: 1})
    ordinary = trail.start_run(plugin=FORWARD, version="1", pipeline="forward")
    ordinary.read(1)
    ordinary.record([decision(action=Action.FAILED)])
    ordinary.finish("failed")
    assert [(found.run_id, found.kinds) for found in last_comparisons(trail)] == [(newest, {"row_gone": 1})]


def test_all_comparisons_of_one_job_count(trail: AuditTrail, compare: Any) -> None:
    compare(REVERSE, {Drift.OPT_OUT_UNKNOWN_TO_EPICOR: 4}, job="yesterday")
    compare(FORWARD, {Drift.ROW_GONE: 5}, job="yesterday")
    compare(FORWARD, {Drift.ROW_GONE: 1}, job="today")
    compare(FORWARD, {Drift.ROW_GONE: 2}, job="today")
    found = last_comparisons(trail)
    assert [(comparison.plugin, comparison.drift()) for comparison in found] == [
        (REVERSE, 4),
        (FORWARD, 1),
        (FORWARD, 2),
    ]


def test_nothing_compared_is_no_agreement(drift: Callable[..., Result]) -> None:
    outcome = drift()
    assert outcome.exit_code == 3
    assert "meltano run reconcile" in outcome.output


@pytest.mark.parametrize("status", ["failed", "stopped", "running"])
def test_a_part_that_was_compared_is_no_agreement(
    trail: AuditTrail, compare: Any, drift: Callable[..., Result], status: str
) -> None:
    number = compare(FORWARD, {}, status="failed" if status == "running" else status)
    if status == "running":
        with trail.database.writing() as connection:
            connection.execute(sa.update(runs).values(status="running", finished_at=None))
    outcome = drift()
    assert outcome.exit_code == 3
    assert f"sync-audit run {number}" in outcome.output


def test_every_kind_says_what_it_means() -> None:
    assert all(kind.sentence.endswith(".") for kind in Drift)
