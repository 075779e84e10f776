"""Guesses which of several names a person meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(typed: str, allowed: Iterable[str], likeness: float = 0.6) -> str:
    """A question for a message, with a blank behind it; empty where no name is near.

    Args:
        typed: The text.
        allowed: The names that it may be; capitals do not count.
        likeness: From 0 to 1: how near a name must be, as `difflib` counts.
    """
    from difflib import get_close_matches  # noqa: PLC0415 (for messages about what is wrong alone)

    by_key = {name.casefold(): name for name in allowed}
    near = get_close_matches(typed.strip().casefold(), by_key, 1, likeness)
    return f"Is {by_key[near[0]]} meant? " if near else ""
