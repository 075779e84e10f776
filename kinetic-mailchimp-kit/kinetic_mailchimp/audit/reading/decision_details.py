"""Decisions with their parts, as a page shows them: text that is too long for one stays in the database."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.listings import Key, at
from kinetic_mailchimp.audit.reading.queries import ENTRY_COLUMNS, EntryView, select_entries, to_entry
from kinetic_mailchimp.audit.storage.schema import decisions

MOST_PARTS: Final = 100
"""Parts that are shown with a decision; the page of its run has them all."""

LONGEST_TEXT: Final = 2_000
LONGEST_CHANGES: Final = 20_000
"""Characters of the fields of one entry; more are not shown, and never leave the database."""

_CUT: Final = frozenset(
    {"detail", "subject", "former_subject", "source_key", "event_id", "targets", "request_id"}
)


@dataclass(frozen=True, slots=True)
class DecisionDetail:
    """A decision and its parts.

    Args:
        parts: Its parts, as many as a page shows.
        person: The digest of the address, for a URL; None where the decision is about nobody.
        changes_size: Characters of its fields where they are too many to show, else 0.
    """

    entry: EntryView
    parts: tuple[DecisionDetail, ...]
    person: str | None
    changes_size: int


def load_details(connection: sa.Connection, keys: Sequence[Key]) -> list[DecisionDetail]:
    """The decisions of a page, each with its parts, in the order of the keys.

    Args:
        connection: The transaction to read in.
        keys: The decisions on the page.
    """
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
    found = {(one.entry.run_id, one.entry.seq): one for one in _details(connection, at(keys, decisions))}
    parts: dict[tuple[int, int | None], list[DecisionDetail]] = {}
    for part in _details(connection, sa.or_(*spans)) if spans else ():
        parts.setdefault((part.entry.run_id, part.entry.part_of), []).append(part)
    return [
        dataclasses.replace(found[place], parts=tuple(parts.get(place, ())))
        for place in ((key.run_id, key.seq) for key in keys)
        if place in found
    ]


def _details(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Iterator[DecisionDetail]:
    query = _entries().where(condition).order_by(decisions.c.run_id, decisions.c.seq)
    for row in connection.execute(query):
        values = row._asdict()
        person, size = values.pop("person"), values.pop("changes_size")
        yield DecisionDetail(to_entry(values), (), None if person is None else person.hex(), size)


def _entries() -> sa.Select[Any]:
    """Entries as they are shown: what is too long for a page stays in the database."""
    columns = (
        sa.func.substr(decisions.c[name], 1, LONGEST_TEXT).label(name) if name in _CUT else decisions.c[name]
        for name in ENTRY_COLUMNS
    )
    size = sa.func.length(decisions.c.changes)
    return select_entries(
        *columns,
        decisions.c.person,
        sa.case((size <= LONGEST_CHANGES, decisions.c.changes)).label("changes"),
        sa.case((size > LONGEST_CHANGES, size), else_=0).label("changes_size"),
    )
