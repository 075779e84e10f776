"""How the pages say times, ages, numbers, actions and values: pure functions, for the templates."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from kinetic_mailchimp.kit.timestamps import parse_timestamp

DIRECTIONS: Final = {
    "target-mailchimp": "Epicor → Mailchimp",
    "target-epicor-contacts": "Mailchimp → Epicor",
}
"""Which way each target writes, in the order in which the pages show them."""

TONES: Final = {
    "failed": "bad",
    "quarantined": "bad",
    "open": "bad",
    "refused": "warn",
    "unmatched": "warn",
    "drifted": "warn",
    "in_flight": "warn",
    "closed": "warn",
    "stopped": "warn",
    "running": "warn",
    "flagged": "key",
    "created": "good",
    "updated": "good",
    "moved": "good",
    "cleared": "good",
    "archived": "good",
    "succeeded": "quiet",
}
"""Action or state → how it is coloured. The word itself is always there: colour alone says nothing."""

LONGEST_VALUE: Final = 300
_SHORT: Final = timedelta(seconds=10)
_STEPS: Final = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def direction(plugin: str) -> str:
    """Which way a plugin writes, or its name."""
    return DIRECTIONS.get(plugin, plugin)


def tone(word: str) -> str:
    """The class of a word's colour."""
    return TONES.get(word, "quiet")


def spoken(word: str | None) -> str:
    """A stored word as one reads it: `failed_again` is `failed again`."""
    return (word or "").replace("_", " ")


def age(span: timedelta) -> str:
    """A span of time in its two largest units: `2 h 10 min`."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit, smaller, smaller_unit in _STEPS:
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{seconds} s"


def age_of(text: str, now: datetime) -> str:
    """How long ago a stored time is."""
    return age(now - parse_timestamp(text))


def lasted(start: str, end: str | None) -> str:
    """How long something took, from stored times, to a tenth where it was short; empty while it lasts."""
    if end is None:
        return ""
    span = parse_timestamp(end) - parse_timestamp(start)
    return age(span) if span >= _SHORT else f"{max(span.total_seconds(), 0.0):.1f} s"


def number(value: int) -> str:
    """A number with its thousands set apart by narrow spaces, which no locale takes for a decimal mark."""
    return f"{value:,}".replace(",", "\u202f")


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """A text that a page can hold; what is cut off is said."""
    return text if len(text) <= longest else f"{text[:longest]}… ({number(len(text))} characters)"


def told(value: object) -> str:
    """A field's value, as a person reads it."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return shortened(text)


def in_query(text: str) -> str:
    """A text as the value of a query parameter."""
    return quote(text, safe="")
