"""The state of one stream in one company: how far it was read, and where an unfinished scan goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from kinetic_mailchimp.kit.errors import ConfigurationError
from msgspec import structs

from tap_epicor_kinetic.reading.cursor import Cursor, Scalar

FROM_THE_START = "remove it from the state, or run once with a full refresh."

Position = tuple[Scalar, ...]
"""The values of a row in the columns of the order."""


class KeyRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a scan that is read from front to back.

    Attributes:
        low: The first value of the first key column, where the scan is cut into key ranges.
        high: The last one.
        since: The cursor value where it begins again, after an interruption.
        after: The position of the last row that was emitted.
        done: Whether all of it was.
    """

    low: Scalar | None = None
    high: Scalar | None = None
    since: Scalar | None = None
    after: Position | None = None
    done: bool = False


class Scan(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reading of everything that changed.

    Attributes:
        through: The highest cursor value when it began.
        is_first: Whether nothing was read before it.
        ranges: One, or several that are read side by side.
        is_open: Whether rows are stamped in the future, so that `through` bounds the bookmark, not the rows.
    """

    order: tuple[str, ...]
    through: Scalar | None
    is_first: bool
    ranges: tuple[KeyRange, ...]
    is_open: bool = False

    def __post_init__(self) -> None:
        """Refuse what no scan can be, such as in a state that was edited by hand."""
        if not self.ranges or any(len(part.after or self.order) != len(self.order) for part in self.ranges):
            raise ValueError("a position has a value for each column of the order")

    def at(self, index: int, position: Position | None) -> Scan:
        """The scan after a page of a range; None is the end of the range."""
        ranges = list(self.ranges)
        news = {"done": True, "after": None} if position is None else {"after": position}
        ranges[index] = structs.replace(ranges[index], **news)
        return structs.replace(self, ranges=tuple(ranges))

    @property
    def is_done(self) -> bool:
        """True if every range was read."""
        return all(part.done for part in self.ranges)


@dataclass(frozen=True)
class Bookmark:
    """The progress of a stream in one company.

    Attributes:
        column: The cursor's column; None for a full table.
        value: Every row up to this cursor value was emitted.
        rows: The digest of the filter that it holds for; None in states that were written without one.
    """

    column: str | None = None
    value: Scalar | None = None
    unfinished: Scan | None = None
    rows: str | None = None

    @classmethod
    def from_state(cls, entry: Mapping[str, Any]) -> Bookmark:
        """Read the state of a stream in a company; empty for the first run.

        Raises:
            ConfigurationError: This tap did not write it.
        """
        unfinished = entry.get("unfinished") or {}
        try:
            scan = msgspec.convert(unfinished, Scan) if unfinished else None
        except msgspec.ValidationError as error:
            raise _unreadable(f"its unfinished scan: {error}") from None
        column = entry.get("replication_key") or unfinished.get("replication_key")
        return cls(column, entry.get("replication_key_value"), scan, entry.get("rows"))

    def to_state(self) -> dict[str, Any]:
        """The state, beside the context that the SDK keeps in it."""
        state: dict[str, Any] = {}
        if self.column is not None and self.value is not None:
            state |= {"replication_key": self.column, "replication_key_value": self.value}
        if self.rows is not None and (self.value is not None or self.unfinished is not None):
            state["rows"] = self.rows
        if self.unfinished is not None:
            # The next run finds out by itself if rows are stamped in the future, and where it begins again.
            ranges = tuple(structs.replace(part, since=None) for part in self.unfinished.ranges)
            scan = structs.replace(self.unfinished, ranges=ranges, is_open=False)
            state["unfinished"] = {
                "replication_key": self.column,
                **msgspec.json.decode(msgspec.json.encode(scan)),
            }
        return state

    def checked(self, cursor: Cursor | None, stream: str, base: str) -> Bookmark:
        """This bookmark, if it was made with the same cursor and for the same rows.

        Args:
            cursor: That of the stream now.
            stream: Its name.
            base: The OData condition that all of its rows fit.

        Raises:
            ConfigurationError: It was made with others, to go on with it would leave a gap; or its value is
                one that no row can have.
        """
        self._require_values(cursor)
        rows = hashlib.sha256(base.encode()).hexdigest()[:16]
        if cursor and self.rows not in {None, rows}:
            raise ConfigurationError(
                "The bookmark was made with another filter: rows that fit only now would be missed.",
                advice=(
                    "Set `customer_types`, `inactive_customers` or the `filter` of the stream back, or read"
                    f" {stream} from the start: {FROM_THE_START}"
                ),
            )
        return replace(self._following(cursor, stream), rows=rows)

    def _require_values(self, cursor: Cursor | None) -> None:
        through = self.unfinished.through if self.unfinished else None
        for value in (self.value, through):
            if cursor is None or value is None or self.column != cursor.column:
                continue
            try:
                cursor.order(value)
            except ConfigurationError:
                raise _unreadable(f"{value!r} is not a value of {cursor.column}") from None

    def _following(self, cursor: Cursor | None, stream: str) -> Bookmark:
        column = cursor.column if cursor else None
        if self.column is None or column is None or column == self.column:
            return replace(self, column=column) if self.column is None else self
        raise ConfigurationError(
            f"The bookmark follows {self.column}, the stream now follows {column}.",
            advice=(
                f'Set `cursors` to {{"{stream}": "{self.column}"}} to go on with the bookmark, or read the'
                f" stream from the start: {FROM_THE_START}"
            ),
        )


def _unreadable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The bookmark is not one that this tap wrote ({reason}).",
        advice=f"Correct it, or read the stream from the start: {FROM_THE_START}",
    )
