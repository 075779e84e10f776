"""Finds out what the rows of a stream look like: from $metadata, from the base product, or from rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from kinetic_mailchimp.epicor import EntityType, EpicorClient, ServiceMetadata
from kinetic_mailchimp.epicor.errors import CompanyAccessError
from kinetic_mailchimp.kit.errors import (
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    PermissionDeniedError,
)

from tap_epicor_kinetic.catalog.columns import entity_of_schema, inferred_entity
from tap_epicor_kinetic.catalog.declarations import COMPANY, StreamDeclaration
from tap_epicor_kinetic.catalog.fallback import fallback_entity

logger = logging.getLogger(__name__)

ROWS_TO_INFER_FROM = 100


class Discovery:
    """Asks each service once; the first company that lets us in answers for all."""

    def __init__(self, client: EpicorClient) -> None:
        self._client = client
        self._entities: dict[str, EntityType] = {}
        self.failures: dict[str, ConnectorError] = {}
        """By stream, why its `$metadata` could not be read and the base product stands for it."""

    def prepare(self, declarations: Sequence[StreamDeclaration]) -> None:
        """Ask for several streams at once: a service may take seconds to write its $metadata.

        Raises:
            ConnectorError: As `entity` does.
        """
        with ThreadPoolExecutor(self._client.settings.concurrency, "epicor-metadata") as pool:
            list(pool.map(self.entity, declarations))

    def entity(self, declaration: StreamDeclaration) -> EntityType:
        """The type of a stream's rows.

        Raises:
            ConnectorError: The server does not tell, and nothing is known of the stream either.
        """
        if declaration.name not in self._entities:
            self._entities[declaration.name] = self._asked(declaration)
        return self._entities[declaration.name]

    def _asked(self, declaration: StreamDeclaration) -> EntityType:
        if declaration.is_baq:
            # What a BAQ's own $metadata says about it is not known well enough to rely on.
            return self._of_baq(declaration)
        try:
            return _with_key(self._metadata(declaration).entity(declaration.entity_set), declaration)
        except CredentialsError:
            raise
        except (ConfigurationError, PermissionDeniedError, DataError) as error:
            known = fallback_entity(declaration.name, declaration.key)
            if known is None:
                error.message = f"Stream {declaration.name}: {error.message}"
                raise
            self.failures[declaration.name] = error
            logger.warning(
                "Stream %s: no $metadata of %s (%s) The columns of the base product are used.",
                declaration.name,
                declaration.service,
                error,
            )
            return known

    def nested(self, declaration: StreamDeclaration) -> Mapping[str, EntityType | None]:
        """The navigation properties that come along, with the types they lead to where these are known."""
        if not declaration.expand:
            return {}
        try:
            metadata = self._metadata(declaration)
            entity = metadata.entity(declaration.entity_set)
        except (ConfigurationError, PermissionDeniedError, DataError):
            return dict.fromkeys(declaration.nested_names)
        known = {name: metadata.related(entity, name) for name in declaration.nested_names}
        return {name: child for name, child in known.items() if name in entity.navigation}

    def _metadata(self, declaration: StreamDeclaration) -> ServiceMetadata:
        first, *others = self._client.settings.companies
        try:
            return self._client.metadata(first, declaration.service)
        except CompanyAccessError:
            for company in others:
                with suppress(CompanyAccessError):
                    return self._client.metadata(company, declaration.service)
            raise

    def _of_baq(self, declaration: StreamDeclaration) -> EntityType:
        if declaration.schema:
            return entity_of_schema(declaration.name, declaration.key, declaration.schema)
        company = self._client.settings.companies[0]
        rows = self._client.read(
            company, declaration.path, top=ROWS_TO_INFER_FROM, parameters=declaration.parameters
        )
        logger.info("Stream %s: columns taken from %d rows.", declaration.name, len(rows))
        return inferred_entity(declaration.name, declaration.key, rows)


def _with_key(entity: EntityType, declaration: StreamDeclaration) -> EntityType:
    """The type of a stream's rows, if it has the columns of the key; the company may be in the URL alone.

    Raises:
        ConfigurationError: It lacks one, so that rows could not be told apart.
    """
    missing = [name for name in declaration.key if name not in entity.properties and name != COMPANY]
    if missing:
        raise ConfigurationError(
            f"The key of {declaration.path} has the column {missing[0]}, which $metadata does not know.",
            advice="Correct `keys` of the stream in `custom_streams`, or leave them out.",
        )
    return entity
