"""Client of the Epicor Kinetic REST API v2: identity, OData reads and writes, $metadata, errors."""

from kinetic_mailchimp.epicor.client import EpicorClient
from kinetic_mailchimp.epicor.metadata import EntityType, Property, ServiceMetadata
from kinetic_mailchimp.epicor.rows import Row, Rows, row_name
from kinetic_mailchimp.epicor.settings import EPICOR_SETTINGS, EpicorSettings, with_epicor_settings

__all__ = [
    "EPICOR_SETTINGS",
    "EntityType",
    "EpicorClient",
    "EpicorSettings",
    "Property",
    "Row",
    "Rows",
    "ServiceMetadata",
    "row_name",
    "with_epicor_settings",
]
