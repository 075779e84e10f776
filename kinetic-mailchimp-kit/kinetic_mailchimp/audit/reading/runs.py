"""Runs of the trail with their counts, and the direction of each plugin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import decisions, run_counts, runs
from kinetic_mailchimp.audit.trail.administration import CORRECT, PLUGIN, PREVIEW
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.direction import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run and its counts by action.

    Attributes:
        streams: Stream → action → decisions; None where they were not asked for.
    """

    id: int
    plugin: str
    version: str
    pipeline: str
    correlation: str
    dry_run: bool
    started_at: str
    active_at: str
    finished_at: str | None
    status: str
    error: str | None
    records_read: int
    entries: int
    pruned_entries: int
    counts: dict[str, int]
    streams: dict[str, dict[str, int]] | None = None


_COLUMNS: Final = tuple(
    runs.c[name] for name in RunView.__dataclass_fields__ if name not in {"counts", "streams"}
)


def latest_runs(trail: AuditTrail, *, limit: int = 20, plugin: str | None = None) -> list[RunView]:
    """The newest runs, newest first.

    Args:
        trail: The trail to search.
        limit: The most to return.
        plugin: Only those of one plugin; without it, the trail's own administration is left out.
    """
    with trail.database.reading() as connection:
        if plugin is not None:
            return list_runs(connection, plugin=plugin, limit=limit)
        query = sa.select(*_COLUMNS).where(runs.c.plugin != PLUGIN).order_by(runs.c.id.desc()).limit(limit)
        return _with_counts(connection, query)


def correlated_runs(trail: AuditTrail, correlation: str) -> list[RunView]:
    """The runs that one command started, oldest first, with their counts by stream.

    Every decision of them is read for that: a second for a million.

    Args:
        trail: The trail to search.
        correlation: As stored: `MELTANO_RUN_ID`, or the id that Meltano gave its plugins.
    """
    query = sa.select(*_COLUMNS).where(runs.c.correlation == correlation).order_by(runs.c.id)
    with trail.database.reading() as connection:
        return [
            replace(run, streams=_count_by_stream(connection, run.id))
            for run in _with_counts(connection, query)
        ]


def _count_by_stream(connection: sa.Connection, run_id: int) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    counted = connection.execute(
        sa.select(decisions.c.stream, decisions.c.action, sa.func.count())
        .where(decisions.c.run_id == run_id, decisions.c.part_of.is_(None))
        .group_by(decisions.c.stream, decisions.c.action)
    )
    for stream, action, count in counted:
        found.setdefault(stream, {})[action] = int(count)
    return found


def list_runs(
    connection: sa.Connection,
    *,
    limit: int,
    plugin: str | None = None,
    before: int | None = None,
    by_hand: bool = True,
) -> list[RunView]:
    """Runs of every plugin or of one, newest first.

    Args:
        connection: The transaction to read in.
        limit: The most to return.
        plugin: Only those of one plugin.
        before: Only those older than the run with this number.
        by_hand: Whether previews and corrections are among them, which say nothing of a pipeline.
    """
    names = ("id",) if plugin is None else ("started_at", "id")  # as the index has the runs of a plugin
    order = [runs.c[name] for name in names]
    query = sa.select(*_COLUMNS).limit(limit)
    if plugin is not None:
        query = query.where(runs.c.plugin == plugin)
    if not by_hand:
        query = query.where(runs.c.pipeline.not_in([PREVIEW, CORRECT]))
    if before is not None:
        last = runs.alias("last")
        of_last = sa.select(*(last.c[name] for name in names)).where(last.c.id == before)
        query = query.where(sa.tuple_(*order) < of_last.scalar_subquery())
    return _with_counts(connection, query.order_by(*(column.desc() for column in order)))


def find_run(connection: sa.Connection, run_id: int) -> RunView | None:
    """A run by its number; None where the trail has none.

    Args:
        connection: The transaction to read in.
        run_id: The number.
    """
    return next(iter(_with_counts(connection, sa.select(*_COLUMNS).where(runs.c.id == run_id))), None)


def read_directions(connection: sa.Connection) -> dict[str, Direction | None]:
    """The plugins that have run, each with the direction of its newest run; None where it registered none.

    Found by leaps through the index; those with a direction come first.
    """
    found: dict[str, Direction | None] = {}
    for plugin in distinct_values(connection, runs.c.plugin):
        newest = sa.select(runs.c.source_system, runs.c.destination_system).where(runs.c.plugin == plugin)
        row = connection.execute(newest.order_by(runs.c.started_at.desc()).limit(1)).one()
        has_one = row.source_system is not None and row.destination_system is not None
        found[plugin] = Direction(*row) if has_one else None
    return dict(sorted(found.items(), key=lambda item: (item[1] is None, str(item[1]), item[0])))


def distinct_values(
    connection: sa.Connection, column: sa.Column[str], *conditions: sa.ColumnElement[bool]
) -> Iterator[str]:
    """The values of a column under some conditions, in their order, found by leaps through an index."""
    last: str | None = ""
    while True:
        query = sa.select(sa.func.min(column)).where(*conditions, column > last)
        if (last := connection.execute(query).scalar()) is None:
            return
        yield last


def _with_counts(connection: sa.Connection, query: sa.Select[Any]) -> list[RunView]:
    found = connection.execute(query).all()
    counted = connection.execute(
        sa.select(run_counts.c.run_id, run_counts.c.action, sa.func.sum(run_counts.c.decisions))
        .where(run_counts.c.run_id.in_([run.id for run in found]))
        .group_by(run_counts.c.run_id, run_counts.c.action)
    )
    counts: dict[int, dict[str, int]] = {}
    for run_id, action, decided in counted:
        counts.setdefault(run_id, {})[action] = int(decided)
    return [RunView(**run._asdict(), counts=counts.get(run.id, {})) for run in found]
