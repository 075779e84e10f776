"""Entries of the trail that match a filter, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import (
    ENTRY_JOIN,
    at_entry,
    dead_letters,
    decisions,
    disable_index,
    runs,
    same_person,
)
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.letter_states import CLOSED, CORRECTED, WAITING_STATES

_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Criteria of a search; None leaves one out.

    Args:
        email: A person's address, present or former, in any spelling.
        source_key: A record's key at its source.
        since: The earliest time, as stored.
        until: The time before which, as stored.
        waiting: Only dead letters that wait for replay or for their result.
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
    """One decision or part of one.

    `erased` says that its personal data was removed; `closed_at` and `closed_because`, when its dead letter
    was closed or corrected, by whom and why.
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


_OF_RUN: Final = ("plugin", "pipeline", "dry_run")
_COMPUTED: Final = ("erased", "changes", "dead_letter", "closed_at", "closed_because", *_OF_RUN)
ENTRY_COLUMNS: Final = tuple(name for name in EntryView.__dataclass_fields__ if name not in _COMPUTED)
"""Columns of the table `decisions` that a view of an entry has as they are."""


closing = decisions.alias("closing")
"""The entry that records who closed or corrected a dead letter, and why."""
CLOSING_JOIN: Final = at_entry(
    closing, dead_letters.c.result_run_id, dead_letters.c.result_seq
) & dead_letters.c.state.in_((CLOSED, CORRECTED))
RUN_COLUMNS: Final = (
    *(runs.c[name] for name in _OF_RUN),
    decisions.c.salt.is_(None).label("erased"),
    dead_letters.c.state.label("dead_letter"),
    closing.c.recorded_at.label("closed_at"),
    closing.c.detail.label("closed_because"),
)
"""Columns that a view of an entry has from its run and its dead letter."""


def entries(trail: AuditTrail, wanted: EntryFilter) -> Iterator[EntryView]:
    """The entries that match a filter, by time, streamed."""
    with trail.database.reading() as connection:
        rows = connection.execute(_entries_query(trail, wanted).execution_options(yield_per=_PAGE))
        for row in rows:
            yield to_entry(row._asdict())


def select_entries(*columns: sa.ColumnElement[Any], waiting: bool = False) -> sa.Select[Any]:
    """Columns of entries, with those that a view has from their run and their dead letter.

    With `waiting`, only entries that have a dead letter.
    """
    return (
        sa.select(*columns, *RUN_COLUMNS)
        .join(runs, runs.c.id == decisions.c.run_id)
        .join(dead_letters, ENTRY_JOIN, isouter=not waiting)
        .outerjoin(closing, CLOSING_JOIN)
    )


def to_entry(values: dict[str, Any]) -> EntryView:
    """An entry from a row of the columns that `EntryView` has."""
    changes = values.pop("changes")
    return EntryView(**values, changes=None if changes is None else json.loads(changes))


def _entries_query(trail: AuditTrail, wanted: EntryFilter) -> sa.Select[Any]:
    columns = (*(decisions.c[name] for name in ENTRY_COLUMNS), decisions.c.changes)
    query = select_entries(*columns, waiting=wanted.waiting).where(*_conditions(trail, wanted))
    order: tuple[sa.ColumnElement[Any], ...] = (decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
    if wanted.run_id is not None:
        order = (decisions.c.seq,)  # the same order, and the one that the primary key has
    query = query.order_by(*((column.desc() for column in order) if wanted.newest_first else order))
    return query if wanted.limit is None else query.limit(wanted.limit)


def _conditions(trail: AuditTrail, wanted: EntryFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.email is not None:
        person = trail.person(wanted.email)
        yield sa.or_(same_person(decisions.c.person, person), decisions.c.former_person == person)
    for column, value in (
        (decisions.c.source_key, wanted.source_key),
        (decisions.c.run_id, wanted.run_id),
        (decisions.c.action, wanted.action),
        # Or a database would start from the runs, and sort what millions they decided.
        (disable_index(runs.c.plugin), wanted.plugin),
    ):
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield decisions.c.recorded_at >= wanted.since
    if wanted.until is not None:
        yield decisions.c.recorded_at < wanted.until
    if wanted.waiting:
        yield dead_letters.c.state.in_(WAITING_STATES)
