"""The two kinds of rows that hold an e-mail address in Kinetic, and single rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import short_row_id
from kinetic_mailchimp.epicor.rows import row_name

EMAIL = "EMailAddress"
PERSON = "PerConID"
SYNC_EMAIL = "SyncEmailToPerCon"
SYSTEM_ID = "SysRowID"
CURSORS = ("UpdatedOn", "SysRevID")
"""Columns that tell which of two states of a row is older; the first that a row has is what records name."""


@dataclass(frozen=True)
class Entity:
    """A kind of rows.

    Attributes:
        name: The table, as Kinetic's tablesets call it.
        setting: The word for it in the setting `match`.
        key: Key columns, Company first.
        get_parameters: Key column to the parameter of GetByID.
    """

    name: str
    setting: str
    service: str
    set_name: str
    key: tuple[str, ...]
    get_parameters: Mapping[str, str] = field(compare=False)

    @property
    def path(self) -> str:
        """The path at which its rows are read and written."""
        return f"{self.service}/{self.set_name}"


CONTACT = Entity(
    "CustCnt",
    "contacts",
    "Erp.BO.CustCntSvc",
    "CustCnts",
    ("Company", "CustNum", "ShipToNum", "ConNum"),
    {"CustNum": "custNum", "ShipToNum": "shipToNum", "ConNum": "conNum"},
)
CUSTOMER = Entity(
    "Customer",
    "customers",
    "Erp.BO.CustomerSvc",
    "Customers",
    ("Company", "CustNum"),
    {"CustNum": "custNum"},
)
ENTITIES = (CONTACT, CUSTOMER)


@dataclass(frozen=True)
class EpicorRow:
    """A row as it was read.

    Attributes:
        values: Its columns; those that were not asked for are missing.
    """

    entity: Entity
    values: Mapping[str, Any]

    @cached_property
    def key(self) -> dict[str, Any]:
        """The key columns and their values."""
        return {column: self.values[column] for column in self.entity.key}

    @property
    def company(self) -> str:
        """The company it belongs to."""
        return str(self.values["Company"])

    @cached_property
    def id(self) -> str:
        """The id among all rows: `EPIC06/CustCnt/12//3`."""
        company, *rest = (str(value) for value in self.key.values())
        return "/".join([company, self.entity.name, *rest])

    @cached_property
    def name(self) -> str:
        """The name that all plugins use for it: `CustCnt EPIC06/12//3`."""
        return row_name(self.entity.name, *self.key.values())

    @property
    def short_id(self) -> int:
        """The id by which it differs from a row that had its key before; 0 where it was not read."""
        return short_row_id(self.values.get(SYSTEM_ID))

    @property
    def updated_on(self) -> str:
        """The row's time of change, or revision; empty where neither was read."""
        return next((str(value) for name in CURSORS if (value := self.values.get(name))), "")

    def with_changes(self, changes: Mapping[str, Any]) -> EpicorRow:
        """The row after these changes."""
        return replace(self, values={**self.values, **changes})


def named_row(name: str) -> EpicorRow | None:
    """A row, of which only the key is known, by its `row_name`; None for a name of no contact or customer."""
    table, _, rest = name.partition(" ")
    parts = rest.split("/")
    for entity in ENTITIES:
        extra = len(parts) - len(entity.key)
        if entity.name != table or extra < 0 or (extra and entity is CUSTOMER):
            continue
        # A ShipToNum may have slashes of its own.
        texts = [*parts[:2], "/".join(parts[2:-1]), parts[-1]] if entity is CONTACT else parts
        if texts[1].isdecimal() and texts[-1].isdecimal():
            values = {
                column: int(text) if column in {"CustNum", "ConNum"} else text
                for column, text in zip(entity.key, texts, strict=True)
            }
            return EpicorRow(entity, values)
    return None
