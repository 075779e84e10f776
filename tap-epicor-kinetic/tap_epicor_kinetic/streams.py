"""The Singer side of a stream: schema, selection, bookmarks, and records page by page."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.epicor import EntityType, EpicorClient
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, PermissionDeniedError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from singer_sdk import Stream
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_epicor_kinetic.catalog.columns import is_off_by_default, row_schema
from tap_epicor_kinetic.catalog.declarations import COMPANY, StreamDeclaration
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.cursor import Cursor, resolve_cursor
from tap_epicor_kinetic.reading.deletions import DELETED_AT, DELETED_AT_SCHEMA, KeyStore
from tap_epicor_kinetic.records.activity import ACTIVE, ACTIVE_SCHEMA
from tap_epicor_kinetic.settings import ReadSettings
from tap_epicor_kinetic.stream_reader import StreamReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog, MetadataMapping


class EpicorStream(Stream):
    """Rows of one set, company by company.

    Args:
        declaration: What is known of the stream without asking.
    """

    is_sorted = True
    check_sorted = False

    def __init__(
        self,
        tap: Tap,
        declaration: StreamDeclaration,
        discovery: Discovery,
        client: EpicorClient,
        settings: ReadSettings,
    ) -> None:
        self.declaration = declaration
        self._discovery = discovery
        self._client = client
        self._read_settings = settings
        self._has_catalog_entry = False
        self._extracted_at = utc_now()
        self._warnings: set[str] = set()
        self._is_whole = True
        super().__init__(tap, name=declaration.name)

    # What the stream looks like

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
        return metadata

    # Where a run begins and how far it got

    @property
    @override
    def partitions(self) -> list[dict[str, Any]] | None:
        return [{COMPANY: company} for company in self._client.settings.companies]

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """The bookmark tells where a run begins; the SDK's own note of it would end up in the state."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> dt.datetime | None:
        """The upper bound is read from the server, whose clock is the one that stamps the rows."""
        return None

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """The state moves page by page (see `get_records`)."""

    # Records

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """Not where the SDK would, before the first record: a target may take what has not come for gone."""
        return False

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        is_full = self.replication_method == REPLICATION_FULL_TABLE
        if is_full and self._read_settings.tells_completeness:
            self._stream_version = self._initialized_at // 1000
        yield from super()._sync_records(context, write_messages=write_messages)
        if self._stream_version and self._is_whole and write_messages:
            self._write_activate_version_message(self._stream_version)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        company = (context or {})[COMPANY]
        state = self.get_context_state(context)
        try:
            yield from self._read_company(company, state)
            if self._read_settings.reports_deletions_of(self.name):
                yield from self._deletions(company, state)
        except PermissionDeniedError as error:
            self._say_where(error, company)
            if self._read_settings.on_company_error == "fail":
                self._client.stop()
                raise
            self.logger.error("%s The other companies are read.", error)  # noqa: TRY400 (it says what to do)
            self._is_whole = False
        except ConnectorError as error:
            self._say_where(error, company)
            self._client.stop()
            raise

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        """Spare each record the SDK's selection and type checks: `RowShaper` has done both, page by page."""
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(
                    stream_map.stream_alias,
                    mapped,
                    version=self._stream_version,
                    time_extracted=self._extracted_at,
                )

    def _read_company(self, company: str, state: dict[str, Any]) -> Iterator[Record]:
        reader = self._reader
        shaper = reader.shaper(company)
        bookmark = Bookmark.from_state(state)
        self._check_metadata(bookmark.column)
        bookmark = bookmark.checked(self.cursor, self.name, reader.condition)
        # What an interrupted run has read already comes under another version.
        self._is_whole = self._is_whole and bookmark.unfinished is None
        for rows, reached in reader.scan(company, bookmark):
            self._extracted_at = utc_now()
            yield from shaper.records(rows)
            # Only now is every record of the page written.
            for name in ("replication_key", "replication_key_value", "rows", "unfinished"):
                state.pop(name, None)
            state |= reached.to_state()
            self._write_state()

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

    def _deletions(self, company: str, state: dict[str, Any]) -> Iterator[Record]:
        """Records of the rows that are gone."""
        reader = self._reader
        store = KeyStore(self._read_settings.key_store)
        try:
            found = store.remember(self.name, company, reader.keys(company), utc_now())
            self.logger.info("Company %s: %d rows of %s are gone.", company, found, self.name)
            for deletion in store.deletions(self.name, company, state.get("deletions", 0)):
                record = dict(zip(reader.key_columns, deletion.key, strict=True))
                yield {**record, COMPANY: company, DELETED_AT: deletion.found_at}
                state["deletions"] = deletion.number
        finally:
            store.close()
        self._write_state()

    @cached_property
    def _reader(self) -> StreamReader:
        chosen = {name for name in self.schema["properties"] if self.mask.get(("properties", name), False)}
        chosen |= {*self.key} | ({self.replication_key} if self.replication_key else set())
        return StreamReader(
            client=self._client,
            declaration=self.declaration,
            entity=self.entity,
            key=self.key,
            cursor=self.cursor,
            settings=self._read_settings,
            chosen=frozenset(chosen),
            warn=self._warn_once,
        )

    def _write_state(self) -> None:
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _warn_once(self, message: str) -> None:
        """Say what holds for every company once."""
        if message not in self._warnings:
            self._warnings.add(message)
            self.logger.warning(message)

    def _say_where(self, error: ConnectorError, company: str) -> None:
        error.message = f"Stream {self.name}, company {company}: {error.message}"
