"""The shape of a stream: its schema, key and change column, and what of it is selected."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.epicor import EntityType
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.singer.plugin import CheckedStream
from singer_sdk.singerlib import Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, CatalogEntry, Metadata
from typing_extensions import override

from tap_epicor_kinetic.catalog.columns import is_off_by_default, readable, row_schema
from tap_epicor_kinetic.catalog.declarations import COMPANY, StreamDeclaration
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.reading.cursor import Cursor, resolve_cursor
from tap_epicor_kinetic.reading.deletions import DELETED_AT, DELETED_AT_SCHEMA
from tap_epicor_kinetic.records.activity import ACTIVE, ACTIVE_SCHEMA
from tap_epicor_kinetic.settings import ReadSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog, MetadataMapping


class ShapedStream(CheckedStream):
    """A stream whose shape is that of a set of the service.

    Args:
        declaration: What is known of the stream without asking.
        discovery: What the service says about it.
    """

    def __init__(
        self, tap: Tap, declaration: StreamDeclaration, discovery: Discovery, settings: ReadSettings
    ) -> None:
        self.declaration = declaration
        self._discovery = discovery
        self._read_settings = settings
        self._has_catalog_entry = False
        super().__init__(tap, name=declaration.name)

    @cached_property
    def entity(self) -> EntityType:
        """The type of the rows: from $metadata, else from what is known of the base product."""
        return self._discovery.entity(self.declaration)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The key columns, the company among them."""
        key = self.declaration.key or self.entity.key
        return key if not key or COMPANY in key else (COMPANY, *key)

    @property
    def cursor(self) -> Cursor | None:
        """The change column; None for a full table."""
        if self.forced_replication_method == REPLICATION_FULL_TABLE:
            return None
        configured = self._read_settings.cursor_of(self.name) or self.declaration.cursor
        wanted = configured or self._replication_key
        self._check_metadata(wanted)
        return resolve_cursor(self.name, self.entity, wanted)

    @cached_property
    def _row_schema(self) -> dict[str, Any]:
        schema = row_schema(self.entity, self.key, self._discovery.nested(self.declaration))
        properties = schema["properties"]
        properties.setdefault(COMPANY, {"type": ["string"]})
        properties |= self.declaration.schema
        if self._read_settings.reports_deletions_of(self.name):
            properties[DELETED_AT] = dict(DELETED_AT_SCHEMA)
        if self.declaration.derives_active:
            properties[ACTIVE] = dict(ACTIVE_SCHEMA)
        return schema

    @property
    @override
    def schema(self) -> dict[str, Any]:
        return self._row_schema

    @property
    @override
    def primary_keys(self) -> Sequence[str]:
        return list((self._primary_keys or ()) if self._has_catalog_entry else self.key)

    @primary_keys.setter
    def primary_keys(self, new_value: Sequence[str] | None) -> None:
        self._primary_keys = new_value

    @property
    @override
    def replication_key(self) -> str | None:
        if self._has_catalog_entry and not self._replication_key:
            return None
        cursor = self.cursor
        return cursor.column if cursor else None

    @replication_key.setter
    def replication_key(self, new_value: str | None) -> None:
        self._replication_key = new_value

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        self._has_catalog_entry = catalog.get_stream(self.name) is not None

    @property
    @override
    def metadata(self) -> MetadataMapping:
        is_new = self._metadata is None
        metadata = super().metadata
        if is_new and not self._has_catalog_entry:
            for name in self.schema["properties"]:
                if is_off_by_default(name, self.declaration.off_by_default):
                    metadata["properties", name].selected_by_default = False
            for name, columns in self._nested_columns.items():
                for column in columns:
                    entry = Metadata(inclusion=Metadata.InclusionType.AVAILABLE)
                    metadata["properties", name, "properties", column] = entry
        return metadata

    @property
    @override
    def _singer_catalog_entry(self) -> CatalogEntry:
        entry = super()._singer_catalog_entry
        for name in self._nested_columns:
            rows = (entry.schema.properties or {})[name]
            if isinstance(rows.items, Schema):
                # Where Meltano looks for a nested column that is selected; it means nothing for a list.
                rows.properties = rows.items.properties
        return entry

    @cached_property
    def _nested_columns(self) -> dict[str, list[str]]:
        """The columns of nested rows that may be selected one by one, where they are known."""
        nested = self._discovery.nested(self.declaration)
        return {name: list(readable(child)) for name, child in nested.items() if child}

    def chosen_of_nested(self) -> dict[str, list[str]]:
        """The columns of nested rows that are selected; those of which all are, or none is, are left out."""
        chosen = {
            name: [column for column in columns if self.mask.get(("properties", name, "properties", column))]
            for name, columns in self._nested_columns.items()
        }
        return {
            name: columns
            for name, columns in chosen.items()
            if 0 < len(columns) < len(self._nested_columns[name])
        }

    def _check_metadata(self, column: str | None) -> None:
        """Make sure that a change column can be known.

        Raises:
            ConfigurationError: The base product has no such column, and `$metadata` could not be read.
        """
        known = self.entity.properties
        failure = self._discovery.failures.get(self.name)
        if failure and column and column not in known:
            raise ConfigurationError(
                f"`$metadata` of {self.declaration.service} cannot be read, so {column}, which the stream "
                f"follows, is not known: {failure.message}",
                advice=failure.advice,
                status=failure.status,
            ) from failure
