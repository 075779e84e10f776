"""Client of the Epicor Kinetic REST API v2: identity, OData reads and writes, $metadata, errors."""

from epicor_kinetic_client.client import EpicorClient, Row
from epicor_kinetic_client.metadata import EntityType, Property, ServiceMetadata
from epicor_kinetic_client.reply import Reply
from epicor_kinetic_client.settings import EPICOR_SETTINGS, EpicorSettings, with_epicor_settings

__all__ = [
    "EPICOR_SETTINGS",
    "EntityType",
    "EpicorClient",
    "EpicorSettings",
    "Property",
    "Reply",
    "Row",
    "ServiceMetadata",
    "with_epicor_settings",
]
