"""Text of a trail for people: times, ages, numbers, stored words, values and entries. Pure functions."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.kit.redaction.plain_text import plain

_TONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("failed", "quarantined", "open", "rejected"), "bad"),
    **dict.fromkeys(("refused", "unmatched", "drifted", "waiting", "in_flight"), "warn"),
    **dict.fromkeys(("closed", "corrected", "stopped", "running"), "warn"),
    "flagged": "key",
    **dict.fromkeys(("approved", "created", "updated", "moved", "cleared", "archived"), "good"),
}
"""Action or state → how it is coloured. The word itself is always there: colour alone says nothing."""
LONGEST_CELL: Final = 500
"""Characters of a value in a terminal."""

ERASED: Final = "(erased)"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of a formula, in full width too, as a spreadsheet in Japanese takes them."""
_SHORT: Final = timedelta(seconds=10)
_UNITS: Final = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def tone(word: str) -> str:
    """The class of a word's colour: `bad`, `warn`, `key`, `good` or `quiet`."""
    return _TONES.get(word, "quiet")


def format_word(word: str | None) -> str:
    """A stored word as one reads it: `failed_again` is `failed again`."""
    return (word or "").replace("_", " ")


def format_time(text: str | None) -> str:
    """A stored time, to the second: `2026-03-01 09:30:00`."""
    return (text or "")[:19].replace("T", " ")


def format_age(span: timedelta) -> str:
    """A span of time in its two largest units: `2 h 10 min`."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit, smaller, smaller_unit in _UNITS:
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{seconds} s"


def age_of(text: str, now: datetime) -> str:
    """The age of a stored time.

    Args:
        text: The time, as stored.
        now: The present time.
    """
    return format_age(now - parse_timestamp(text))


def format_duration(start: str, end: str | None) -> str:
    """The time between two stored times, to a tenth of a second where it is short.

    Args:
        start: As stored.
        end: As stored; None gives an empty text.
    """
    if end is None:
        return ""
    span = parse_timestamp(end) - parse_timestamp(start)
    return format_age(span) if span >= _SHORT else f"{max(span.total_seconds(), 0.0):.1f} s"


def count_of(number: int, thing: str) -> str:
    """A number and what it counts: `1 record`, `2 records`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def format_counts(counts: Mapping[str, int]) -> str:
    """Counts by word as a list, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {word}" for word, number in ordered)


def format_value(value: object) -> str:
    """The value of a field: text as it is, `nothing` for null, and anything else as JSON."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def printable(value: object) -> str:
    """A value as one line of text that cannot steer a terminal."""
    text = "" if value is None else str(value)
    if len(text) > LONGEST_CELL:
        text = f"{text[:LONGEST_CELL]}… ({len(text):,} characters)"
    return "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in text)


def spreadsheet_cell(value: object) -> object:
    """A value with an apostrophe in front where a spreadsheet would take it for a formula."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA) else text


def describe_entry(entry: EntryView) -> str:
    """Why an entry was decided as it was, in words."""
    return entry.detail or format_word(entry.reason)


def describe_origin(entry: EntryView, show: Callable[[str], str]) -> str:
    """The record that an entry is about: its stream, its key, its age and its event.

    Args:
        entry: The entry.
        show: Makes a value safe to show, as `printable` does for a terminal.
    """
    values = {
        "from": entry.stream,
        "": entry.source_key,
        "changed": entry.source_updated_on,
        "event": entry.event_id,
        "address before:": entry.former_subject,
    }
    return " · ".join(f"{label} {show(value)}".strip() for label, value in values.items() if value)


def describe_response(entry: EntryView, show: Callable[[str], str]) -> str:
    """The vendor's response to an entry: status, id and duration; empty where nothing was sent.

    Args:
        entry: The entry.
        show: Makes a value safe to show, as `printable` does for a terminal.
    """
    values = (
        "" if entry.http_status is None else f"HTTP {entry.http_status}",
        f"id {show(entry.request_id)}" if entry.request_id else "",
        "" if entry.duration_ms is None else f"{entry.duration_ms:,.0f} ms",
    )
    return " · ".join(filter(None, values))
