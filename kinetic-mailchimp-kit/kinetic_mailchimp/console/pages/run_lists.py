"""Runs with their counts, a page at a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.queries import RunView
from kinetic_mailchimp.audit.storage.schema import run_counts, runs
from kinetic_mailchimp.console.pages.stories import PAGE


def runs_before(
    connection: sa.Connection, *, plugin: str | None = None, start: int | None = None, most: int = PAGE
) -> list[RunView]:
    """Runs, newest first.

    Args:
        connection: In which transaction.
        plugin: Only those of one plugin.
        start: Only those with a smaller number.
        most: So many.
    """
    columns = [runs.c[field.name] for field in dataclasses.fields(RunView) if field.name != "counts"]
    names = ("id",) if plugin is None else ("started_at", "id")  # as the index has the runs of a plugin
    order = [runs.c[name] for name in names]
    query = sa.select(*columns).limit(most)
    if plugin is not None:
        query = query.where(runs.c.plugin == plugin)
    if start is not None:
        last = runs.alias("last")
        of_last = sa.select(*(last.c[name] for name in names)).where(last.c.id == start)
        query = query.where(sa.tuple_(*order) < of_last.scalar_subquery())
    return _with_counts(connection, query.order_by(*(column.desc() for column in order)))


def one_run(connection: sa.Connection, run_id: int) -> RunView | None:
    """A run by its number."""
    columns = [runs.c[field.name] for field in dataclasses.fields(RunView) if field.name != "counts"]
    return next(iter(_with_counts(connection, sa.select(*columns).where(runs.c.id == run_id))), None)


def _with_counts(connection: sa.Connection, query: sa.Select[Any]) -> list[RunView]:
    found = connection.execute(query).mappings().all()
    counted = connection.execute(
        sa.select(run_counts.c.run_id, run_counts.c.action, sa.func.sum(run_counts.c.decisions))
        .where(run_counts.c.run_id.in_([run["id"] for run in found]))
        .group_by(run_counts.c.run_id, run_counts.c.action)
    )
    counts: dict[int, dict[str, int]] = {}
    for run_id, action, decided in counted:
        counts.setdefault(run_id, {})[action] = int(decided)
    return [
        RunView(**{str(name): value for name, value in run.items()}, counts=counts.get(run["id"], {}))
        for run in found
    ]
