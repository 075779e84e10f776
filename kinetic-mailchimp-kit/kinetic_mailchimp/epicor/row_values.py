"""Brings the values of rows into the forms that the types of their columns have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from kinetic_mailchimp.epicor.odata import with_zone
from kinetic_mailchimp.epicor.rows import Row, Rows

INTEGERS = frozenset({"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64"})
NUMBERS = ("Edm.Decimal", "Edm.Double", "Edm.Single")
TIMESTAMP = "Edm.DateTimeOffset"
BOOLEAN = "Edm.Boolean"
TEXT = "Edm.String"


def _whole(given: str | float) -> int:
    if isinstance(given, str):
        return int(given.strip().removesuffix(".0"))
    if not given.is_integer():
        raise ValueError("not a whole number")
    return int(given)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number of JSON")
    return number


def _number(kind: Callable[[Any], Any], given: str | float) -> Any:  # noqa: ANN401 (a value of a row)
    """The number that is meant, null for a blank text; anything else is left to the schema."""
    try:
        return kind(given)
    except ValueError:
        return given if str(given).strip() else None


_TRUTHS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "1", "yes", "y"), True),
    **dict.fromkeys(("false", "0", "no", "n"), False),
    "": None,
}


def _boolean(given: str | float) -> Any:  # noqa: ANN401 (a value of a row)
    """The truth in a text or a number; anything else is left to the schema."""
    return _TRUTHS.get(str(given).strip().lower(), given)


_CONVERSIONS: Mapping[str, tuple[frozenset[type], Callable[[Any], Any]]] = {
    **dict.fromkeys(INTEGERS, (frozenset({str, float}), partial(_number, _whole))),
    **dict.fromkeys(NUMBERS, (frozenset({str}), partial(_number, _finite))),
    TIMESTAMP: (frozenset({str}), with_zone),
    BOOLEAN: (frozenset({str, int}), _boolean),
    TEXT: (frozenset({int, float}), str),
}
"""By type, the Python types of values that are not in its form, and the way into it."""


def normalize_values(rows: Sequence[Row], types: Mapping[str, str]) -> None:
    """Turn values into the form of their columns: numbers in quotes, `3.0` for 3, texts without quotes.

    A timestamp without a zone is in UTC. A value that has no such form stays as it is.

    Args:
        rows: Of a page; changed in place.
        types: Column to Edm type.
    """
    if isinstance(rows, Rows):  # their parser has done it
        return
    for name in set().union(*rows):
        foreign, convert = _CONVERSIONS.get(types.get(name, ""), _AS_IT_IS)
        if any(type(row.get(name)) in foreign for row in rows):
            for row in rows:
                value = row.get(name)
                row[name] = convert(value) if type(value) in foreign else value


_AS_IT_IS: tuple[frozenset[type], Callable[[Any], Any]] = (frozenset(), lambda value: value)
