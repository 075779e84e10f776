"""Compares what a run is about to write with a plan that was approved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.integrity.verification import problems_of
from kinetic_mailchimp.audit.plans.plans import PlanState, decisions_about_plans, find_plan
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.storage.schema import beginning, decisions
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.kit.database.batches import in_batches
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

_NEW_PLAN: Final = "Make a new plan with `dry_run`, have it approved, and name it in `approved_plan`."
_PEOPLE_PER_QUERY: Final = 500
Step = tuple[str, str]
"""One thing that a plan does to a person: a field with its values before and after, or an action."""


class BeyondPlanError(ConnectorError):
    """A run would write what the approved plan does not have."""


class ApprovedPlan:
    """Everything that an approved plan may write, by person.

    Opened by `ApprovedPlan.require`.
    """

    def __init__(self, trail: AuditTrail, number: int) -> None:
        self._trail = trail
        self.number = number

    @classmethod
    def require(cls, trail: AuditTrail, number: int, *, plugin: str, valid_hours: int) -> ApprovedPlan:
        """The plan, if it may be written now.

        Args:
            trail: Where it is.
            number: The dry run that made it.
            plugin: The target that is about to write it.
            valid_hours: The age after which a plan may not be written any more.

        Raises:
            ConfigurationError: It may not; the message says why.
        """
        try:
            plan = find_plan(trail, number)
        except ConfigurationError as error:
            raise ConfigurationError(f"`approved_plan`: {error.message}", advice=error.advice) from error
        made_at = plan.run.finished_at or plan.run.active_at
        if plan.run.plugin != plugin:
            problem, advice = f"is one of {plan.run.plugin}", _NEW_PLAN
        elif plan.state is PlanState.WAITING:
            problem, advice = (
                "was approved by nobody",
                f"`sync-audit plan approve {number}` does it, or the page.",
            )
        elif plan.state is PlanState.SUPERSEDED:
            problem, advice = f"is superseded by plan {plan.newer}", f"Have plan {plan.newer} approved."
        elif plan.state is PlanState.REJECTED:
            problem, advice = f"was rejected ({plan.decided})", _NEW_PLAN
        elif trail.clock() - parse_timestamp(made_at) > timedelta(hours=valid_hours):
            problem, advice = f"is older than {valid_hours} hours (`plan_valid_hours`)", _NEW_PLAN
        elif changed := problems_of(trail, [number, *decisions_about_plans(trail, since=number)]):
            problem, advice = f"is not what it was ({changed[0]})", "`sync-audit verify` names all of it."
        else:
            return cls(trail, number)
        raise ConfigurationError(
            f"`approved_plan`: plan {number} {problem}. Nothing was written.", advice=advice
        )

    def beyond(self, wanted: Sequence[Decision]) -> dict[int, list[str]]:
        """Decisions that go beyond the plan, of those that a dry run would record: place → what differs."""
        people = [self._trail.person(decision.subject or "") for decision in wanted]
        planned = self._planned(people)
        found = {}
        for place, (decision, person) in enumerate(zip(wanted, people, strict=True)):
            changes = json.loads(to_json(decision.changes or {}))
            steps = set(
                _steps(decision.action, decision.reason, decision.targets, decision.former_subject, changes)
            )
            if more := steps - planned.get(person, set()):
                found[place] = sorted({name for name, _ in more})
        return found

    def _planned(self, people: Sequence[bytes]) -> dict[bytes, set[Step]]:
        planned: dict[bytes, set[Step]] = {}
        names = ("person", "action", "reason", "targets", "former_subject", "changes")
        with self._trail.database.reading() as connection:
            for some in in_batches(people, _PEOPLE_PER_QUERY):
                query = sa.select(*(decisions.c[name] for name in names)).where(
                    beginning(decisions.c.person).in_([beginning(person) for person in some]),
                    # As an expression: the index of people is the short way.
                    decisions.c.run_id + 0 == self.number,
                )
                for person, action, reason, targets, former, changes in connection.execute(query):
                    steps = _steps(Action(action), reason, targets, former, json.loads(changes or "{}"))
                    planned.setdefault(person, set()).update(steps)
        return planned


def _steps(
    action: Action, reason: str, targets: str | None, former: str | None, changes: Mapping[str, Any]
) -> Iterator[Step]:
    """Everything that a decision does to its person.

    Two runs may cut the same records into other batches: rows of one person that came in one write may come
    in two. So steps are compared, and not whole writes.
    """
    kind = {
        Action.CREATED: reason,
        Action.ARCHIVED: "",
        Action.MOVED: email_key(former or ""),
    }.get(action)
    if kind is not None:
        yield action.value, f"{targets} {kind}"
    for name, values in changes.items():
        yield name, f"{targets} {json.dumps(values, sort_keys=True)}"
