"""Conditions of runs: those that failed, that are overdue, and that only Meltano knows as failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kinetic_mailchimp.audit.reading.formatting import age_of, format_age, format_time
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.console.alerts.facts import AlertCondition, Facts, RunFact
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp


def failed_runs(facts: Facts, limits: AlertSettings, now: datetime) -> Iterator[AlertCondition]:
    """Runs that failed or were killed, after the last good one of their series."""
    silent_since = format_timestamp(now - limits.inactive)
    for series, runs in facts.series.items():
        last_good = next((run.id for run in runs if run.status == "succeeded"), 0)
        bad = [run for run in runs if run.id > last_good and _needs_person(run, silent_since)]
        if not bad:
            continue
        newest, first = bad[0], bad[-1]
        outcome = (
            "failed"
            if newest.status == "failed"
            else f"was killed: it wrote last at {format_time(newest.active_at)} UTC"
        )
        repeated = f" It is number {len(bad)} in a row." if len(bad) > 1 else ""
        yield AlertCondition(
            scope=series,
            what=f"Run {newest.id} of {series} {outcome}.{repeated}",
            since=first.finished_at or first.active_at,
            advice=f"`sync-audit run {newest.id}` tells how far it came and why it ended. Start the pipeline "
            "again: it goes on where the state is, and what is written already is recognised.",
        )


def _needs_person(run: RunFact, silent_since: str) -> bool:
    if run.status == "running":
        # One that follows may be idle for hours; where its process can be seen, it is asked for.
        return run.active_at < silent_since and not run.is_alive
    return run.status == "failed"


def overdue_runs(facts: Facts, limits: AlertSettings, now: datetime) -> Iterator[AlertCondition]:
    """Targets of which no run has succeeded for too long: a tap in front that fails starts none."""
    latest = format_timestamp(now - limits.overdue)
    silent_since = format_timestamp(now - limits.inactive)
    for plugin in sorted({run.plugin for run in facts.runs}):
        runs = [run for run in facts.runs if run.plugin == plugin and run.pipeline != RECONCILE]
        good = max((run.finished_at or "" for run in runs if run.status == "succeeded"), default="")
        is_at_work = any(run.status == "running" and not _needs_person(run, silent_since) for run in runs)
        if not good or good > latest or is_at_work:
            continue
        yield AlertCondition(
            scope=plugin,
            what=f"No run of {plugin} has succeeded for {age_of(good, now)}; the limit is "
            f"{format_age(limits.overdue)}.",
            since=good,
            advice="See that its schedule, or the tap that follows, still runs, and start the pipeline by "
            "hand: a tap that cannot log in says so there. `connector-doctor` looks at all of it.",
        )


def failed_jobs(facts: Facts, _limits: AlertSettings, _now: datetime) -> list[AlertCondition] | None:
    """Jobs that Meltano has as failed, although the target, which got half of the records, ended well."""
    if facts.jobs is None:
        return None
    return [
        AlertCondition(
            scope=job.name,
            what=f"The last `meltano run` of {job.name} failed: a tap, a mapper or a target of it broke.",
            since=job.ended_at,
            advice="Its target may have ended well with a part of the records. "
            f"{f'Run `{job.command}`' if job.command else 'Run these plugins'} by hand: the last line names "
            "the cause. The next good run reads the rest.",
        )
        for job in facts.jobs
        if job.is_failed
    ]
