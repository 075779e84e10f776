"""The metrics of the trail: for those who are logged in, and for a text file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.console.cli import main
from prometheus_client.parser import text_string_to_metric_families

DECISIONS = [
    Decision(stream="events", action=Action.FLAGGED, reason="opt_out", consent="unsubscribed"),
    Decision(stream="events", action=Action.FAILED, reason="x", consent="unsubscribed", dead_letter={"a": 1}),
    Decision(stream="events", action=Action.FAILED, reason="x", dead_letter={"a": 2}),
]
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TARGET, PIPELINE = "target-epicor-contacts", 'prod:"tap"'


def record(trail: AuditTrail, **run: Any) -> None:
    started = trail.start_run(plugin=TARGET, version="1", pipeline=PIPELINE, **run)
    started.read(len(DECISIONS))
    started.record(DECISIONS)
    started.finish()


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_numbers_of_the_trail_are_read_by_prometheus(
    logged_in: Callable[..., Any], open_pages: Callable[..., Any], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'audit.sqlite3'}"
    with AuditTrail.open(url) as trail:
        record(trail)
        record(trail)
        record(trail, dry_run=True)
        answer = logged_in(trail).get("/metrics")
        assert open_pages(trail).get("/metrics", allow_redirects=False).status_code == 303
    found = samples(answer.text)
    assert found["sync_audit_runs_total", TARGET, PIPELINE, "succeeded"] == 2
    assert found["sync_audit_records_read_total", TARGET, PIPELINE] == 6
    assert found["sync_audit_decisions_total", TARGET, "failed"] == 4
    assert found["sync_audit_last_success_timestamp_seconds", TARGET, PIPELINE] > AT.timestamp()
    assert found["sync_audit_dead_letters_waiting", TARGET] >= 2
    assert found["sync_audit_opt_outs_waiting", TARGET] >= 1
    assert found[("sync_audit_handovers_waiting",)] == 0
    printed = CliRunner().invoke(main, ["--database", url, "metrics"])
    assert samples(printed.output) == found
