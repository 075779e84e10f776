"""Finds the column that tells what changed, and calculates with its values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.epicor.odata import typed_literal
from kinetic_mailchimp.epicor.row_values import INTEGERS, TIMESTAMP
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp

REVISION = "SysRevID"
CANDIDATES = ("UpdatedOn", REVISION, "ChangedOn")
"""In this order. Dates without a time of day are none of them: they would repeat or miss a day's rows."""

_EARLIEST = parse_timestamp("0001-01-01T00:00:00Z")
_LATEST = parse_timestamp("9999-12-31T23:59:59.999999Z")
_DECIMALS = re.compile(r"\.(\d+)")

Scalar = Any
"""A value out of a JSON row: a revision is an int, a timestamp is text."""


@dataclass(frozen=True)
class Overlap:
    """The distance behind the bookmark where the next run begins: rows commit later than they are stamped.

    Attributes:
        revisions: For revisions. They count all writes of the database, not those of one table.
    """

    seconds: float = 60.0
    revisions: int = 1000


@dataclass(frozen=True)
class Cursor:
    """The change column of a stream."""

    column: str
    edm_type: str

    @property
    def is_timestamp(self) -> bool:
        """True if its values are timestamps."""
        return self.edm_type == TIMESTAMP

    @property
    def may_be_null(self) -> bool:
        """True if a row may have no value of it: only revisions of the database itself never are."""
        return self.column != REVISION

    def literal(self, value: Scalar) -> str:
        """A value as OData writes it; timestamps keep every digit that the server gave."""
        return typed_literal(value, self.edm_type)

    def before(self, value: Scalar, overlap: Overlap) -> Scalar:
        """The value where a run begins that must see again what committed late."""
        if not self.is_timestamp:
            return self.order(value) - overlap.revisions
        overlapping = dt.timedelta(seconds=overlap.seconds)
        is_first = self.order(value) - _EARLIEST < overlapping  # such as Epicor's null date
        return value if is_first or not overlapping else format_timestamp(self.order(value) - overlapping)

    def through(self, value: Scalar) -> str:
        """The condition for rows up to a value.

        A timestamp may be stored with more digits than it is shown with, so the bound is the next one that
        could be shown; with `le`, the newest row of all would stay out.
        """
        if not self.is_timestamp:
            return f"{self.column} le {self.literal(value)}"
        return f"{self.column} lt {next_shown(value)}"

    def order(self, value: Scalar) -> Any:  # noqa: ANN401 (comparable with its like)
        """The value to compare by: texts of timestamps differ in their zones and digits.

        Raises:
            ConfigurationError: The server gave something else.
        """
        return _converted(parse_timestamp if self.is_timestamp else int, value)

    def later(self, one: Scalar, other: Scalar) -> Scalar:
        """The later of two values; None is earlier than all.

        Args:
            one: A cursor value.
            other: Another one.
        """
        if one is None or other is None:
            return other if one is None else one
        return other if self.order(other) > self.order(one) else one

    def earlier(self, one: Scalar, other: Scalar) -> Scalar:
        """The earlier of two values; None is earlier than all.

        Args:
            one: A cursor value.
            other: Another one.
        """
        return other if self.later(one, other) == one else one


def resolve_cursor(stream: str, entity: EntityType, configured: str | None) -> Cursor | None:
    """The change column of a stream: the configured one, else the first candidate that the service has.

    Raises:
        ConfigurationError: The configured column does not exist, or cannot be a cursor.
    """
    if configured:
        column = entity.properties.get(configured)
        if column is None:
            raise ConfigurationError(
                f"Stream {stream}: the service has no column {configured} to follow changes by.",
                advice="Change it in `cursors` or in the catalog; `--discover` shows the columns there are.",
                field=configured,
            )
        if column.edm_type not in INTEGERS | {TIMESTAMP}:
            raise ConfigurationError(
                f"Stream {stream}: {configured} is {column.edm_type}, not a timestamp or a whole number.",
                advice="Choose another column in `cursors`.",
                field=configured,
            )
        return Cursor(configured, column.edm_type)
    for name in CANDIDATES:
        column = entity.properties.get(name)
        if column is not None and column.edm_type in INTEGERS | {TIMESTAMP}:
            return Cursor(name, column.edm_type)
    return None


def ascends(values: Iterable[Scalar], edm_type: str) -> bool:
    """Tell whether the values of a column never fall; of texts nobody can.

    Args:
        values: In the order of their rows. A row without one says nothing.
        edm_type: Of the column.
    """
    if edm_type not in INTEGERS | {TIMESTAMP}:
        return True
    kind: type[Any]
    kind, convert = (str, parse_timestamp) if edm_type == TIMESTAMP else (int, int)
    given: list[Scalar] = [value for value in values if isinstance(value, kind)]
    # Texts of timestamps nearly always compare as their times do: that is quicker than to parse each.
    return not any(
        one > other and _converted(convert, one) > _converted(convert, other)
        for one, other in pairwise(given)
    )


def next_shown(text: str) -> str:
    """The timestamp after one, in the digits that are shown."""
    try:
        return format_timestamp(_converted(parse_timestamp, text) + _smallest_step(text))
    except OverflowError:
        return format_timestamp(_LATEST)


def _converted(convert: Callable[[Scalar], Any], value: Scalar) -> Any:  # noqa: ANN401 (comparable)
    try:
        return convert(value)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(
            "A row's value in the column by which changes are followed is not one of its type.",
            advice="Correct the row, or follow another column by `cursors`, such as SysRevID.",
        ) from error


def _smallest_step(text: str) -> dt.timedelta:
    """The unit of the last digit of a timestamp's text: a second, a millisecond, at least a microsecond."""
    digits = _DECIMALS.search(text)
    return (
        dt.timedelta(microseconds=10 ** max(0, 6 - len(digits.group(1))))
        if digits
        else dt.timedelta(seconds=1)
    )
