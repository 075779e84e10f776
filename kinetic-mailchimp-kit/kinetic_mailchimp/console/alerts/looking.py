"""Reads from the audit trail what the alerts look at."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import dead_letters, run_counts, runs
from kinetic_mailchimp.audit.trail.administration import PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS, Action
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.audit.trail.run import WAITING_STATES
from kinetic_mailchimp.console.alerts.facts import LettersFact, RunFact

_MOST_RUNS: Final = 5_000
_FAILURES: Final = tuple(action.value for action in Action if action.is_failure)

IsAlive = Callable[[str, int], "bool | None"]
"""Whether the process with a number is there on a host; None where that cannot be known."""


def is_alive(host: str, process: int) -> bool | None:
    """Ask this machine's system for a process."""
    if os.name != "posix" or host != socket.gethostname():
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def look_at_runs(trail: AuditTrail, alive: IsAlive = is_alive) -> tuple[RunFact, ...]:
    """Of each plugin and pipeline, the last run that succeeded and all after it, newest first.

    Dry runs are left out, unless they compare: a comparison writes nothing.
    """
    last_good = (
        sa.select(runs.c.plugin, runs.c.pipeline, sa.func.max(runs.c.id).label("id"))
        .where(_counts(), runs.c.status == "succeeded")
        .group_by(runs.c.plugin, runs.c.pipeline)
        .subquery()
    )
    same_lane = (runs.c.plugin == last_good.c.plugin) & (runs.c.pipeline == last_good.c.pipeline)
    failures = (
        sa.select(sa.func.coalesce(sa.func.sum(run_counts.c.decisions), 0))
        .where(run_counts.c.run_id == runs.c.id, run_counts.c.action.in_(_FAILURES))
        .scalar_subquery()
    )
    query = (
        sa.select(runs, failures.label("failures"))
        .outerjoin(last_good, same_lane)
        .where(_counts(), runs.c.id >= sa.func.coalesce(last_good.c.id, 0))
        .order_by(runs.c.id.desc())
        .limit(_MOST_RUNS)
    )
    with trail.database.reading() as connection:
        found = connection.execute(query).all()
    return tuple(_run(row, alive) for row in found)


def _counts() -> sa.ColumnElement[bool]:
    return (runs.c.plugin != PLUGIN) & (runs.c.dry_run.is_(False) | (runs.c.pipeline == RECONCILE))


def _run(row: Any, alive: IsAlive) -> RunFact:  # noqa: ANN401 - a row of two queries in one
    return RunFact(
        id=row.id,
        plugin=row.plugin,
        pipeline=row.pipeline,
        status=row.status,
        started_at=row.started_at,
        active_at=row.active_at,
        finished_at=row.finished_at,
        is_alive=alive(row.host, row.process) if row.status == "running" else None,
        failures=int(row.failures),
    )


def look_at_letters(trail: AuditTrail) -> tuple[LettersFact, ...]:
    """The dead letters that wait, by target."""
    opened, tells = dead_letters.c.opened_at, dead_letters.c.consent.in_(OPT_OUTS)
    query = (
        sa.select(
            dead_letters.c.plugin,
            sa.func.count().label("waiting"),
            sa.func.min(opened).label("oldest"),
            sa.func.count(sa.case((tells, 1))).label("opt_outs"),
            sa.func.min(sa.case((tells, opened))).label("oldest_opt_out"),
        )
        .where(dead_letters.c.state.in_(WAITING_STATES))
        .group_by(dead_letters.c.plugin)
        .order_by(dead_letters.c.plugin)
    )
    with trail.database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(LettersFact(**{str(name): value for name, value in row.items()}) for row in rows)
