"""Turns the columns of an entity type into a JSON schema, without what must not or need not be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kinetic_mailchimp.epicor import EntityType, Property
from kinetic_mailchimp.epicor.row_values import BOOLEAN, INTEGERS, NUMBERS, TEXT, TIMESTAMP

_SECRET = re.compile(r"password|passwd|\bpwd\b|secret|creditcardnum|cardnumber|\bcvv", re.IGNORECASE)
_SENSITIVE = re.compile(
    r"^(TaxPayerID|TaxRegionID|TIN|SSN|.*SocialSecurity.*|.*BankAcc(oun)?tNum.*|.*IBAN.*)$", re.IGNORECASE
)
_SYSTEM = frozenset({"BitFlag", "RowMod"})

_JSON_TYPES: Mapping[str, Mapping[str, Any]] = {
    TEXT: {"type": "string"},
    BOOLEAN: {"type": "boolean"},
    **{name: {"type": "integer"} for name in INTEGERS},
    **{name: {"type": "number"} for name in NUMBERS},
    TIMESTAMP: {"type": "string", "format": "date-time"},
    "Edm.Date": {"type": "string", "format": "date"},
    # No `format`: it would ask for a zone, which a time of day has not.
    "Edm.TimeOfDay": {"type": "string"},
    "Edm.Duration": {"type": "string", "format": "duration"},
    "Edm.Guid": {"type": "string", "format": "uuid"},
    "Edm.Binary": {"type": "string", "contentEncoding": "base64"},
}
_ANYTHING: Mapping[str, Any] = {"type": ["string", "number", "boolean", "object", "array", "null"]}


def is_secret(column: str) -> bool:
    """Tell whether a column must never be read: Kinetic keeps a portal password in the row of a contact."""
    return bool(_SECRET.search(column))


def is_off_by_default(column: str, declared: frozenset[str]) -> bool:
    """Tell whether a column is read only when it is selected by name."""
    return column in declared or column in _SYSTEM or bool(_SENSITIVE.match(column))


def readable(entity: EntityType) -> dict[str, Property]:
    """The columns that may be read."""
    return {name: column for name, column in entity.properties.items() if not is_secret(name)}


def row_schema(
    entity: EntityType, key: Sequence[str], nested: Mapping[str, EntityType | None]
) -> dict[str, Any]:
    """The JSON schema of a row.

    Args:
        entity: The type of the row.
        key: Columns that are never null.
        nested: Navigation properties that come along, with the types they lead to where these are known.
    """
    properties = {
        name: column_schema(column, nullable=name not in key) for name, column in readable(entity).items()
    }
    for name, child in nested.items():
        items = row_schema(child, child.key, {}) if child else {"type": "object"}
        properties[name] = {"type": ["array", "null"], "items": items}
    return {"type": "object", "properties": properties}


def column_schema(column: Property, *, nullable: bool) -> dict[str, Any]:
    """The JSON schema of a column."""
    known = _JSON_TYPES.get(column.edm_type)
    if column.is_collection:
        return {"type": ["array", "null"], "items": dict(known or _ANYTHING)}
    if known is None:
        return dict(_ANYTHING)
    return {**known, "type": [known["type"], "null"]} if nullable else {**known, "type": [known["type"]]}


def entity_of_schema(name: str, key: tuple[str, ...], schema: Mapping[str, Any]) -> EntityType:
    """An entity type out of a JSON schema: the reverse of `row_schema`, as far as the types are known."""
    return EntityType(name, key, {column: Property(column, _edm_of(schema[column])) for column in schema})


def _edm_of(schema: Mapping[str, Any]) -> str:
    given = schema.get("type", "string")
    kinds = {given} if isinstance(given, str) else set(given)
    if "integer" in kinds:
        return "Edm.Int64"
    matching = (
        edm_type
        for edm_type, known in _JSON_TYPES.items()
        if known["type"] in kinds and known.get("format") == schema.get("format")
    )
    return next(matching, "Edm.String")


_TIMESTAMP_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$")


def inferred_entity(name: str, key: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> EntityType:
    """An entity type out of rows, for a BAQ that shows no $metadata; what is null in all of them is text."""
    types: dict[str, str | None] = {}
    for row in rows:
        for column, value in row.items():
            # Numbers come with and without decimals in one column.
            if not column.startswith("@") and types.get(column) in {None, "Edm.Int64"}:
                types[column] = _edm_type(value) or types.get(column)
    properties = {column: Property(column, edm_type or "Edm.String") for column, edm_type in types.items()}
    return EntityType(name, key, properties)


def _edm_type(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return "Edm.Int64"
    if isinstance(value, float):
        return "Edm.Decimal"
    return TIMESTAMP if isinstance(value, str) and _TIMESTAMP_TEXT.match(value) else "Edm.String"
