"""Epicor's columns: which exist, the form of their values, and the equality of two values."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from html.entities import html5
from typing import Any

from kinetic_mailchimp.kit.countries import country_code, country_name
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError
from kinetic_mailchimp.kit.numbers import bounded_decimal
from kinetic_mailchimp.kit.timestamps import parse_timestamp

from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, Entity

NEVER_WRITTEN: Mapping[str, str] = {
    **dict.fromkeys(
        ("Company", "CustNum", "ShipToNum", "ConNum", "CustID"), "it is part of what identifies the row"
    ),
    **dict.fromkeys(("SysRowID", "SysRevID", "UD_SysRevID", "RowMod", "BitFlag"), "Epicor maintains it"),
    **dict.fromkeys(
        ("UpdatedOn", "ChangeDate", "ChangeTime", "ChangedBy", "ChangedOn"), "Epicor maintains it"
    ),
    "SFPortalPassword": "it is a secret",
    EMAIL: "an address is changed by the property `new_email`",
}
"""Columns that no record may set, and why."""

NAME = "Name"
OF_CONTACTS_ONLY = frozenset({NAME, "FirstName", "MiddleName", "LastName"})
"""A person's name never becomes the name of a company."""


_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd-\uffff]")
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

CHANGE_TIMESTAMPS = ("UpdatedOn", "ChangedOn")
"""Columns with the time of a row's last change, best first."""
CHANGE_COLUMNS = (*CHANGE_TIMESTAMPS, "ChangeDate", "ChangeTime")
"""All columns that are needed for it; ChangeDate and ChangeTime are the last resort."""


COUNTRY = "country"
"""The type of a text that names a country: a code and a name mean the same."""


class InvalidValueError(DataError):
    """A value that its column cannot take."""


@dataclass(frozen=True)
class Columns:
    """The columns that there are.

    Attributes:
        types: Name of an entity to its columns and their OData types.
        lengths: Name of an entity to the most characters of its columns, where `$metadata` tells.
        countries: The columns that name a country.
        names_companies: Whether a merge field is declared for `Name`: then it is the customer's, and a
            contact's follows from its parts alone.
    """

    types: Mapping[str, Mapping[str, str]]
    lengths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    countries: frozenset[str] = frozenset()
    names_companies: bool = False

    def coerced(self, entity: Entity, column: str, value: Any) -> Any:  # noqa: ANN401 (any JSON)
        """The value in the form that the column takes.

        Raises:
            InvalidValueError: It is damaged or over-long, or cannot be brought into that form.
        """
        coerced = coerce(column, value, self.edm_type(entity, column) or "")
        if not isinstance(coerced, str):
            return coerced
        if is_damaged(coerced):
            raise InvalidValueError(
                f"The value for `{column}` is damaged: nobody can have typed it.",
                advice="Correct it in Mailchimp; Epicor keeps what it has.",
                field=column,
            )
        length, most = _units(coerced), self._most(entity, column)
        if length > most:
            raise InvalidValueError(
                f"The value for `{column}` is too long: {length} characters, the column takes {most}.",
                advice="Shorten it in Mailchimp, or cut it in the mapping.",
                field=column,
            )
        return coerced

    def cut(self, entity: Entity, column: str, text: str) -> str:
        """As much of a text as the column takes, for one that this software made."""
        text = text[: self._most(entity, column)]
        while _units(text) > self._most(entity, column):
            text = text[:-1]
        return text.rstrip()

    def _most(self, entity: Entity, column: str) -> int:
        return self.lengths.get(entity.name, {}).get(column, sys.maxsize)

    def edm_type(self, entity: Entity, column: str) -> str | None:
        """The type of a column, or None where the entity has no such column or must not get it."""
        if column == NAME and self.names_companies:
            if entity is CONTACT:
                return None
        elif column in OF_CONTACTS_ONLY and entity is not CONTACT:
            return None
        edm_type = self.types.get(entity.name, {}).get(column)
        return COUNTRY if edm_type == "Edm.String" and column in self.countries else edm_type

    def holders(self, column: str, entities: Iterable[Entity]) -> list[Entity]:
        """Those of the entities that take the column."""
        return [entity for entity in entities if self.edm_type(entity, column)]

    def check(
        self,
        column: str,
        entities: Iterable[Entity],
        *,
        origin: str,
        everywhere: bool = False,
        types: tuple[str, ...] = (),
    ) -> None:
        """Make sure that a column can be written.

        Args:
            column: Its name.
            entities: Those that are matched.
            origin: The setting or stream that asks for the column, for the message.
            everywhere: Whether each of the entities must have it, else one is enough.
            types: The OData types that it may have; any without.

        Raises:
            ConfigurationError: It cannot; the message has the reason and the way out.
        """
        if column in NEVER_WRITTEN:
            raise ConfigurationError(
                f"{origin} sets `{column}`, which cannot be written: {NEVER_WRITTEN[column]}.",
                advice="Take it out of the mapping or the settings.",
            )
        wanted = list(entities)
        holders = self.holders(column, wanted)
        missing = [entity.name for entity in wanted if entity not in holders]
        found = {self.edm_type(entity, column) or "" for entity in holders}
        if types and not found <= set(types):
            raise ConfigurationError(
                f"{origin} is `{column}`, a column of type {', '.join(sorted(found))}.",
                advice=f"Name one of type {' or '.join(types)}.",
            )
        if holders and not (everywhere and missing):
            return
        raise ConfigurationError(
            f"{origin} sets `{column}`; there is no such column in Epicor's {' and '.join(missing)}.",
            advice=_how_to_add(column, missing),
        )


def _how_to_add(column: str, tables: Iterable[str]) -> str:
    if not column.endswith("_c"):
        return "Names are case-sensitive; `$metadata` of the service lists them. A UD column ends in `_c`."
    return (
        f"Add it in Extended UD Table Maintenance to {' and '.join(tables)}, then regenerate the data model "
        "and restart the application server; on SaaS ask Epicor for the regeneration."
    )


def is_damaged(text: str) -> bool:
    """True if a text was broken on its way: it has a lost character, half of one, or an HTML entity."""
    entities = (found[1] for found in _ENTITY.finditer(text))
    return bool(_BROKEN.search(text)) or any(name[0] == "#" or f"{name};" in html5 for name in entities)


def _units(text: str) -> int:
    """The length of a text as SQL Server counts it: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def coerce(column: str, value: Any, edm_type: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value in the form that the column takes.

    Args:
        column: Name of the column, for the message.
        value: As the event has it.
        edm_type: The column's type in `$metadata`.

    Raises:
        InvalidValueError: It cannot be brought into that form.
    """
    try:
        return _conversion(edm_type)(value)
    except (ValueError, TypeError, InvalidOperation, KeyError) as error:
        raise InvalidValueError(
            f"The value for `{column}` is not a valid {edm_type.removeprefix('Edm.')}.",
            advice="Check the mapping.",
            field=column,
        ) from error


def same(one: Any, other: Any, edm_type: str) -> bool:  # noqa: ANN401 (any JSON)
    """True if two values mean the same to Epicor: timestamps in any zone, a missing text and an empty one."""
    return one == other or _canonical(one, edm_type) == _canonical(other, edm_type)


def is_empty(value: Any) -> bool:  # noqa: ANN401 (any JSON)
    """True if a value stands for nothing."""
    return value is None or value == ""


def fingerprint(value: Any, edm_type: str) -> str:  # noqa: ANN401 (any JSON)
    """A digest that shows a change of a value: the ledger holds no names and no streets."""
    canonical = _canonical(value, edm_type)
    if canonical is None:
        return ""
    return hashlib.blake2b(json.dumps(canonical).encode(), digest_size=10).hexdigest()


def timestamp_in(value: Any) -> datetime | None:  # noqa: ANN401 (any JSON)
    """The timestamp in a value of Epicor, in UTC; without a zone it is in UTC. None where there is none."""
    try:
        return parse_timestamp(str(value)).astimezone(UTC)
    except ValueError:
        return None


def _canonical(value: Any, edm_type: str) -> str | None:  # noqa: ANN401 (any JSON)
    if is_empty(value):
        return None
    try:
        converted = _conversion(edm_type)(value)
    except (ValueError, TypeError, InvalidOperation, KeyError):
        return str(value)
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


def _integer(value: Any) -> int:  # noqa: ANN401 (any JSON)
    number = bounded_decimal(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
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
    **dict.fromkeys(("Edm.Byte", "Edm.Int16", "Edm.Int32", "Edm.Int64"), _integer),
    **dict.fromkeys(("Edm.Decimal", "Edm.Double", "Edm.Single"), _number),
    "Edm.DateTimeOffset": _timestamp,
    "Edm.Date": _date,
}
