"""Writes OData v4 expressions as Kinetic takes them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

Value = str | int | float | bool | Decimal | dt.datetime | dt.date | uuid.UUID | None


class Raw(str):
    """Text that already is a literal, such as the moment or the GUID that a row held; it is not quoted."""

    __slots__ = ()


def literal(value: Value) -> str:
    """A value as an OData literal.

    A moment without a zone is taken as UTC: Kinetic reads a literal without a zone as arithmetic.
    """
    return next(write(value) for kind, write in _WRITERS if isinstance(value, kind))


def typed_literal(value: Value, edm_type: str) -> str:
    """A value out of a JSON row as the literal that its column's type needs."""
    if isinstance(value, str) and edm_type in _UNQUOTED:
        return literal(Raw(with_zone(value) if edm_type == "Edm.DateTimeOffset" else value))
    return literal(value)


_UNQUOTED = frozenset(
    {
        "Edm.DateTimeOffset",
        "Edm.Date",
        "Edm.TimeOfDay",
        "Edm.Guid",
        "Edm.Int16",
        "Edm.Int32",
        "Edm.Int64",
        "Edm.Decimal",
        "Edm.Double",
    }
)


def with_zone(text: str) -> str:
    """A moment's text with its zone; without one it is UTC."""
    if "T" not in text:
        return f"{text}T00:00:00Z"
    clock = text.partition("T")[2]
    return text if clock.endswith(("Z", "z")) or "+" in clock or "-" in clock else f"{text}Z"


def _moment(value: dt.datetime) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    text = aware.astimezone(dt.UTC).isoformat(timespec="microseconds")
    text = text.removesuffix("+00:00").rstrip("0").removesuffix(".")
    return f"{text}Z"


# A subclass before its base: a bool is an int, a datetime is a date.
_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (type(None), lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (Raw, str),
    (str, lambda value: "'" + value.replace("'", "''") + "'"),
    (dt.datetime, _moment),
    (dt.date, lambda value: f"{value.isoformat()}T00:00:00Z"),
    (object, str),
)


def eq(column: str, value: Value) -> str:
    """`column eq value`."""
    return f"{column} eq {literal(value)}"


def ne(column: str, value: Value) -> str:
    """`column ne value`."""
    return f"{column} ne {literal(value)}"


def gt(column: str, value: Value) -> str:
    """`column gt value`."""
    return f"{column} gt {literal(value)}"


def ge(column: str, value: Value) -> str:
    """`column ge value`."""
    return f"{column} ge {literal(value)}"


def lt(column: str, value: Value) -> str:
    """`column lt value`."""
    return f"{column} lt {literal(value)}"


def le(column: str, value: Value) -> str:
    """`column le value`."""
    return f"{column} le {literal(value)}"


def and_(*conditions: str) -> str:
    """All of the conditions that are not empty; empty without any."""
    return _joined(" and ", conditions)


def or_(*conditions: str) -> str:
    """Any of the conditions that are not empty; empty without any."""
    return _joined(" or ", conditions)


def _joined(word: str, conditions: Sequence[str]) -> str:
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else word.join(f"({condition})" for condition in given)


def key_predicate(key: Mapping[str, Value]) -> str:
    """A key with names: `(Company='EPIC06',CustNum=12,ShipToNum='',ConNum=3)`."""
    return "(" + ",".join(f"{name}={literal(value)}" for name, value in key.items()) + ")"


def key_segment(key: Mapping[str, Value]) -> str:
    """A key predicate as it stands in a URL."""
    return quote(key_predicate(key), safe="'(),=")


def fits_in_path(key: Mapping[str, Value]) -> bool:
    """Whether a key can stand in a path: Kinetic does not find part numbers with `/`, `#` or `%` there."""
    return not any(isinstance(value, str) and set(value) & set("/\\#%?&+") for value in key.values())
