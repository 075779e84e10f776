"""Values of Epicor's columns: the form that each type takes, and the equality of two values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.parsing.countries import country_code, country_name
from kinetic_mailchimp.kit.parsing.numbers import bounded_decimal
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp.merge_field import MergeField, as_shown
from kinetic_mailchimp.mailchimp.stored_form import plain_text

COUNTRY = "country"
"""The type of a text that names a country: a code and a name mean the same."""


_TEXTS = frozenset({"Edm.String", COUNTRY, ""})
_TIMESTAMP = "Edm.DateTimeOffset"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME_OF_DAY = "T10:00:00Z"
"""The time at which a day without one is written: the same day in every zone from Hawaii to Auckland."""


class InvalidValueError(DataError):
    """A value that its column cannot take."""


def coerce(column: str, value: Any, edm_type: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value in the form that the column takes.

    Args:
        column: Name of the column, for the message.
        value: As the event has it.
        edm_type: The column's type in `$metadata`.

    Raises:
        InvalidValueError: It cannot be brought into that form.
    """
    if value == "" and edm_type not in _TEXTS:
        return None
    try:
        if edm_type == _TIMESTAMP and isinstance(value, str) and _DAY.fullmatch(value.strip()):
            return f"{_date(value)}{_TIME_OF_DAY}"
        return _conversion(edm_type)(value)
    except (ValueError, TypeError, InvalidOperation, KeyError) as error:
        raise InvalidValueError(
            f"The value for `{column}` is not a valid {edm_type.removeprefix('Edm.')}.",
            advice="Check the mapping.",
            field=column,
        ) from error


def same(one: Any, other: Any, edm_type: str, field: MergeField | None = None) -> bool:  # noqa: ANN401 (any JSON)
    """True if two values mean the same to Epicor: timestamps in any zone, a missing text and an empty one.

    Args:
        one: A value.
        other: Another one.
        edm_type: The column's type.
        field: The merge field that the column takes: what it cannot tell apart is the same, too.
    """
    if one == other:
        return True
    if edm_type == _TIMESTAMP and any(str(value).endswith(_TIME_OF_DAY) for value in (one, other)):
        return str(one)[:10] == str(other)[:10]
    return _canonical(one, edm_type, field) == _canonical(other, edm_type, field)


def is_stored(sent: Any, stored: Any, edm_type: str) -> bool:  # noqa: ANN401 (any JSON)
    """True if a row holds what was sent to it; some servers cut off the blanks around a text.

    Args:
        sent: The value in the form of its column.
        stored: As the row has it.
        edm_type: The column's type.
    """
    one, other = (value.strip() if isinstance(value, str) else value for value in (sent, stored))
    return same(one, other, edm_type)


_INTEGERS = {"Byte": 9, "Int16": 16, "Int32": 32, "Int64": 64}
"""Types of whole numbers, with the bits of a signed one that holds them."""

CLEARED: Mapping[str, Any] = {
    "Edm.Boolean": False,
    **{f"Edm.{name}": 0 for name in _INTEGERS},
    **dict.fromkeys(("Edm.Decimal", "Edm.Double", "Edm.Single"), 0),
}
"""The value of a column that nobody filled in, by type; of the others, null or an empty text."""


def is_empty(value: Any) -> bool:  # noqa: ANN401 (any JSON)
    """True if a value stands for nothing."""
    return value is None or value == ""


def fingerprint(value: Any, edm_type: str, field: MergeField | None = None) -> str:  # noqa: ANN401 (any JSON)
    """A digest that shows a change of a value: the ledger holds no names and no streets.

    Args:
        value: Of either side.
        edm_type: The column's type.
        field: As in `same`.
    """
    canonical = _canonical(value, edm_type, field)
    if canonical is None:
        return ""
    return hashlib.blake2b(json.dumps(canonical).encode(), digest_size=10).hexdigest()


def timestamp_in(value: Any) -> datetime | None:  # noqa: ANN401 (any JSON)
    """The timestamp in a value of Epicor, in UTC; without a zone it is in UTC. None where there is none."""
    try:
        return parse_timestamp(str(value)).astimezone(UTC)
    except ValueError:
        return None


def _canonical(value: Any, edm_type: str, field: MergeField | None) -> str | None:  # noqa: ANN401 (any JSON)
    if is_empty(value):
        return None
    if field is not None:
        value = as_shown(value, field)
    try:
        converted = _conversion(edm_type)(value)
    except (ValueError, TypeError, InvalidOperation, KeyError):
        return str(value)
    if edm_type in _TEXTS and field is not None:
        converted = plain_text(converted)
    if converted == CLEARED.get(edm_type):
        return None
    if edm_type in {"Edm.Decimal", "Edm.Double", "Edm.Single"}:
        return str(Decimal(str(converted)).normalize())
    if edm_type == COUNTRY:
        return country_code(converted) or str(converted)
    return str(converted)


def _text(value: Any) -> str:  # noqa: ANN401 (any JSON)
    if isinstance(value, datetime):
        return _in_epicor(value)
    if isinstance(value, dict | list):
        raise TypeError("not a text")
    return value if isinstance(value, str) else json.dumps(value)


def _country(value: Any) -> str:  # noqa: ANN401 (any JSON)
    return country_name(_text(value))


def _conversion(edm_type: str) -> Callable[[Any], Any]:
    return _CONVERSIONS.get(edm_type, _text)


_BOOLEANS: Mapping[Any, bool] = {
    True: True,
    False: False,
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0", ""), False),
}


def _boolean(value: Any) -> bool:  # noqa: ANN401 (any JSON)
    return _BOOLEANS[value.strip().lower() if isinstance(value, str) else value]


def _integer(bits: int, value: Any) -> int:  # noqa: ANN401 (any JSON)
    number = bounded_decimal(value)
    if number != number.to_integral_value() or number.copy_abs() >= 2 ** (bits - 1):
        raise ValueError("not a whole number of that size")
    return int(number)


def _number(value: Any) -> float | int:  # noqa: ANN401 (any JSON)
    number = bounded_decimal(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _timestamp(value: Any) -> str | None:  # noqa: ANN401 (any JSON)
    if is_empty(value):
        return None
    timestamp = value if isinstance(value, datetime) else timestamp_in(value)
    if timestamp is None:
        raise ValueError("not a timestamp")
    return _in_epicor(timestamp)


def _in_epicor(timestamp: datetime) -> str:
    """The text of a timestamp in UTC as Kinetic writes it: no fraction where there is none."""
    return timestamp.isoformat().replace("+00:00", "Z")


def _date(value: Any) -> str | None:  # noqa: ANN401 (any JSON)
    timestamp = _timestamp(value)
    return timestamp[:10] if timestamp else None


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "Edm.String": _text,
    COUNTRY: _country,
    "Edm.Boolean": _boolean,
    **{f"Edm.{name}": partial(_integer, bits) for name, bits in _INTEGERS.items()},
    **dict.fromkeys(("Edm.Decimal", "Edm.Double", "Edm.Single"), _number),
    _TIMESTAMP: _timestamp,
    "Edm.Date": _date,
}
