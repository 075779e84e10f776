"""The Singer side of reading a stream: bookmarks, and records page by page."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.kit.errors import ConnectorError, PermissionDeniedError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from typing_extensions import override

from tap_epicor_kinetic.catalog.declarations import COMPANY, StreamDeclaration
from tap_epicor_kinetic.catalog.discovery import Discovery
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.deletions import DELETED_AT, KeyStore
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.settings import ReadSettings
from tap_epicor_kinetic.stream_reader import StreamReader
from tap_epicor_kinetic.stream_shape import ShapedStream

if TYPE_CHECKING:
    import datetime as dt

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record


_UNFINISHED = "unfinished"
"""The name in a stream's state for one from its midst: further companies may follow."""


class EpicorStream(ShapedStream):
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
        self._client = client
        self._extracted_at = utc_now()
        self._warnings: set[str] = set()
        self._is_whole = True
        super().__init__(tap, declaration, discovery, settings)

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
        self.stream_state[_UNFINISHED] = True
        writer = self._tap.message_writer
        if write_messages and self._may_write_pages and isinstance(writer, BlockWriter):
            self._write_pages(context, writer)
        else:
            yield from super()._sync_records(context, write_messages=write_messages)
        self.stream_state.pop(_UNFINISHED, None)
        if write_messages:
            self._write_state()
        if self._stream_version and self._is_whole and write_messages:
            self._write_activate_version_message(self._stream_version)

    @property
    def _may_write_pages(self) -> bool:
        """True where no step of the SDK stands between the records and their lines."""
        stream_maps = self.stream_maps
        return (
            self.selected
            and self.ABORT_AT_RECORD_COUNT is None
            and all(type(one) is SameRecordTransform and not one.flattening_enabled for one in stream_maps)
        )

    def _write_pages(self, context: Context | None, writer: BlockWriter) -> None:
        """Do what the SDK does for each record once for each page."""
        with self.get_record_counter() as counter, self.get_sync_timer() as timer:
            for part in [context] if context else self.partitions or []:
                counter.with_context(part)
                timer.with_context(part)
                for page in self._pages(part):
                    alias = self.stream_maps[0].stream_alias
                    counter.increment(
                        writer.write_records(alias, page, self._extracted_at, self._stream_version)
                    )
                self._finalize_state(self.get_context_state(part))
        if not context:
            self._finalize_state(self.stream_state)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return chain.from_iterable(self._pages(context))

    def _pages(self, context: Context | None) -> Iterator[Iterable[Record]]:
        """Records in pages; the state moves when the next one is asked for."""
        company = (context or {})[COMPANY]
        state = self.get_context_state(context)
        try:
            yield from self._read_company(company, state)
            if self._read_settings.reports_deletions_of(self.name):
                yield self._deletions(company, state)
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

    def _read_company(self, company: str, state: dict[str, Any]) -> Iterator[Iterable[Record]]:
        reader = self._reader
        shaper = reader.shaper(company)
        bookmark = Bookmark.from_state(state)
        self._check_metadata(bookmark.column or self._column_of_another_tap)
        bookmark = bookmark.checked(self.cursor, self.name, reader.condition)
        # What an interrupted run has read already comes under another version.
        self._is_whole = self._is_whole and bookmark.unfinished is None
        for rows, reached in reader.scan(company, bookmark):
            self._extracted_at = utc_now()
            yield shaper.records(rows)
            # Only now is every record of the page written.
            for name in ("replication_key", "replication_key_value", "rows", "unfinished"):
                state.pop(name, None)
            state |= reached.to_state()
            self._write_state()

    @property
    def _column_of_another_tap(self) -> str | None:
        """The column of a bookmark that names no company, which is not gone by: another tap wrote it."""
        column: str | None = self.stream_state.get("replication_key")
        if column:
            self._warn_once(
                f"Stream {self.name}: its bookmark names no company, so another tap wrote it. The stream is"
                " read from the start."
            )
        return column

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
            chosen_of=self.chosen_of_nested(),
            warn=self._warn_once,
            is_typed=self._may_write_pages,
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
