"""Reads pages one after the other: each after the last row of the one before, or by counting rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from kinetic_mailchimp.epicor import Row
from kinetic_mailchimp.epicor.odata import after, and_, typed_literal
from kinetic_mailchimp.epicor.row_values import TIMESTAMP
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError

from tap_epicor_kinetic.reading.bookmark import Position
from tap_epicor_kinetic.reading.cursor import ascends, next_shown
from tap_epicor_kinetic.reading.scan_plan import RangeQuery
from tap_epicor_kinetic.reading.set_reader import SetReader

REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR})
ATTEMPTS = 3
"""Reads of a page out of order: some services show the new value of a row that changes meanwhile."""
NO_KEYSET = "Set `pagination` to `offset`, or choose another column in `cursors`."
OTHER_WAY = "If the service takes no conditions with `or`, set `pagination` to `offset`."


@dataclass(frozen=True)
class Page:
    """Rows, and the position of the last one; no rows at the end of a query."""

    rows: list[Row]
    position: Position


def keyset_pages(reader: SetReader, query: RangeQuery) -> Iterator[Page]:
    """Pages of a query, each beginning after the last row of the one before: no row slips by while it moves.

    Only an empty page ends it, or the last key that there can be: some sets give fewer rows than are asked
    for.

    Raises:
        ConfigurationError: The server does not do what it is asked for.
    """
    position = query.start
    beyond = ""
    disordered = 0
    while True:
        behind = beyond or (after(query.order, position, reader.types) if position is not None else "")
        try:
            rows = reader.fetch(and_(query.condition, behind), query.order)
        except ConnectorError as error:
            if behind and error.status in REFUSALS and error.field is None:
                error.advice = f"{error.advice} {OTHER_WAY}".strip()
            raise
        if not rows:
            return
        reached = tuple(rows[-1].get(name) for name in query.order)
        _require_keys(reader, reached, query.order)
        if not beyond and reached == position and _may_hide_digits(reader, query, rows, reached):
            # Rows of this timestamp lie after what is shown of it and come for ever: key by key they end.
            yield from _pages_of_timestamp(reader, query, reached)
            beyond = f"{query.order[0]} ge {next_shown(reached[0])}"
            continue
        if reached == position:
            raise ConfigurationError(
                f"{reader.path} gives the same rows again: it ignores the condition of the next page.",
                advice=NO_KEYSET,
            )
        if not _keeps_order(reader, position, rows, query.order[0]):
            # What lies behind its last row would be taken for read.
            disordered += 1
            if disordered < ATTEMPTS:
                continue
            raise ConfigurationError(
                f"{reader.path} gives rows out of order: it ignores `$orderby` or the condition of the page.",
                advice=NO_KEYSET,
            )
        disordered = 0
        yield Page(rows, reached)
        if reached == query.end:
            return
        position, beyond = reached, ""


def _require_keys(reader: SetReader, position: Position, order: Sequence[str]) -> None:
    """Make sure that a position has rows behind it: a comparison with null is true of none.

    Raises:
        ConfigurationError: A column of the key is null or missing.
    """
    missing = [
        name
        for name, value in zip(order, position, strict=True)
        if value is None and (name in reader.key or name != order[0])
    ]
    if missing:
        raise ConfigurationError(
            f"{reader.path} has rows without {missing[0]}, a column of its key.",
            advice="Set `pagination` to `offset`, or name other `keys` for the stream.",
        )


def _may_hide_digits(reader: SetReader, query: RangeQuery, rows: list[Row], reached: Position) -> bool:
    """Tell whether these may be the last rows again, whose timestamp has more digits than are shown."""
    column, shown = query.order[0], reached[0]
    is_timestamp = shown is not None and reader.types.get(column) == TIMESTAMP
    return is_timestamp and len(query.order) > 1 and rows[0].get(column) == shown


def _pages_of_timestamp(reader: SetReader, query: RangeQuery, reached: Position) -> Iterator[Page]:
    """All rows that show one timestamp, by their keys; a run that ends here begins with it again."""
    column, shown = query.order[0], reached[0]
    window = f"{column} ge {typed_literal(shown, TIMESTAMP)} and {column} lt {next_shown(shown)}"
    for page in keyset_pages(reader, RangeQuery(query.order[1:], and_(query.condition, window))):
        yield Page(page.rows, reached)


def _keeps_order(reader: SetReader, position: Position | None, rows: list[Row], column: str) -> bool:
    before = position[:1] if position else ()
    return ascends([*before, *(row.get(column) for row in rows)], reader.types.get(column, ""))


def offset_pages(reader: SetReader, query: RangeQuery) -> Iterator[Page]:
    """Pages of a query by `$skip`, for services that refuse the conditions of a keyset.

    A row that moves while it is read shifts the others, and one of them slips by.
    """
    cursor = next(iter(query.order), "")
    skip = 0
    last: Row | None = None
    while rows := reader.fetch(query.condition, query.order, skip=skip):
        if rows[-1] == last:
            raise ConfigurationError(
                f"{reader.path} gives the same rows again: it ignores `$skip`.",
                advice="Set `pagination` to `keyset`.",
            )
        if cursor not in reader.key and not _keeps_order(reader, None, rows, cursor):
            raise ConfigurationError(
                f"{reader.path} ignores `$orderby`: the newest row, up to which it is read, cannot be known.",
                advice="Set `replication-method` of the stream to `FULL_TABLE` in the catalog.",
            )
        last = rows[-1]
        skip += len(rows)
        yield Page(rows, tuple(rows[-1].get(name) for name in query.order))
