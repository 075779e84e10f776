"""Reads what changed of a stream in a company since its bookmark: pages, each with the bookmark after it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from kinetic_mailchimp.epicor import Row
from kinetic_mailchimp.epicor.errors import QueryRefusedError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from msgspec import structs

from tap_epicor_kinetic.reading import probes
from tap_epicor_kinetic.reading.bookmark import Bookmark, KeyRange, Scan
from tap_epicor_kinetic.reading.concurrent_pages import read_concurrently
from tap_epicor_kinetic.reading.cursor import Cursor, Scalar
from tap_epicor_kinetic.reading.paging import Page, anchored_pages, keyset_pages, offset_pages
from tap_epicor_kinetic.reading.scan_plan import Planner
from tap_epicor_kinetic.reading.set_reader import SetReader

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE = dt.timedelta(days=1)
"""Servers stamp rows by clocks that differ, and some by local time."""


def read_scan(
    reader: SetReader,
    planner: Planner,
    bookmark: Bookmark,
    workers: int,
    warn: Callable[[str], None] = logger.warning,
) -> Iterator[tuple[list[Row], Bookmark]]:
    """Read what changed since a bookmark, or go on where a scan was interrupted.

    Args:
        reader: Of the company.
        planner: Of the stream.
        bookmark: Where to begin.
        workers: Requests at the same time.
        warn: Takes what a person should know.

    Yields:
        The rows of a page, and the bookmark that holds once they are emitted. The last one has no rows.
    """
    planner, newest = _with_usable_cursor(reader, planner, warn)
    latest = _latest(reader)
    if planner.has_passed(bookmark, newest, latest):
        warn(
            f"{reader.path}, company {reader.company}: the bookmark lies beyond everything on the server, as"
            " after a restored database or a deletion of the newest rows. The stream is read from the start."
        )
        bookmark = replace(bookmark, value=None, unfinished=None)
    is_open = _is_later(planner.cursor, newest, latest)
    if planner.cursor and latest and is_open:
        warn(f"{reader.path}, company {reader.company}: rows are stamped in the future; each run reads them.")
        newest = probes.newest(
            reader, planner.cursor, f"{planner.cursor.column} le {format_timestamp(latest)}"
        )
    planner = _with_unstamped(reader, planner, bookmark, warn)
    scan = planner.begin(bookmark, newest)
    if is_open and scan is not bookmark.unfinished:
        scan = structs.replace(scan, is_open=True)
    goes_on_with_load = scan is bookmark.unfinished
    if scan.is_first and scan.ranges == (KeyRange(),):
        scan = _cut(reader, planner, scan, workers)
    for number, page in _pages(reader, planner, scan, bookmark):
        scan = scan.at(number, page.position if page else None)
        bookmark = _moved(bookmark, scan, planner.cursor, page)
        yield page.rows if page else [], bookmark
    if goes_on_with_load and planner.cursor:
        # It has kept the bound from when it began: what changed since follows at once.
        yield from read_scan(reader, planner, bookmark, workers, warn)


def _with_usable_cursor(
    reader: SetReader, planner: Planner, warn: Callable[[str], None]
) -> tuple[Planner, Scalar | None]:
    """The planner, without a cursor that the service cannot filter by, and the highest cursor value."""
    if planner.cursor is None:
        return planner, None
    try:
        return planner, probes.newest(reader, planner.cursor)
    except QueryRefusedError as error:
        warn(
            f"{reader.path}: the service cannot filter and order by {planner.cursor.column}. Every run reads"
            f" the whole table. ({error.message})"
        )
        return replace(planner, cursor=None), None


def _with_unstamped(
    reader: SetReader, planner: Planner, bookmark: Bookmark, warn: Callable[[str], None]
) -> Planner:
    """The planner, reading rows without a cursor value too where there are any."""
    cursor = planner.cursor
    # The first scan by timestamps reads them unasked.
    if not cursor or not cursor.may_be_null or (bookmark.value is None and cursor.is_timestamp):
        return planner
    found = probes.has_unstamped(reader, cursor)
    another = "Follow another column by `cursors`, such as SysRevID,"
    if found is None:
        warn(
            f"{reader.path}: the service cannot tell whether rows have no {cursor.column}. Changes of such"
            f" rows are not read. {another} if there are any."
        )
    elif found:
        warn(
            f"{reader.path}, company {reader.company}: rows have no {cursor.column}, so nobody can tell"
            f" whether they changed: each run reads them. {another} to read them once."
        )
    return replace(planner, reads_unstamped=bool(found))


def _latest(reader: SetReader) -> dt.datetime | None:
    """The latest timestamp that a row can be stamped with honestly, by our clock where the server tells none.

    None where the clock stands at the end of time.
    """
    now = reader.client.server_time or utc_now()
    return now + CLOCK_TOLERANCE if now.year < dt.MAXYEAR else None


def _is_later(cursor: Cursor | None, value: Scalar | None, latest: dt.datetime | None) -> bool:
    if cursor is None or not cursor.is_timestamp or value is None or latest is None:
        return False
    return bool(cursor.order(value) > latest)


def _cut(reader: SetReader, planner: Planner, scan: Scan, workers: int) -> Scan:
    """A first scan in several key ranges, where the key is a number and there are pages enough."""
    column = planner.range_column
    if column is None or planner.by_offset or workers == 1:
        return scan
    ends = probes.ends(reader, column)
    if ends is None or ends[1] - ends[0] < workers * reader.size.now:
        return scan
    return planner.cut(scan, *ends, workers)


def _pages(
    reader: SetReader, planner: Planner, scan: Scan, bookmark: Bookmark
) -> Iterator[tuple[int, Page | None]]:
    counted = anchored_pages if reader.key else offset_pages
    pages = counted if planner.by_offset else keyset_pages
    open_ranges = [number for number, part in enumerate(scan.ranges) if not part.done]
    queries = planner.queries(scan, bookmark)
    for index, page in read_concurrently([pages(reader, queries[number]) for number in open_ranges]):
        yield open_ranges[index], page


def _moved(bookmark: Bookmark, scan: Scan, cursor: Cursor | None, page: Page | None) -> Bookmark:
    """The bookmark after a page, or after the end of a range."""
    if cursor is None:
        return replace(bookmark, unfinished=None if scan.is_done else scan)
    if scan.is_done:
        value = cursor.later(bookmark.value, scan.through)
        return replace(bookmark, column=cursor.column, value=value, unfinished=None)
    value = bookmark.value
    if page is not None and scan.order[0] == cursor.column:
        value = cursor.later(value, cursor.earlier(page.position[0], scan.through))
    return replace(bookmark, column=cursor.column, value=value, unfinished=scan)
