"""Timestamps: one parser and one form of text for the whole project."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]
"""Returns the present time with its time zone."""

_LONGEST: Final = 64
"""Characters of the longest text that is looked at: no form of ISO 8601 with microseconds needs more."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(MINYEAR, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(MAXYEAR, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_HAS_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_TICKS: Final = re.compile(r"/Date\((-?\d{1,17})([+-]\d{4})?\)/")


def utc_now() -> datetime:
    """The present time in UTC."""
    return datetime.now(UTC)


def parse_timestamp(text: str) -> datetime:
    """A timestamp in any form of ISO 8601, with its offset; one without an offset is in UTC.

    A date alone is midnight at its start. `/Date(1767225600000)/`, as OData wrote it before its version 4, is
    milliseconds since 1970 in UTC; an offset in it is for people.

    Raises:
        ValueError: The text is not a valid ISO 8601 timestamp.
    """
    if len(text) > _LONGEST:
        raise ValueError("not a valid ISO 8601 timestamp")
    try:
        parsed = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        parsed = _parse_rare_form(text.strip())
    if not parsed.tzinfo:
        return parsed.replace(tzinfo=UTC)
    return _within_utc(parsed) if parsed.year in (MINYEAR, MAXYEAR) else parsed


def _within_utc(timestamp: datetime) -> datetime:
    """A time that UTC has: one before the first is the first, such as Epicor's null date further east."""
    try:
        timestamp.astimezone(UTC)
    except OverflowError:
        return _FIRST if timestamp.year == MINYEAR else _LAST
    return timestamp


def format_timestamp(value: datetime) -> str:
    """A timestamp in UTC as text that sorts by time: `2026-03-01T09:30:00.000000Z`."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sortable(text: str) -> str:
    """A timestamp as text that sorts by time, whatever its zone and its digits; any other text as it is."""
    if text.endswith("Z"):  # nearly always: of two of these, the one with more digits is the later one
        return text[:-1]
    try:
        return format_timestamp(parse_timestamp(text))[:-1] if text[:4].isdecimal() else text
    except ValueError:
        return text


def _parse_rare_form(text: str) -> datetime:
    """Read what the standard library does not: ordinal dates, fractions of minutes and hours, `/Date(0)/`."""
    if found := _TICKS.fullmatch(text):
        try:
            return _EPOCH + timedelta(milliseconds=int(found[1]))
        except OverflowError as error:
            raise ValueError("not a valid timestamp") from error
    if not _HAS_YEAR.match(text):
        raise ValueError("not a valid ISO 8601 timestamp")  # a time alone would be taken for one of today
    # It takes a tenth of a second to import, which hardly any run needs.
    import pendulum  # noqa: PLC0415 (said above)

    try:
        parsed = pendulum.parse(text, strict=True)
    except Exception as error:  # of `24:,5` it makes a TypeError
        raise ValueError("not a valid ISO 8601 timestamp") from error
    if not isinstance(parsed, datetime):
        raise ValueError("not a valid ISO 8601 timestamp")  # noqa: TRY004 (an interval is a wrong value)
    return datetime.fromtimestamp(parsed.timestamp(), UTC)
