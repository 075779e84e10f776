"""Active customers: those of the configured types that are not marked inactive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.epicor.odata import and_, eq, or_

ACTIVE = "Active"
INACTIVE = "Inactive"
TYPE = "CustomerType"
ACTIVE_SCHEMA: Mapping[str, Any] = {
    "type": ["boolean", "null"],
    "description": "Derived: not marked inactive, and of one of the configured customer types.",
}


def customers_to_read(entity: EntityType, types: Iterable[str], *, skips_inactive: bool) -> str:
    """The OData condition for the customers that flow; columns that the tenant lacks restrict nothing.

    Args:
        entity: The type of the rows.
        types: Customer types that count (`CUS` customer, `PRO` prospect, `SUS` suspect); none for all.
        skips_inactive: Leave inactive customers out; else they flow with `Active` false.
    """
    of_type = or_(*(eq(TYPE, name) for name in sorted({*types}))) if TYPE in entity.properties else ""
    skips = skips_inactive and INACTIVE in entity.properties
    return and_(of_type, eq(INACTIVE, value=False) if skips else "")
