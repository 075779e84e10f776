"""Differences that the last comparison of both systems found, counted by kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import decisions, runs
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.drift import RECONCILE

_MOST_RUNS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run that compared both systems.

    Args:
        status: As stored: `running`, `succeeded`, `failed` or `stopped`.
        finished_at: As stored; None while it runs or after it was killed.
        kinds: Kind of difference → number found.
    """

    run_id: int
    plugin: str
    status: str
    finished_at: str | None
    records_read: int
    kinds: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        """True if it came to its end: half a comparison does not show that both systems agree."""
        return self.status == "succeeded"

    def differences(self, accepted: Iterable[str] = ()) -> dict[str, int]:
        """Differences by kind, without the kinds that are accepted."""
        left_out = set(accepted)
        return {kind: count for kind, count in self.kinds.items() if kind not in left_out}

    def drift(self, accepted: Iterable[str] = ()) -> int:
        """The number of differences, without those of kinds that are accepted."""
        return sum(self.differences(accepted).values())


def last_comparisons(trail: AuditTrail) -> list[Comparison]:
    """The comparisons of the last job, and the last of each target that it left out."""
    query = sa.select(runs).where(runs.c.pipeline == RECONCILE).order_by(runs.c.id.desc()).limit(_MOST_RUNS)
    with trail.database.reading() as connection:
        newest_first = connection.execute(query).all()
        found = _of_last_job(newest_first)
        return [
            Comparison(
                run_id=run.id,
                plugin=run.plugin,
                status=run.status,
                finished_at=run.finished_at,
                records_read=run.records_read,
                kinds=_count_kinds(connection, run),
            )
            for run in found
        ]


def _count_kinds(connection: sa.Connection, run: Any) -> dict[str, int]:  # noqa: ANN401 (a row of `runs`)
    """Count the differences that a run found by kind, the most frequent first."""
    number = sa.func.count().label("number")
    query = (
        sa.select(decisions.c.reason, number)
        .where(
            # By action and time there is an index; of a run's decisions, few are differences.
            decisions.c.action == Action.DRIFTED.value,
            decisions.c.recorded_at >= run.started_at,
            decisions.c.recorded_at <= run.active_at,
            decisions.c.run_id == run.id,
            decisions.c.part_of.is_(None),
        )
        .group_by(decisions.c.reason)
        .order_by(number.desc(), decisions.c.reason)
    )
    return {reason: int(count) for reason, count in connection.execute(query)}


def _of_last_job(newest_first: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    plugins: set[str] = set()
    for run in newest_first:
        if run.correlation == newest_first[0].correlation or run.plugin not in plugins:
            found.append(run)
            plugins.add(run.plugin)
    return found[::-1]
