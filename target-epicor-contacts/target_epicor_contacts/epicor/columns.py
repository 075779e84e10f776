"""Epicor's columns: which exist, which may be written, and how much they take."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError

from target_epicor_contacts.epicor.column_values import COUNTRY, InvalidValueError, coerce
from target_epicor_contacts.epicor.damaged_text import is_damaged
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


CHANGE_TIMESTAMPS = ("UpdatedOn", "ChangedOn")
"""Columns with the time of a row's last change, best first."""
CHANGE_COLUMNS = (*CHANGE_TIMESTAMPS, "ChangeDate", "ChangeTime")
"""All columns that are needed for it; ChangeDate and ChangeTime are the last resort."""


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


def _units(text: str) -> int:
    """The length of a text as SQL Server counts it: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)
