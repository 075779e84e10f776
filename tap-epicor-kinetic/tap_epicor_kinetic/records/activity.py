"""The rule for active customers: those of the configured types that are not marked inactive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.epicor.odata import and_, eq, or_

ACTIVE = "Active"
INACTIVE = "Inactive"
TYPE = "CustomerType"
SKIP = "skip"
ACTIVE_SCHEMA: Mapping[str, Any] = {
    "type": ["boolean", "null"],
    "description": "Derived: not marked inactive, and of one of the configured customer types.",
}


@dataclass(frozen=True)
class ActivityRule:
    """The rule for customers.

    Attributes:
        types: Customer types that count (`CUS` customer, `PRO` prospect, `SUS` suspect); empty for all.
        inactive: `skip` leaves inactive customers out; `flag` lets them flow with `Active` false.
    """

    types: tuple[str, ...] = ("CUS",)
    inactive: str = SKIP

    def condition(self, entity: EntityType) -> str:
        """The OData condition for the rows that flow; columns that the tenant lacks restrict nothing."""
        of_type = (
            or_(*(eq(TYPE, name) for name in sorted({*self.types}))) if TYPE in entity.properties else ""
        )
        skips = self.inactive == SKIP and INACTIVE in entity.properties
        return and_(of_type, eq(INACTIVE, value=False) if skips else "")

    def is_active(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is an active customer; other types than the configured ones do not get here."""
        return not row.get(INACTIVE)
