"""Finds the column that tells what changed, and calculates with its values."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.epicor.odata import typed_literal
from kinetic_mailchimp.kit.errors import ConfigurationError

from tap_epicor_kinetic.catalog.columns import INTEGERS, MOMENT

CANDIDATES = ("UpdatedOn", "SysRevID", "ChangedOn")
"""In this order. Dates without a time of day are none of them: they would repeat or miss a day's rows."""

_DECIMALS = re.compile(r"\.(\d+)")

Scalar = Any
"""A value out of a JSON row: a revision is an int, a moment is text."""


@dataclass(frozen=True)
class Overlap:
    """How far behind the bookmark the next run begins, because rows commit later than they are stamped.

    Attributes:
        seconds: For moments.
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
    def is_moment(self) -> bool:
        """Whether its values are moments, which may be null; revisions never are."""
        return self.edm_type == MOMENT

    def literal(self, value: Scalar) -> str:
        """A value as OData writes it; moments keep every digit that the server gave."""
        return typed_literal(value, self.edm_type)

    def before(self, value: Scalar, overlap: Overlap) -> Scalar:
        """The value where a run begins that must see again what committed late."""
        if self.is_moment:
            return (
                text_of(moment(value) - dt.timedelta(seconds=overlap.seconds)) if overlap.seconds else value
            )
        return int(value) - overlap.revisions

    def through(self, value: Scalar) -> str:
        """The condition for rows up to a value.

        A moment may be stored with more digits than it is shown with, so the bound is the next one that could
        be shown; with `le`, the newest row of all would stay out.
        """
        if not self.is_moment:
            return f"{self.column} le {self.literal(value)}"
        return f"{self.column} lt {text_of(moment(value) + smallest_step(value))}"

    def order(self, value: Scalar) -> Any:  # noqa: ANN401 (comparable with its like)
        """What values are compared by: texts of moments differ in their zones and digits."""
        return moment(value) if self.is_moment else int(value)

    def later(self, one: Scalar, other: Scalar) -> Scalar:
        """The later of two values; None is earlier than all."""
        if one is None or other is None:
            return other if one is None else one
        return other if self.order(other) > self.order(one) else one

    def earlier(self, one: Scalar, other: Scalar) -> Scalar:
        """The earlier of two values; None is earlier than all."""
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
        if column.edm_type not in INTEGERS | {MOMENT}:
            raise ConfigurationError(
                f"Stream {stream}: {configured} is {column.edm_type}, neither a moment nor a whole number.",
                advice="Choose another column in `cursors`.",
                field=configured,
            )
        return Cursor(configured, column.edm_type)
    for name in CANDIDATES:
        column = entity.properties.get(name)
        if column is not None and column.edm_type in INTEGERS | {MOMENT}:
            return Cursor(name, column.edm_type)
    return None


def moment(text: str) -> dt.datetime:
    """A moment as it came; without a zone it is UTC.

    Raises:
        ValueError: The text is no moment.
    """
    parsed = dt.datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.timezone.utc)


def smallest_step(text: str) -> dt.timedelta:
    """What the last digit of a moment's text stands for: a second, a millisecond, at least a microsecond."""
    digits = _DECIMALS.search(text)
    return (
        dt.timedelta(microseconds=10 ** max(0, 6 - len(digits.group(1))))
        if digits
        else dt.timedelta(seconds=1)
    )


def text_of(value: dt.datetime) -> str:
    """A moment in UTC, as OData writes it."""
    return value.astimezone(dt.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
