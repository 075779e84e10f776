"""Writes changes to rows, verifies that they were stored, and notes the result of each column."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.errors import BodyTooLargeError
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    DataError,
    NotFoundError,
)

from target_epicor_contacts.epicor.calls import (
    Portions,
    as_permanent_failure,
    is_passing,
    is_server_error,
    may_be_about_one,
)
from target_epicor_contacts.epicor.column_values import is_stored
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_sender import ATTEMPTS, RowSender, WriteMode
from target_epicor_contacts.epicor.row_write import RowWrite, not_stored

logger = logging.getLogger(__name__)

ROWS_PER_BATCH = 50
MOST_DOUBTFUL = 3
"""Rows that may be refused as a whole before a run ends for it."""


class RowWriter:
    """Writes many rows, some at the same time.

    Args:
        first: Columns that are written before the others when the row as a whole is refused, so that a street
            name that a business rule dislikes never stops an opt-out.
        together: Columns that are then written with each other, by the name of their field; any other goes by
            itself, so that a value which one column does not take never stops another.
    """

    def __init__(
        self,
        client: EpicorClient,
        finder: RowFinder,
        columns: Columns,
        executor: Executor,
        *,
        mode: WriteMode = WriteMode.PATCH,
        verify: bool = True,
        first: frozenset[str] = frozenset(),
        together: Mapping[str, str] | None = None,
    ) -> None:
        self._sender = RowSender(client, mode)
        self._finder = finder
        self._columns = columns
        self._executor = executor
        self._mode = mode
        self._verify = verify
        self._fields = {**(together or {}), **dict.fromkeys(first, "")}
        self._stopped = threading.Event()
        self._portions = Portions(ROWS_PER_BATCH)
        self._written: set[tuple[str, str]] = set()
        self._doubtful: list[RowWrite] = []

    def write(self, writes: Sequence[RowWrite]) -> None:
        """Write rows; each write has its result afterwards, also a failure that ends the run."""
        self._stopped.clear()
        if self._mode is WriteMode.UPDATE_EXT:
            list(self._executor.map(self._write_batch, _batches(writes)))
        else:
            list(self._executor.map(self._write_row, writes))
        self._judge_doubtful()
        if self._verify:
            self._read_back(writes)
        for write in writes:
            if write.now is None and not (write.refused or write.fatal or write.gone):
                write.now = write.row.with_changes(write.changes)
            self._finder.remember(write.row, write.now)

    # One row

    def _write_row(self, write: RowWrite) -> None:
        if self._stopped.is_set():
            write.fatal = _not_tried()
            return
        try:
            self._write_in_parts(write)
        except NotFoundError:
            write.gone = True
        except ConnectorError as error:
            write.fatal = error
            # A firewall or a permission may refuse one row alone: a few others are tried.
            self._doubtful.append(write)
            if not may_be_about_one(error) or len(self._doubtful) > MOST_DOUBTFUL:
                self._stopped.set()
        else:
            self._written.add(_kind(write))

    def _judge_doubtful(self) -> None:
        """Take what was refused of single rows for what it is, where others of their kind were written."""
        for write in self._doubtful:
            error = write.fatal
            if (
                error
                and may_be_about_one(error)
                and _kind(write) in self._written
                and not self._stopped.is_set()
            ):
                refusal = error.of_one_record(
                    "Other rows of its kind can be written: look for what differs in this one."
                )
                write.refused.update(dict.fromkeys(write.changes, refusal))
                write.fatal = None
        self._doubtful.clear()

    def _write_in_parts(self, write: RowWrite) -> None:
        """Write all columns; where Kinetic refuses that, field by field, those that matter most first."""
        refusal = self._send_with_verification(write, write.changes)
        if refusal is None:
            return
        parts: dict[str, dict[str, Any]] = defaultdict(dict)
        for column, value in write.changes.items():
            parts[self._fields.get(column, column)][column] = value
        if len(parts) == 1:
            write.refused.update(dict.fromkeys(write.changes, refusal))
            return
        for name in sorted(parts):
            if refused := self._send_with_verification(write, parts[name]):
                write.refused.update(dict.fromkeys(parts[name], refused))

    def _send_with_verification(self, write: RowWrite, changes: Mapping[str, Any]) -> DataError | None:
        """Send; where the outcome is not known, look, and send again only what is not there.

        Returns:
            The refusal, if Kinetic refuses.

        Raises:
            ConnectorError: The row is gone, or no other row could be written, either.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._send(write, changes)
            except AmbiguousWriteError as error:
                now = self._now(write.row)
                if now is not None and not self._differing(changes, now):
                    break
                if attempt < ATTEMPTS:
                    continue
                if is_server_error(error) and now is not None and self._is_untouched(write.row, changes, now):
                    return as_permanent_failure(error, ATTEMPTS)
                raise
            except DataError as error:
                # Business rules say "Territory not found" in the words in which Kinetic misses a row.
                if isinstance(error, NotFoundError) and self._now(write.row) is None:
                    raise
                return error
            except BodyTooLargeError as error:
                return DataError(error.message, status=error.status, advice="Shorten its values.")
            else:
                break
        return None

    def _send(self, write: RowWrite, changes: Mapping[str, Any]) -> None:
        """Send; a plain 404, as other servers have it for a path too, is about a row that is gone."""
        try:
            self._sender.send(write, changes)
        except ConfigurationError as error:
            if error.status == HTTPStatus.NOT_FOUND and self._now(write.row) is None:
                raise NotFoundError(
                    f"{write.row.entity.name}: there is no row with this key.",
                    advice="It may have been deleted meanwhile.",
                    status=error.status,
                ) from error
            raise

    def _now(self, row: EpicorRow) -> EpicorRow | None:
        """A row as it is in Kinetic; None where it is gone."""
        return self._finder.current([row], one_by_one=True).get(row.id)

    def _is_untouched(self, row: EpicorRow, changes: Iterable[str], now: EpicorRow) -> bool:
        """True if a row still holds what it did, in all columns that were to change."""
        return not self._differing({column: row.values.get(column) for column in changes}, now)

    # Many rows in one call

    def _write_batch(self, batch: Sequence[RowWrite]) -> None:
        try:
            refused = self._send_batch_with_verification(batch)
        except ConnectorError as error:
            if not (isinstance(error, DataError) or may_be_about_one(error)):
                self._stopped.set()
                for write in batch:
                    write.fatal = error
                return
            refused = {write.row.id for write in batch}
        # A row that was refused goes on its own, where its parts are refused one by one.
        for write in batch:
            if write.row.id in refused:
                write.calls.clear()
                self._write_row(write)

    def _send_batch_with_verification(self, batch: Sequence[RowWrite]) -> set[str]:
        """Ids of the rows that were refused."""
        rest = list(batch)
        for attempt in range(1, ATTEMPTS + 1):
            if self._stopped.is_set():
                raise _not_tried()
            try:
                return set(self._portions.collect(rest, self._sender.send_batch))
            except AmbiguousWriteError as error:
                if attempt == ATTEMPTS and not is_server_error(error):
                    raise
                now = self._finder.current([write.row for write in rest], one_by_one=True)
                rest = [
                    write
                    for write in rest
                    if write.row.id not in now or self._differing(write.changes, now[write.row.id])
                ]
                if not rest:
                    return set()
        # One row of them may be the one over which the server fails: each goes on its own.
        return {write.row.id for write in rest}

    # Afterwards

    def _read_back(self, writes: Sequence[RowWrite]) -> None:
        written = [
            write
            for write in writes
            if not (write.fatal or write.gone) and write.changes.keys() - write.refused
        ]
        if not written:
            return
        try:
            found = self._finder.current([write.row for write in written])
        except ConnectorError as error:
            if is_passing(error):
                for write in written:
                    write.fatal = error
            else:
                # The writes succeeded: a read that fails after them does not make them fail.
                logger.warning("%d rows are written, and cannot be read back: %s", len(written), error)
            return
        for write in written:
            write.now = found.get(write.row.id)
            if write.now is None:
                write.gone = True
                continue
            for column in self._differing(write.changes, write.now):
                write.refused.setdefault(column, not_stored(write, column, write.now))

    def _differing(self, changes: Mapping[str, Any], now: EpicorRow) -> list[str]:
        types = self._columns.types.get(now.entity.name, {})
        return [
            column
            for column, value in changes.items()
            if not is_stored(value, now.values.get(column), types.get(column, ""))
        ]


def _kind(write: RowWrite) -> tuple[str, str]:
    return write.row.company, write.row.entity.name


def _not_tried() -> ConnectorError:
    return ConnectorError("Not tried: the run was ending.", advice="The next run tries it.")


def _batches(writes: Iterable[RowWrite]) -> list[list[RowWrite]]:
    groups: dict[tuple[str, str], list[RowWrite]] = defaultdict(list)
    for write in writes:
        groups[_kind(write)].append(write)
    return [
        group[start : start + ROWS_PER_BATCH]
        for group in groups.values()
        for start in range(0, len(group), ROWS_PER_BATCH)
    ]
