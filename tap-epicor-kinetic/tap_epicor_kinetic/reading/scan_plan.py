"""Decides what a run reads of a stream in a company: conditions and orders, without asking anybody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.epicor.odata import and_, literal, or_
from kinetic_mailchimp.epicor.row_values import INTEGERS, TIMESTAMP
from msgspec import structs

from tap_epicor_kinetic.catalog.declarations import COMPANY
from tap_epicor_kinetic.reading.bookmark import Bookmark, KeyRange, Position, Scan
from tap_epicor_kinetic.reading.cursor import Cursor, Overlap, Scalar


@dataclass(frozen=True)
class RangeQuery:
    """The rows of one range of a scan, which are read one page after the other.

    Attributes:
        condition: The OData condition for all of them.
        start: The position that the first page begins after.
        end: The position behind which no row can be, where that is known.
    """

    order: tuple[str, ...]
    condition: str
    start: Position | None = None
    end: Position | None = None


@dataclass(frozen=True)
class Planner:
    """Plans the scans of one stream.

    Attributes:
        key: The key columns, with the company, which is the same in all rows of a scan.
        cursor: The change column; None for a full table.
        start: The configured `start_date`.
        change_column: What `start` is compared with where the cursor is not a timestamp.
        by_offset: Whether pages are counted, so that none can begin after a row.
        reads_unstamped: Whether rows without a cursor value come in every run: their changes leave no trace.
    """

    entity: EntityType
    key: tuple[str, ...]
    cursor: Cursor | None
    overlap: Overlap
    start: dt.datetime | None = None
    change_column: str = ""
    by_offset: bool = False
    reads_unstamped: bool = False

    @property
    def key_order(self) -> tuple[str, ...]:
        """The key without the company."""
        return tuple(name for name in self.key if name != COMPANY)

    @property
    def types(self) -> Mapping[str, str]:
        """Column to Edm type."""
        return {name: column.edm_type for name, column in self.entity.properties.items()}

    @property
    def range_column(self) -> str | None:
        """The key column whose ranges can be read side by side: the first, if it is a whole number."""
        first = self.key_order[0] if self.key_order else ""
        return first if self.types.get(first) in INTEGERS else None

    def has_passed(self, bookmark: Bookmark, newest: Scalar | None, latest: dt.datetime | None) -> bool:
        """Tell whether a bookmark lies where the server has not been: nothing would ever be read again.

        Args:
            bookmark: How far the stream was read.
            newest: The highest cursor value on the server.
            latest: A timestamp that the server's clock has not reached by far.
        """
        cursor = self.cursor
        reached = [bookmark.value, bookmark.unfinished.through if bookmark.unfinished else None]
        values = [cursor.order(value) for value in reached if value is not None] if cursor else []
        if cursor is None or not values:
            return False
        if cursor.is_timestamp:
            return latest is not None and bool(max(values) > latest)
        return newest is not None and bool(max(values) > int(newest) + self.overlap.revisions)

    def begin(self, bookmark: Bookmark, newest: Scalar | None) -> Scan:
        """A scan over what changed since the bookmark, or the rest of the one that was interrupted."""
        unfinished = bookmark.unfinished
        order = (self.cursor.column, *self._without_cursor()) if self.cursor else self.key_order
        if unfinished and unfinished.ranges[0].high is not None:
            # Its bookmark will be the value that was the highest when it began.
            return unfinished
        if unfinished and unfinished.order == order:
            return Scan(order, newest, unfinished.is_first, (self._resumed(unfinished),))
        return Scan(order, newest, bookmark.value is None, (KeyRange(),))

    def cut(self, whole: Scan, low: int, high: int, parts: int) -> Scan:
        """A first scan, cut into key ranges of equal width.

        Args:
            whole: The scan.
            low: The lowest value of the range column.
            high: The highest one.
            parts: Ranges at most.
        """
        width = -(-(high - low + 1) // parts)
        starts = range(low, high + 1, width)
        ranges = tuple(KeyRange(start, min(start + width - 1, high)) for start in starts)
        return structs.replace(whole, order=self.key_order, ranges=ranges)

    def queries(self, scan: Scan, bookmark: Bookmark) -> list[RangeQuery]:
        """The query of each range of a scan."""
        return [
            RangeQuery(
                scan.order,
                and_(self._bounds(scan, part, bookmark), self._window(part)),
                part.after,
                (part.high,) if part.high is not None and scan.order == (self.range_column,) else None,
            )
            for part in scan.ranges
        ]

    def _without_cursor(self) -> tuple[str, ...]:
        return tuple(name for name in self.key_order if self.cursor and name != self.cursor.column)

    def _resumed(self, unfinished: Scan) -> KeyRange:
        """The rest of an interrupted scan: after its last row, but not past what may yet commit late.

        Rows that were being written when the scan began lie in the overlap below its upper bound. Where the
        interrupted scan had got that far, they may have appeared behind it since.
        """
        part = unfinished.ranges[0]
        if not self.cursor or not part.after or part.after[0] is None or unfinished.through is None:
            return KeyRange() if self.by_offset else part
        settled = self.cursor.before(unfinished.through, self.overlap)
        if self.cursor.order(part.after[0]) > self.cursor.order(settled):
            return KeyRange(since=settled)
        return KeyRange(since=part.after[0]) if self.by_offset else part

    def _bounds(self, scan: Scan, part: KeyRange, bookmark: Bookmark) -> str:
        cursor = self.cursor
        if cursor is None:
            return ""
        is_bounded = scan.through is not None and not scan.is_open
        upper = cursor.through(scan.through) if is_bounded else ""
        if scan.is_first:
            if upper and (cursor.is_timestamp or self.reads_unstamped):
                # Rows that were never changed have no timestamp.
                upper = or_(upper, f"{cursor.column} eq null")
            return and_(self._start_condition(), self._since(part), upper)
        if part.after is not None or part.since is not None:
            changed = and_(self._since(part), upper)
        else:
            lower = cursor.before(bookmark.value, self.overlap)
            word = "ge" if lower != bookmark.value else "gt"
            changed = and_(f"{cursor.column} {word} {cursor.literal(lower)}", upper)
        return or_(changed, f"{cursor.column} eq null") if changed and self.reads_unstamped else changed

    def _since(self, part: KeyRange) -> str:
        if self.cursor is None or part.since is None:
            return ""
        return f"{self.cursor.column} ge {self.cursor.literal(part.since)}"

    def _window(self, part: KeyRange) -> str:
        column = self.range_column
        if part.high is None or column is None:
            return ""
        return f"{column} ge {literal(part.low)} and {column} le {literal(part.high)}"

    def _start_condition(self) -> str:
        if self.start is None or self.cursor is None:
            return ""
        if self.cursor.is_timestamp:
            return f"{self.cursor.column} ge {literal(self.start)}"
        if self.types.get(self.change_column) != TIMESTAMP:
            return ""
        # The column may hold the midnight of a day in the server's zone; rows without it are new.
        day_before = self.start - dt.timedelta(days=1)
        return or_(f"{self.change_column} ge {literal(day_before)}", f"{self.change_column} eq null")
