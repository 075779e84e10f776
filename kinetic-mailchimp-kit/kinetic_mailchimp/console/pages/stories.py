"""Lists of decisions, a page at a time, and the decisions of one page with their parts.

A page begins after a key, never at a number of rows, and no list is counted: the last page of five million
records costs what the first one costs.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.queries import (
    BESIDE,
    CLOSES,
    OF_ENTRY,
    PLAIN_COLUMNS,
    EntryView,
    RunView,
    closing,
)
from kinetic_mailchimp.audit.storage.schema import dead_letters, decisions, runs, same_person
from kinetic_mailchimp.audit.trail.run import WAITING_STATES

PAGE: Final = 50
MOST_PARTS: Final = 100
"""Parts that are shown with a decision; the page of its run has them all."""

_CHUNK: Final = 200
LONGEST_TEXT: Final = 2_000
LONGEST_CHANGES: Final = 20_000
"""Characters of the fields of one entry; more are not shown, and never leave the database."""

_CUT: Final = frozenset(
    {"detail", "subject", "former_subject", "source_key", "event_id", "targets", "request_id"}
)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A decision's place in time and in its run. As text: `2026-03-01T09:30:00.000000Z,7,123`."""

    recorded_at: str
    run_id: int
    seq: int

    def __str__(self) -> str:
        """The key as it stands in an address."""
        return f"{self.recorded_at},{self.run_id},{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Key | None:
        """The key that an address names; None for the beginning, and for what is no key."""
        parts = text.split(",")
        if len(parts) != 3 or not (is_number(parts[1]) and is_number(parts[2])):  # noqa: PLR2004 - a key's parts
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]))


def is_number(text: str) -> bool:
    """Whether a text is a number that a database takes."""
    return text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004 - digits of 64 bits


@dataclass(frozen=True, slots=True)
class Story:
    """A decision and its parts.

    Args:
        entry: The decision.
        parts: Its parts, as many as a page shows.
        person: What stands for the person in an address; None where the decision is about nobody.
        changes_size: Characters of its fields, where they are too many to show; else 0.
    """

    entry: EntryView
    parts: tuple[Story, ...]
    person: str | None
    changes_size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Args:
        keys: The decisions on it.
        next: Where the next page begins; None on the last one.
    """

    keys: list[Key]
    next: Key | None


def listed(keys: Iterable[Key], most: int = PAGE) -> Listing:
    """The first keys as a page; one more tells that there is another page."""
    found = list(islice(keys, most + 1))
    return Listing(found[:most], found[most - 1] if len(found) > most else None)


_KEY: Final = (decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)


def before(key: Key, columns: Sequence[sa.ColumnElement[Any]] = _KEY) -> sa.ColumnElement[bool]:
    """A condition for what comes earlier than a key."""
    return sa.tuple_(*columns) < sa.tuple_(*map(sa.literal, (key.recorded_at, key.run_id, key.seq)))


def after(key: Key, columns: Sequence[sa.ColumnElement[Any]] = _KEY) -> sa.ColumnElement[bool]:
    """A condition for what comes later than a key."""
    return sa.tuple_(*columns) > sa.tuple_(*map(sa.literal, (key.recorded_at, key.run_id, key.seq)))


def of_person(connection: sa.Connection, person: bytes, start: Key | None) -> Listing:
    """Decisions about a person, under the present or a former address, newest first."""

    def found(is_about: sa.ColumnElement[bool], last: Key | None) -> Iterator[tuple[Key, int | None]]:
        query = sa.select(*_KEY, decisions.c.part_of).where(is_about).limit(_CHUNK)
        query = query.order_by(*(part.desc() for part in _KEY))
        while True:
            page = query
            if last is not None:
                # The first condition alone is one that an index knows.
                page = query.where(decisions.c.recorded_at <= last.recorded_at, before(last))
            rows = connection.execute(page).all()
            for recorded_at, run_id, seq, part_of in rows:
                last = Key(recorded_at, run_id, seq)
                yield last, part_of
            if len(rows) < _CHUNK:
                return

    conditions = (same_person(decisions.c.person, person), decisions.c.former_person == person)
    merged = heapq.merge(
        *(found(is_about, start) for is_about in conditions), key=itemgetter(0), reverse=True
    )
    wholes = (
        key if part_of is None else Key(key.recorded_at, key.run_id, part_of) for key, part_of in merged
    )
    return listed(unique(wholes))


def unique(keys: Iterable[Key]) -> Iterator[Key]:
    """Each key once, where equal ones follow each other."""
    return (key for key, _ in groupby(keys))


def of_run(connection: sa.Connection, run: RunView, action: str | None, start: int) -> Listing:
    """Decisions of a run in order, from a number on; all, or those of one action."""
    query = sa.select(*_KEY).where(decisions.c.part_of.is_(None), decisions.c.seq >= start).limit(PAGE + 1)
    if action is None:
        query = query.where(decisions.c.run_id == run.id).order_by(decisions.c.seq)
    else:
        # By action and time: a run of a million has its three failures at once. The run is hidden in an
        # expression, so that the database does not walk through all of it.
        query = query.where(
            decisions.c.action == action,
            decisions.c.recorded_at.between(run.started_at, run.active_at),
            (decisions.c.run_id + 0) == run.id,
        ).order_by(*_KEY)
    return listed(Key(*row) for row in connection.execute(query))


def of_waiting(connection: sa.Connection, start: Key | None, plugin: str | None = None) -> Listing:
    """Decisions whose dead letter waits, oldest first."""
    columns = (dead_letters.c.opened_at, dead_letters.c.run_id, dead_letters.c.seq)

    def found(state: str, of_plugin: str) -> Iterator[Key]:
        query = (
            sa.select(*columns)
            .where(dead_letters.c.state == state, dead_letters.c.plugin == of_plugin)
            .order_by(*columns)
            .limit(PAGE + 1)
        )
        if start is not None:
            query = query.where(dead_letters.c.opened_at >= start.recorded_at, after(start, columns))
        return (Key(*row) for row in connection.execute(query))

    plugins = waiting_plugins(connection) if plugin is None else [plugin]
    return listed(heapq.merge(*(found(state, one) for state in WAITING_STATES for one in plugins)))


def waiting_plugins(connection: sa.Connection) -> list[str]:
    """The targets that have dead letters waiting, found by leaps through the index."""
    plugins: set[str] = set()
    for state in WAITING_STATES:
        last: str | None = ""
        while last is not None:
            query = sa.select(sa.func.min(dead_letters.c.plugin)).where(
                dead_letters.c.state == state, dead_letters.c.plugin > last
            )
            last = connection.execute(query).scalar()
            if last is not None:
                plugins.add(last)
    return sorted(plugins)


def load(connection: sa.Connection, keys: Sequence[Key]) -> list[Story]:
    """The decisions of a page, each with its parts, in the order of the keys."""
    if not keys:
        return []
    following = decisions.alias("following")
    # Parts follow their decision at once: up to the next decision there is nothing else.
    next_whole = (
        sa.select(following.c.seq)
        .where(
            following.c.run_id == decisions.c.run_id,
            following.c.seq > decisions.c.seq,
            following.c.part_of.is_(None),
        )
        .order_by(following.c.seq)
        .limit(1)
        .correlate(decisions)
        .scalar_subquery()
    )
    places = sa.select(decisions.c.run_id, decisions.c.seq, next_whole).where(at(keys, decisions))
    spans = [
        sa.and_(decisions.c.run_id == run_id, decisions.c.seq > seq, decisions.c.seq < end)
        for run_id, seq, following_seq in connection.execute(places)
        if (end := min(following_seq or sys.maxsize, seq + MOST_PARTS + 1)) > seq + 1
    ]
    found = {(one.entry.run_id, one.entry.seq): one for one in _stories(connection, at(keys, decisions))}
    parts: dict[tuple[int, int | None], list[Story]] = {}
    for part in _stories(connection, sa.or_(*spans)) if spans else ():
        parts.setdefault((part.entry.run_id, part.entry.part_of), []).append(part)
    return [
        dataclasses.replace(found[place], parts=tuple(parts.get(place, ())))
        for place in ((key.run_id, key.seq) for key in keys)
        if place in found
    ]


def at(keys: Iterable[Key], entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for the entries with these keys, in the form that SQLite looks up one by one."""
    return sa.or_(*(sa.and_(entry.c.run_id == key.run_id, entry.c.seq == key.seq) for key in keys))


def _stories(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Iterator[Story]:
    query = _entries().where(condition).order_by(decisions.c.run_id, decisions.c.seq)
    rows = connection.execute(query).mappings()
    return (_story({str(name): value for name, value in row.items()}) for row in rows)


def _entries() -> sa.Select[Any]:
    """Entries as they are shown: what is too long for a page stays in the database."""
    columns = (
        sa.func.substr(decisions.c[name], 1, LONGEST_TEXT).label(name) if name in _CUT else decisions.c[name]
        for name in PLAIN_COLUMNS
    )
    size = sa.func.length(decisions.c.changes)
    return (
        sa.select(
            *columns,
            *BESIDE,
            decisions.c.person,
            sa.case((size <= LONGEST_CHANGES, decisions.c.changes)).label("changes"),
            sa.case((size > LONGEST_CHANGES, size), else_=0).label("changes_size"),
        )
        .join(runs, runs.c.id == decisions.c.run_id)
        .outerjoin(dead_letters, OF_ENTRY)
        .outerjoin(closing, CLOSES)
    )


def _story(values: dict[str, Any]) -> Story:
    person, size, changes = values.pop("person"), values.pop("changes_size"), values.pop("changes")
    entry = EntryView(**values, changes=None if changes is None else json.loads(changes))
    return Story(entry, (), None if person is None else bytes(person).hex(), size)
