"""Questions to the trail, and what is found as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import (
    dead_letters,
    decisions,
    disable_index,
    run_counts,
    runs,
    same_person,
)
from kinetic_mailchimp.audit.trail.administration import PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.run import CLOSED, WAITING_STATES

_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to look for; whatever is None does not matter.

    Args:
        email: A person's address, present or former, in any spelling.
        source_key: A record's key at its source.
        run_id: A run.
        action: What became of the records.
        plugin: Which plugin decided.
        since: The earliest time, as stored.
        until: The time before which.
        waiting: Only dead letters that wait for replay or for their result.
        newest_first: The order.
        limit: The most to return.
    """

    email: str | None = None
    source_key: str | None = None
    run_id: int | None = None
    action: str | None = None
    plugin: str | None = None
    since: str | None = None
    until: str | None = None
    waiting: bool = False
    newest_first: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One decision or part of one, as it is told.

    `erased` says that its personal data was removed; `closed_at` and `closed_because`, who closed its dead
    letter, and when.
    """

    recorded_at: str
    run_id: int
    seq: int
    part_of: int | None
    plugin: str
    pipeline: str
    dry_run: bool
    stream: str
    action: str
    reason: str
    detail: str | None
    consent: str | None
    subject: str | None
    former_subject: str | None
    source_key: str | None
    source_updated_on: str | None
    event_id: str | None
    targets: str | None
    changes: dict[str, list[Any]] | None
    http_status: int | None
    request_id: str | None
    duration_ms: float | None
    refers_to: str | None
    dead_letter: str | None
    closed_at: str | None
    closed_because: str | None
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run and its counts by action."""

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


_OF_RUN: Final = ("plugin", "pipeline", "dry_run")
_COMPUTED: Final = ("erased", "changes", "dead_letter", "closed_at", "closed_because", *_OF_RUN)
PLAIN_COLUMNS: Final = tuple(name for name in EntryView.__dataclass_fields__ if name not in _COMPUTED)
"""What a view of an entry takes from the table `decisions` as it is."""
_RUN_COLUMNS: Final = tuple(name for name in RunView.__dataclass_fields__ if name != "counts")

closing = decisions.alias("closing")
"""The entry that says who closed a dead letter, and why."""
OF_ENTRY: Final = (dead_letters.c.run_id == decisions.c.run_id) & (dead_letters.c.seq == decisions.c.seq)
CLOSES: Final = (
    (dead_letters.c.state == CLOSED)
    & (closing.c.run_id == dead_letters.c.result_run_id)
    & (closing.c.seq == dead_letters.c.result_seq)
)
BESIDE: Final = (
    *(runs.c[name] for name in _OF_RUN),
    decisions.c.salt.is_(None).label("erased"),
    dead_letters.c.state.label("dead_letter"),
    closing.c.recorded_at.label("closed_at"),
    closing.c.detail.label("closed_because"),
)
"""What a view of an entry takes from its run and its dead letter."""


def entries(trail: AuditTrail, question: Question) -> Iterator[EntryView]:
    """The entries that answer a question, by time, streamed.

    Args:
        trail: Where to look.
        question: What to look for.
    """
    with trail.database.reading() as connection:
        rows = connection.execute(_entries_query(trail, question).execution_options(yield_per=_PAGE))
        for row in rows.mappings():
            values = {str(name): value for name, value in row.items()}
            changes = values.pop("changes")
            yield EntryView(**values, changes=None if changes is None else json.loads(changes))


def _entries_query(trail: AuditTrail, question: Question) -> sa.Select[Any]:
    query = (
        sa.select(
            *(decisions.c[name] for name in PLAIN_COLUMNS),
            *BESIDE,
            decisions.c.changes,
        )
        .join(runs, runs.c.id == decisions.c.run_id)
        .join(dead_letters, OF_ENTRY, isouter=not question.waiting)
        .outerjoin(closing, CLOSES)
        .where(*_conditions(trail, question))
    )
    order: tuple[sa.ColumnElement[Any], ...] = (decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
    if question.run_id is not None:
        order = (decisions.c.seq,)  # the same order, and the one that the primary key has
    query = query.order_by(*((column.desc() for column in order) if question.newest_first else order))
    return query if question.limit is None else query.limit(question.limit)


def _conditions(trail: AuditTrail, question: Question) -> Iterator[sa.ColumnElement[bool]]:
    if question.email is not None:
        person = trail.person(question.email)
        yield sa.or_(same_person(decisions.c.person, person), decisions.c.former_person == person)
    for column, value in (
        (decisions.c.source_key, question.source_key),
        (decisions.c.run_id, question.run_id),
        (decisions.c.action, question.action),
        # Or a database would start from the runs, and sort what millions they decided.
        (disable_index(runs.c.plugin), question.plugin),
    ):
        if value is not None:
            yield column == value
    if question.since is not None:
        yield decisions.c.recorded_at >= question.since
    if question.until is not None:
        yield decisions.c.recorded_at < question.until
    if question.waiting:
        yield dead_letters.c.state.in_(WAITING_STATES)


def latest_runs(
    trail: AuditTrail, *, limit: int = 20, plugin: str | None = None, run_id: int | None = None
) -> list[RunView]:
    """The newest runs, newest first.

    Args:
        trail: Where to look.
        limit: The most to return.
        plugin: Only those of one plugin; without it, the trail's own administration is left out.
        run_id: Only this one, whichever plugin it is of.
    """
    query = sa.select(*(runs.c[name] for name in _RUN_COLUMNS)).order_by(runs.c.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(runs.c.id == run_id)
    else:
        query = query.where(runs.c.plugin == plugin if plugin is not None else runs.c.plugin != PLUGIN)
    with trail.database.reading() as connection:
        found = connection.execute(query).mappings().all()
        counted = connection.execute(
            sa.select(run_counts.c.run_id, run_counts.c.action, sa.func.sum(run_counts.c.decisions))
            .where(run_counts.c.run_id.in_([run["id"] for run in found]))
            .group_by(run_counts.c.run_id, run_counts.c.action)
        ).all()
    counts: dict[int, dict[str, int]] = {}
    for of_run, action, number in counted:
        counts.setdefault(of_run, {})[action] = int(number)
    return [
        RunView(**{str(name): value for name, value in run.items()}, counts=counts.get(run["id"], {}))
        for run in found
    ]
