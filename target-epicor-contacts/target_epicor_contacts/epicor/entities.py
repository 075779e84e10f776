"""The two kinds of rows that hold an e-mail address in Kinetic, and single rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

EMAIL = "EMailAddress"
PERSON = "PerConID"
SYNC_EMAIL = "SyncEmailToPerCon"
SYSTEM_ID = "SysRowID"


@dataclass(frozen=True)
class Entity:
    """A kind of rows.

    Attributes:
        name: The table, as Kinetic's tablesets call it.
        setting: The word for it in the setting `match`.
        service: Its business object.
        set_name: Its entity set.
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
        entity: The kind of row.
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

    def with_changes(self, changes: Mapping[str, Any]) -> EpicorRow:
        """The row after these changes."""
        return replace(self, values={**self.values, **changes})
