"""Lists plans with their state, and records who approved or rejected one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.runs import RunView, find_run
from kinetic_mailchimp.audit.storage.schema import decisions, runs
from kinetic_mailchimp.audit.trail.administration import PLUGIN, PREVIEW, administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.direction import EPICOR
from kinetic_mailchimp.audit.trail.drift import RECONCILE
from kinetic_mailchimp.audit.trail.notes import EntryNote
from kinetic_mailchimp.kit.errors import ConfigurationError

_PIPELINE: Final = "plan"
_ENDED_WELL: Final = "succeeded"
_SEE_PLANS: Final = "`sync-audit plan list` shows those that there are."


class PlanState(StrEnum):
    """The stage that a plan has reached."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Plan:
    """A dry run that was read to its end.

    Attributes:
        note: Names its newest entry: an approval holds for exactly the entries up to it.
        decided_at: When it was approved or rejected; None while nobody has.
        decided: By whom and why.
        newer: The newer plan of the same pipeline that takes its place; None where there is none.
    """

    run: RunView
    note: EntryNote
    state: PlanState
    decided_at: str | None = None
    decided: str | None = None
    newer: int | None = None


def list_plans(trail: AuditTrail, *, limit: int = 20) -> list[Plan]:
    """The newest plans, newest first."""
    query = sa.select(runs.c.id).where(*_IS_PLAN).order_by(runs.c.id.desc()).limit(limit)
    with trail.database.reading() as connection:
        found = [find_run(connection, number) for number in connection.execute(query).scalars().all()]
        return [_read(connection, run) for run in filter(None, found)]


def find_plan(trail: AuditTrail, number: int) -> Plan:
    """The plan that a dry run made.

    Raises:
        ConfigurationError: The run does not exist, or is none.
    """
    with trail.database.reading() as connection:
        run = find_run(connection, number)
        is_plan = sa.select(runs.c.id).where(*_IS_PLAN, runs.c.id == number)
        if run is None or connection.execute(is_plan).first() is None:
            raise ConfigurationError(
                f"Run {number} cannot be a plan: one is a run into Mailchimp with `dry_run` that was read to "
                "its end.",
                advice=_SEE_PLANS,
            )
        return _read(connection, run)


def decide(trail: AuditTrail, plan: Plan, *, approved: bool, decided_by: str, because: str = "") -> int:
    """Approve or reject a plan. An approval can be taken back by a rejection, and not the other way round.

    Args:
        trail: Where it is.
        plan: As it was shown.
        approved: Whether it may be written.
        decided_by: The person who decides.
        because: The reason, in words. It is never erased, so it must name nobody.

    Returns:
        The administrative run that proves it.

    Raises:
        ConfigurationError: The plan does not wait for a decision.
    """
    open_states = {PlanState.WAITING} if approved else {PlanState.WAITING, PlanState.APPROVED}
    if plan.state not in open_states:
        raise ConfigurationError(f"Plan {plan.run.id} is {plan.state} already.", advice=_SEE_PLANS)
    action = Action.APPROVED if approved else Action.REJECTED
    words = f"{action.capitalize()} by {decided_by}"
    with administrative_run(trail, _PIPELINE) as run:
        run.read()
        run.record(
            [
                Decision(
                    stream="trail",
                    action=action,
                    reason="by_hand",
                    detail=f"{words}: {because}" if because else f"{words}.",
                    targets=f"plan {plan.run.id}",
                    refers_to=str(plan.note),
                )
            ]
        )
    return run.id


def decisions_about_plans(trail: AuditTrail, *, since: int) -> list[int]:
    """The administrative runs that approved or rejected plans, after a run."""
    query = sa.select(runs.c.id).where(
        runs.c.id > since, runs.c.plugin == PLUGIN, runs.c.pipeline == _PIPELINE
    )
    with trail.database.reading() as connection:
        return list(connection.execute(query).scalars())


_IS_PLAN: Final = (
    runs.c.dry_run,
    runs.c.status == _ENDED_WELL,
    runs.c.plugin != PLUGIN,
    runs.c.pipeline.not_in([RECONCILE, PREVIEW]),
    runs.c.destination_system.is_distinct_from(EPICOR),  # no setting writes a plan there
)


def _read(connection: sa.Connection, run: RunView) -> Plan:
    head = connection.execute(sa.select(runs.c.head).where(runs.c.id == run.id)).scalar_one()
    note = EntryNote(run.id, run.entries, head)
    decided = connection.execute(
        sa.select(decisions.c.action, decisions.c.detail, decisions.c.recorded_at)
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(
            decisions.c.action.in_([Action.APPROVED.value, Action.REJECTED.value]),
            decisions.c.refers_to == str(note),
            runs.c.plugin == PLUGIN,
        )
        # A rejection stays, also one that came while the plan was being approved.
        .order_by(decisions.c.action.desc(), decisions.c.run_id.desc())
        .limit(1)
    ).first()
    newer = connection.execute(
        sa.select(sa.func.min(runs.c.id)).where(
            *_IS_PLAN, runs.c.id > run.id, runs.c.plugin == run.plugin, runs.c.pipeline == run.pipeline
        )
    ).scalar()
    state = PlanState(decided.action) if decided else PlanState.WAITING
    if newer is not None and state is not PlanState.REJECTED:
        state = PlanState.SUPERSEDED
    at, words = (decided.recorded_at, decided.detail) if decided else (None, None)
    return Plan(run, note, state, at, words, newer)
