"""Reads JSON that others wrote: no depth, no number and no half of a character stops a run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

LONGEST_INTEGER: Final = 400
"""Digits; a longer one stays text. Every number that a float can name has fewer."""

_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


def parse_json(text: str | bytes, *, parse_float: Callable[[str], Any] | None = None) -> Any:  # noqa: ANN401
    """Parse a JSON document; half a surrogate pair and bytes that are not UTF-8 become U+FFFD.

    Raises:
        ValueError: It is not valid JSON, or it is nested too deeply to be read.
    """
    try:
        return _decoder(parse_float).decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _parse_odd(text, parse_float)


@cache
def _decoder(parse_float: Callable[[str], Any] | None) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(float_hook=parse_float)


def _parse_odd(text: str | bytes, parse_float: Callable[[str], Any] | None) -> Any:  # noqa: ANN401 (JSON)
    """Read what a strict parser refuses, or say that it is not JSON."""
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "replace")
    try:
        try:
            document = json.loads(text, parse_float=parse_float or _float, parse_constant=str)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python converts no integer of thousands of digits. Only then: a hook makes reading slower.
            document = json.loads(
                text, parse_float=parse_float or _float, parse_int=_integer, parse_constant=str
            )
        if "\\ud" in text or "\\uD" in text:
            document = without_half_pairs(document)
    except RecursionError:
        raise ValueError("The document is nested too deeply.") from None
    return document


def without_half_pairs(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """The same JSON value with U+FFFD in place of each half of a surrogate pair, which UTF-8 cannot carry."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_half_pairs(inner) for inner in value]
    if isinstance(value, dict):
        return {_HALF_PAIR.sub("\ufffd", name): without_half_pairs(inner) for name, inner in value.items()}
    return value


def _float(text: str) -> float | str:
    """A number that no float can name stays text, as `NaN` does: JSON could not carry it on."""
    number = float(text)
    return text if math.isinf(number) else number


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_INTEGER else text
