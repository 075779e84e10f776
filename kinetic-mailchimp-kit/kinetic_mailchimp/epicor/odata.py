"""Writes OData v4 expressions as Kinetic takes them."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

Value = str | int | float | bool | Decimal | dt.datetime | dt.date | uuid.UUID | None


_DATE_LENGTH = len("2026-01-31")
_NOT_IN_PATHS = re.compile(r"[/\\#%?&+:*<>\x00-\x1f]")


class Raw(str):
    """Text that already is a literal, such as the timestamp or the GUID that a row held; it is not quoted."""

    __slots__ = ()


def literal(value: Value) -> str:
    """A value as an OData literal.

    A timestamp without a zone is taken as UTC: Kinetic reads a literal without a zone as arithmetic.
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
    """The text of a timestamp with its zone; without one it is UTC."""
    if text.startswith("/Date("):
        with suppress(ValueError):
            return _timestamp(parse_timestamp(text))
        return text
    day, clock = text[:_DATE_LENGTH], text[_DATE_LENGTH:]
    if clock.endswith(("Z", "z")) or "+" in clock or "-" in clock:
        return text
    if not clock:
        return f"{day}T00:00:00Z"
    return f"{day}T{clock[1:]}Z"


def _timestamp(value: dt.datetime) -> str:
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
    (dt.datetime, _timestamp),
    (dt.date, lambda value: f"{value.isoformat()}T00:00:00Z"),
    (object, str),
)


def eq(column: str, value: Value) -> str:
    """`column eq value`."""
    return f"{column} eq {literal(value)}"


def and_(*conditions: str) -> str:
    """All of the conditions that are not empty; empty without any."""
    return _joined(" and ", conditions)


def or_(*conditions: str) -> str:
    """Any of the conditions that are not empty; empty without any."""
    return _joined(" or ", conditions)


def _joined(word: str, conditions: Sequence[str]) -> str:
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else word.join(f"({condition})" for condition in given)


def after(order: Sequence[str], position: Sequence[Value], types: Mapping[str, str]) -> str:
    """The condition for the rows behind a position in an order of columns.

    A null comes before every value, as it does on SQL Server; only the first column may be null.

    Args:
        order: Columns, all ascending.
        position: The values of a row in these columns.
        types: Column to Edm type; a value of any other column is written as its own type needs.
    """
    first, rest = order[0], order[1:]
    if position[0] is None:
        among_nulls = f"{first} eq null and ({_after(rest, position[1:], types)})" if rest else ""
        return or_(f"{first} ne null", among_nulls)
    return _after(order, position, types)


def _after(order: Sequence[str], position: Sequence[Value], types: Mapping[str, str]) -> str:
    values = [typed_literal(value, types.get(name, "")) for name, value in zip(order, position, strict=True)]
    steps = []
    for index, name in enumerate(order):
        same = [f"{order[i]} eq {values[i]}" for i in range(index)]
        steps.append(" and ".join([*same, f"{name} gt {values[index]}"]))
    return or_(*steps)


def key_segment(key: Mapping[str, Value]) -> str:
    """A key with names, as it stands in a URL: `(Company='EPIC06',CustNum=12,ShipToNum='',ConNum=3)`."""
    columns = ",".join(f"{name}={literal(value)}" for name, value in key.items())
    return quote(f"({columns})", safe="'(),=")


def fits_in_path(key: Mapping[str, Value]) -> bool:
    """Tell whether a key can stand in a path: Kinetic misses `/`, `#` and `%`, ASP.NET refuses more."""
    return not any(isinstance(value, str) and _NOT_IN_PATHS.search(value) for value in key.values())
