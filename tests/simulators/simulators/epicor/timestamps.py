"""Timestamps in the forms that Kinetic shows them in.

Inside, a timestamp is a count of ticks of 100 ns since 1970 UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

TICKS_PER_SECOND = 10_000_000

Clock = Callable[[], int]
"""Tells the current time in ticks."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?\Z", re.IGNORECASE
)


def from_datetime(time: datetime) -> int:
    """Ticks of an aware datetime."""
    delta = time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * TICKS_PER_SECOND + delta.microseconds * 10


def parse(text: str) -> int:
    """Ticks of an ISO 8601 text with any number of decimals; without a zone it is taken as UTC.

    Raises:
        ValueError: Not such a text, or no such day.
    """
    match = _ISO.match(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 timestamp: {text}")
    day, clock, decimals, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    whole = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}")
    return from_datetime(whole) + int((decimals or "0")[:7].ljust(7, "0"))


def utc_text(ticks: int, decimals: int = 3) -> str:
    """`2026-01-31T23:59:59.123Z`; further decimals are cut, as a column of that precision would."""
    seconds, rest = divmod(ticks, TICKS_PER_SECOND)
    text = _second_text(seconds)
    return f"{text}.{rest:07d}"[: len(text) + 1 + decimals] + "Z" if decimals else text + "Z"


@lru_cache(maxsize=65_536)
def _second_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def local_midnight(ticks: int, zone: tzinfo) -> tuple[str, int]:
    """`ChangeDate` and `ChangeTime`: the day's midnight with that day's own offset, and the seconds since.

    Their sum is the true instant, also on a day whose clock is changed.
    """
    time = _EPOCH + timedelta(seconds=ticks // TICKS_PER_SECOND)
    midnight, start = _midnight(time.astimezone(zone).date().isoformat(), zone)
    return midnight, ticks // TICKS_PER_SECOND - start


@lru_cache(maxsize=8_192)
def _midnight(day: str, zone: tzinfo) -> tuple[str, int]:
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    return midnight.isoformat(), from_datetime(midnight.astimezone(UTC)) // TICKS_PER_SECOND
