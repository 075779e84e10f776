"""Lists of decisions, a page at a time.

A page begins after a key, never at a number of rows, and no list is counted: the last page of five million
records costs what the first one costs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.dead_letters import waiting_plugins
from kinetic_mailchimp.audit.reading.runs import RunView
from kinetic_mailchimp.audit.storage.schema import at_entry, dead_letters, decisions, same_person
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES

PAGE: Final = 50
KEY_COLUMNS: Final = (decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A decision's place in time and in its run. As text: `2026-03-01T09:30:00.000000Z,7,123`."""

    recorded_at: str
    run_id: int
    seq: int

    def __str__(self) -> str:
        """The key as it stands in a URL."""
        return f"{self.recorded_at},{self.run_id},{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Key | None:
        """The key in a URL; None for the beginning, and for text that is not a valid key."""
        parts = text.split(",")
        if len(parts) != 3 or not (is_number(parts[1]) and is_number(parts[2])):  # noqa: PLR2004 - a key's parts
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]))


def is_number(text: str) -> bool:
    """Check that a text is a number that a database takes."""
    return text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004 - digits of 64 bits


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Args:
        next: The key after which the next page begins; None on the last one.
    """

    keys: list[Key]
    next: Key | None


def _first_page(keys: Iterable[Key]) -> Listing:
    """The first keys as a page; one key more means that there is another page."""
    found = list(islice(keys, PAGE + 1))
    return Listing(found[:PAGE], found[PAGE - 1] if len(found) > PAGE else None)


def newest_first(
    connection: sa.Connection, query: sa.Select[Any], start: Key | None
) -> Iterator[tuple[Key, Sequence[Any]]]:
    """The rows of a query before a key, newest first: the key of each, and what follows it.

    Args:
        connection: The transaction to read in.
        query: Of `KEY_COLUMNS` and others.
        start: None for the newest.
    """
    query = query.order_by(*(part.desc() for part in KEY_COLUMNS)).limit(_CHUNK)
    while True:
        page = query
        if start is not None:
            last = sa.tuple_(*map(sa.literal, (start.recorded_at, start.run_id, start.seq)))
            # The first condition alone is one that an index knows.
            page = query.where(decisions.c.recorded_at <= start.recorded_at, sa.tuple_(*KEY_COLUMNS) < last)
        rows = connection.execute(page).all()
        for recorded_at, run_id, seq, *further in rows:
            start = Key(recorded_at, run_id, seq)
            yield start, further
        if len(rows) < _CHUNK:
            return


def at(keys: Iterable[Key], entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for the entries with some keys, in the form that SQLite looks up one by one.

    Args:
        keys: The keys.
        entry: The table `decisions` or an alias of it.
    """
    return sa.or_(*(at_entry(entry, key.run_id, key.seq) for key in keys))


def decisions_of_person(connection: sa.Connection, person: bytes, start: Key | None) -> Listing:
    """Decisions about a person, under the present or a former address, newest first.

    Args:
        connection: The transaction to read in.
        person: The digest of the address.
        start: The key before which the page begins; None for the newest.
    """
    query = sa.select(*KEY_COLUMNS, decisions.c.part_of)
    conditions = (same_person(decisions.c.person, person), decisions.c.former_person == person)
    found = (newest_first(connection, query.where(is_about), start) for is_about in conditions)
    merged = heapq.merge(*found, key=itemgetter(0), reverse=True)
    wholes = (
        key if part_of is None else Key(key.recorded_at, key.run_id, part_of) for key, (part_of,) in merged
    )
    return _first_page(key for key, _ in groupby(wholes))


def decisions_of_run(connection: sa.Connection, run: RunView, action: str | None, start: int) -> Listing:
    """Decisions of a run in order, from a number on.

    Args:
        connection: The transaction to read in.
        run: The run.
        action: Only decisions with this action.
        start: The number of the first entry.
    """
    query = (
        sa.select(*KEY_COLUMNS).where(decisions.c.part_of.is_(None), decisions.c.seq >= start).limit(PAGE + 1)
    )
    if action is None:
        query = query.where(decisions.c.run_id == run.id).order_by(decisions.c.seq)
    else:
        # By action and time: a run of a million has its three failures at once. The run is hidden in an
        # expression, so that the database does not walk through all of it.
        query = query.where(
            decisions.c.action == action,
            decisions.c.recorded_at.between(run.started_at, run.active_at),
            (decisions.c.run_id + 0) == run.id,
        ).order_by(*KEY_COLUMNS)
    return _first_page(Key(*row) for row in connection.execute(query))


def waiting_decisions(connection: sa.Connection, start: Key | None, plugin: str | None = None) -> Listing:
    """Decisions whose dead letter waits, oldest first.

    Args:
        connection: The transaction to read in.
        start: The key after which the page begins; None for the oldest.
        plugin: Only dead letters of one target.
    """
    columns = (dead_letters.c.opened_at, dead_letters.c.run_id, dead_letters.c.seq)

    def found(state: str, of_plugin: str) -> Iterator[Key]:
        query = (
            sa.select(*columns)
            .where(dead_letters.c.state == state, dead_letters.c.plugin == of_plugin)
            .order_by(*columns)
            .limit(PAGE + 1)
        )
        if start is not None:
            last = sa.tuple_(*map(sa.literal, (start.recorded_at, start.run_id, start.seq)))
            query = query.where(dead_letters.c.opened_at >= start.recorded_at, sa.tuple_(*columns) > last)
        return (Key(*row) for row in connection.execute(query))

    plugins = waiting_plugins(connection) if plugin is None else [plugin]
    return _first_page(heapq.merge(*(found(state, one) for state in WAITING_STATES for one in plugins)))
