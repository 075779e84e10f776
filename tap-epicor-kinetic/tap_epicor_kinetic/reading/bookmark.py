"""The state of one stream in one company: how far it was read, and where an unfinished scan goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError

from tap_epicor_kinetic.reading.cursor import Cursor, Scalar

FROM_THE_START = "remove it from the state, or run once with a full refresh."

Position = tuple[Scalar, ...]
"""The values of a row in the columns of the order."""


@dataclass(frozen=True)
class KeyRange:
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


@dataclass(frozen=True)
class Scan:
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

    def at(self, index: int, position: Position | None) -> Scan:
        """The scan after a page of a range; None is the end of the range."""
        ranges = list(self.ranges)
        ranges[index] = (
            replace(ranges[index], done=True) if position is None else replace(ranges[index], after=position)
        )
        return replace(self, ranges=tuple(ranges))

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
        """Read the state of a stream in a company; empty for the first run."""
        unfinished = entry.get("unfinished") or {}
        column = entry.get("replication_key") or unfinished.get("replication_key")
        return cls(column, entry.get("replication_key_value"), _scan_of(unfinished), entry.get("rows"))

    def to_state(self) -> dict[str, Any]:
        """The state, beside the context that the SDK keeps in it."""
        state: dict[str, Any] = {}
        if self.column is not None and self.value is not None:
            state |= {"replication_key": self.column, "replication_key_value": self.value}
        if self.rows is not None and (self.value is not None or self.unfinished is not None):
            state["rows"] = self.rows
        if self.unfinished is not None:
            state["unfinished"] = {
                "replication_key": self.column,
                "order": list(self.unfinished.order),
                "through": self.unfinished.through,
                "is_first": self.unfinished.is_first,
                "ranges": [_range_state(part) for part in self.unfinished.ranges],
            }
        return state

    def checked(self, cursor: Cursor | None, stream: str, base: str) -> Bookmark:
        """This bookmark, if it was made with the same cursor and for the same rows.

        Args:
            cursor: That of the stream now.
            stream: Its name.
            base: The OData condition that all of its rows fit.

        Raises:
            ConfigurationError: It was made with others: to go on with it would leave a gap.
        """
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


def _range_state(part: KeyRange) -> dict[str, Any]:
    state: dict[str, Any] = {"done": True} if part.done else {}
    if part.high is not None:
        state |= {"low": part.low, "high": part.high}
    if part.after is not None and not part.done:
        state["after"] = list(part.after)
    return state


def _scan_of(state: Mapping[str, Any]) -> Scan | None:
    if not state:
        return None
    return Scan(
        tuple(state["order"]),
        state.get("through"),
        bool(state.get("is_first")),
        tuple(
            KeyRange(
                low=part.get("low"),
                high=part.get("high"),
                after=tuple(part["after"]) if part.get("after") else None,
                done=bool(part.get("done")),
            )
            for part in state["ranges"]
        ),
    )
