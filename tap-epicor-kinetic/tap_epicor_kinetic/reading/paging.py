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
SAME_PAGES = 2
"""Pages in a row with the rows of the one before: rows that are inserted meanwhile make one at most."""
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


def _keeps_order(reader: SetReader, position: Position | None, rows: Sequence[Row], column: str) -> bool:
    before = position[:1] if position else ()
    return ascends([*before, *(row.get(column) for row in rows)], reader.types.get(column, ""))


def offset_pages(reader: SetReader, query: RangeQuery) -> Iterator[Page]:
    """Pages of a query by `$skip`, of rows that no key tells apart.

    A row that moves while it is read shifts the others, and one of them slips by.
    """
    skip = 0
    last: Row | None = None
    while rows := reader.fetch(query.condition, query.order, skip=skip):
        if rows[-1] == last:
            raise _ignores_skip(reader)
        _require_order(reader, rows, query.order)
        last = rows[-1]
        skip += len(rows)
        yield Page(rows, tuple(rows[-1].get(name) for name in query.order))


def anchored_pages(reader: SetReader, query: RangeQuery) -> Iterator[Page]:
    """Pages of a query by `$skip`, for services that refuse the conditions of a keyset: none slips by.

    Each begins with the last row of the one before. Where it does not, rows were deleted or have moved, and
    others have come forward: then pages further to the front are read, until one has a row that stayed.
    """
    skip = repeated = 0
    before: list[Position] = []
    is_back = False
    while True:
        rows = reader.fetch(query.condition, query.order, skip=skip)
        places = [tuple(row.get(name) for name in query.order) for row in rows]
        known = _known_rows(before, places)
        if known is None and skip:
            skip, is_back = max(0, skip - len(before)), True
            continue
        repeated = repeated + 1 if before and places == before and not is_back else 0
        if repeated == SAME_PAGES:
            raise _ignores_skip(reader)
        _require_order(reader, rows, query.order)
        if new := rows[known or 0 :]:
            yield Page(type(rows)(new), places[-1])
        elif len(rows) <= 1:
            return
        # Of a page of one row, the next would be no more than that row; of rows with one key, no row tells.
        overlap = int(len({*places}) == len(places) > 1)
        before, is_back = places if overlap else [], False
        skip += len(places) - overlap


def _known_rows(before: Sequence[Position], places: Sequence[Position]) -> int | None:
    """The number of rows up to the last one that the page before had; None where it had none of them."""
    if not before or places[:1] == before[-1:]:
        return min(1, len(before))
    earlier = {*before}
    return next((index + 1 for index in reversed(range(len(places))) if places[index] in earlier), None)


def _require_order(reader: SetReader, rows: Sequence[Row], order: Sequence[str]) -> None:
    """Make sure that counted rows come in the order of their cursor.

    Raises:
        ConfigurationError: They do not, so that the bookmark after them would be one by chance.
    """
    cursor = next(iter(order), "")
    if cursor not in reader.key and not _keeps_order(reader, None, rows, cursor):
        raise ConfigurationError(
            f"{reader.path} ignores `$orderby`: the newest row, up to which it is read, cannot be known.",
            advice="Set `replication-method` of the stream to `FULL_TABLE` in the catalog.",
        )


def _ignores_skip(reader: SetReader) -> ConfigurationError:
    return ConfigurationError(
        f"{reader.path} gives the same rows again: it ignores `$skip`.",
        advice="Set `pagination` to `keyset`.",
    )
