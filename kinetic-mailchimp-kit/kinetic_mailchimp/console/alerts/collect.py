"""Collection of facts: from the audit trail and from the status of the webhooks."""

from __future__ import annotations

import os
import socket
from typing import Final

import msgspec
import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.storage.schema import dead_letters, run_counts, runs
from kinetic_mailchimp.audit.trail.administration import CORRECT, PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS, Action
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES
from kinetic_mailchimp.console.alerts.facts import DeadLettersFact, RunFact, WebhookFact

_MOST_RUNS: Final = 5_000
_OF_RUN: Final = ("id", "plugin", "pipeline", "status", "started_at", "active_at", "finished_at")
_FAILURES: Final = tuple(action.value for action in Action if action.is_failure)


def is_alive(host: str, process: int) -> bool | None:
    """Look for a process on this machine; None for one on another."""
    if os.name != "posix" or host != socket.gethostname():
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def collect_runs(trail: AuditTrail) -> tuple[RunFact, ...]:
    """Of each plugin and pipeline, the last run that succeeded and all after it, newest first.

    Dry runs are left out, unless they compare: a comparison writes nothing.
    """
    last_good = (
        sa.select(runs.c.plugin, runs.c.pipeline, sa.func.max(runs.c.id).label("id"))
        .where(_is_relevant(), runs.c.status == "succeeded")
        .group_by(runs.c.plugin, runs.c.pipeline)
        .subquery()
    )
    same_lane = (runs.c.plugin == last_good.c.plugin) & (runs.c.pipeline == last_good.c.pipeline)
    failures = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(run_counts.c.decisions), 0), sa.Integer))
        .where(run_counts.c.run_id == runs.c.id, run_counts.c.action.in_(_FAILURES))
        .scalar_subquery()
    )
    query = (
        sa.select(*(runs.c[name] for name in (*_OF_RUN, "host", "process")), failures.label("failures"))
        .outerjoin(last_good, same_lane)
        .where(_is_relevant(), runs.c.id >= sa.func.coalesce(last_good.c.id, 0))
        .order_by(runs.c.id.desc())
        .limit(_MOST_RUNS)
    )
    with trail.database.reading() as connection:
        found = connection.execute(query).all()
    return tuple(
        RunFact(**values, is_alive=is_alive(host, process) if values["status"] == "running" else None)
        for values in (row._asdict() for row in found)
        for host, process in [(values.pop("host"), values.pop("process"))]
    )


def _is_relevant() -> sa.ColumnElement[bool]:
    by_hand = (runs.c.plugin == PLUGIN) | (runs.c.pipeline == CORRECT)
    return ~by_hand & (runs.c.dry_run.is_(False) | (runs.c.pipeline == RECONCILE))


def collect_dead_letters(trail: AuditTrail) -> tuple[DeadLettersFact, ...]:
    """The dead letters that wait, by target."""
    opened, is_opt_out = dead_letters.c.opened_at, dead_letters.c.consent.in_(OPT_OUTS)
    query = (
        sa.select(
            dead_letters.c.plugin,
            sa.func.count().label("waiting"),
            sa.func.min(opened).label("oldest"),
            sa.func.count(sa.case((is_opt_out, 1))).label("opt_outs"),
            sa.func.min(sa.case((is_opt_out, opened))).label("oldest_opt_out"),
        )
        .where(dead_letters.c.state.in_(WAITING_STATES))
        .group_by(dead_letters.c.plugin)
        .order_by(dead_letters.c.plugin)
    )
    with trail.database.reading() as connection:
        rows = connection.execute(query).all()
        directions = read_directions(connection)
    return tuple(
        DeadLettersFact(**row._asdict(), destination=direction.destination if direction else None)
        for row in rows
        for direction in [directions.get(row.plugin)]
    )


class _WebhookStatus(msgspec.Struct):
    webhooks: list[WebhookFact]
    audiences_without_webhook: list[str]


def read_webhook_status(text: str) -> tuple[WebhookFact, ...] | None:
    """Read the output of `mailchimp-webhooks status --json`; None for anything else: that command failed."""
    try:
        status = msgspec.json.decode(text, type=_WebhookStatus)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    missing = (WebhookFact(list_id=one, verdict="missing") for one in status.audiences_without_webhook)
    return (*status.webhooks, *missing)
