"""Writes changes to rows, looks whether they were stored, and tells for each column what went wrong."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from enum import StrEnum
from functools import partial
from typing import Protocol

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import fits_in_path
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConnectorError, DataError, NotFoundError
from kinetic_mailchimp.kit.http_call import HttpCall, Reply

from target_epicor_contacts.epicor.calls import Clock, make_call
from target_epicor_contacts.epicor.columns import Columns, same
from target_epicor_contacts.epicor.entities import SYSTEM_ID, Row
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.server_errors import failing_for_good, stumbles
from target_epicor_contacts.epicor.write_results import Refusal, RowResult, RowWrite

ATTEMPTS = 5
"""Of a write whose outcome was not known, each after a look; the look itself waits for the server."""
ROWS_PER_BATCH = 50
_ERROR_ROW_IDS = ("ErrorSysRowID", "SysRowID")


class WriteMode(StrEnum):
    """Which of Kinetic's ways to write is used."""

    PATCH = "patch"
    RPC = "rpc"
    UPDATE_EXT = "update_ext"


class SendRow(Protocol):
    """Sends one row's changes once."""

    def __call__(self, write: RowWrite, result: RowResult) -> None:
        """Send, and note in the result how the call ended; every failure is a ConnectorError."""


class RowWriter:
    """Writes many rows, some at the same time.

    Args:
        client: Kinetic.
        finder: Reads rows back.
        columns: Their types, to compare values.
        executor: Runs the requests.
        mode: Which way to write.
        verify: Whether rows are read back and compared.
        first: Columns that are written by themselves when the row as a whole is refused, so that a street
            name that a business rule dislikes never stops an opt-out.
        clock: Tells how long a call took that failed.
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
        clock: Clock = time.monotonic,
    ) -> None:
        self._client = client
        self._finder = finder
        self._columns = columns
        self._executor = executor
        self._mode = mode
        self._verify = verify
        self._first = first
        self._clock = clock
        self._stopped = threading.Event()

    def write(self, writes: Sequence[RowWrite]) -> dict[str, RowResult]:
        """Write rows; a failure that ends the run stands in the result, beside what others came to."""
        self._stopped.clear()
        results: dict[str, RowResult] = {}
        if self._mode is WriteMode.UPDATE_EXT:
            batches = _batches(writes)
            for written in self._executor.map(self._write_batch, batches):
                results.update(written)
        else:
            for write, result in zip(writes, self._executor.map(self._write_row, writes), strict=True):
                results[write.row.id] = result
        if self._verify:
            self._read_back(writes, results)
        for write in writes:
            result = results[write.row.id]
            if result.now is None and not (result.refused or result.fatal or result.gone):
                result.now = write.row.with_changes(write.changes)
            self._finder.remember(write.row, result.now)
        return results

    # One row

    def _write_row(self, write: RowWrite) -> RowResult:
        result = RowResult()
        if self._stopped.is_set():
            result.fatal = _not_tried()
            return result
        try:
            self._write_in_parts(write, result)
        except NotFoundError:
            result.gone = True
        except ConnectorError as error:
            self._stopped.set()
            result.fatal = error
        return result

    def _write_in_parts(self, write: RowWrite, result: RowResult) -> None:
        """Write all columns; where Kinetic refuses that, those that matter most first, then the others."""
        refusal = self._send_surely(write, result)
        if refusal is None:
            return
        parts = [write.only(self._first), write.only(set(write.changes) - self._first)]
        tells_apart = all(part.changes for part in parts)
        refusals = [self._send_surely(part, result) for part in parts] if tells_apart else [refusal]
        for part, refused in zip(parts if len(refusals) > 1 else [write], refusals, strict=True):
            if refused is not None:
                result.refused.update(dict.fromkeys(part.changes, refused))

    def _send_surely(self, write: RowWrite, result: RowResult) -> Refusal | None:
        """Send; where the outcome is not known, look, and send again only what is not there."""
        send: SendRow = self._rpc if self._uses_rpc(write.row) else self._patch
        for attempt in range(1, ATTEMPTS + 1):
            try:
                send(write, result)
            except AmbiguousWriteError as error:
                now = self._now(write.row)
                if now is not None and not self._differing(write, now):
                    break
                if attempt < ATTEMPTS:
                    continue
                if stumbles(error) and now is not None and self._is_untouched(write, now):
                    return Refusal("refused_by_epicor", failing_for_good(error, ATTEMPTS))
                raise
            except DataError as error:
                # Business rules say "Territory not found" in the words in which Kinetic misses a row.
                if isinstance(error, NotFoundError) and self._now(write.row) is None:
                    raise
                return Refusal("refused_by_epicor", error)
            else:
                break
        return None

    def _now(self, row: Row) -> Row | None:
        """A row as it is in Kinetic; None where it is gone."""
        return self._finder.current([row], one_by_one=True).get(row.id)

    def _is_untouched(self, write: RowWrite, now: Row) -> bool:
        """Whether a row still holds what it did, in all columns that were to change."""
        as_before = {column: write.row.values.get(column) for column in write.changes}
        return not self._differing(RowWrite(write.row, as_before), now)

    def _uses_rpc(self, row: Row) -> bool:
        return self._mode is WriteMode.RPC or not fits_in_path(row.key)

    def _patch(self, write: RowWrite, result: RowResult) -> None:
        row, patch = write.row, self._client.patch
        send = partial(patch, row.company, row.entity.path, row.key, write.changes, repeatable=False)
        self._make_call(send, partial(result.note, write))

    def _rpc(self, write: RowWrite, result: RowResult) -> None:
        """GetByID, edit, Update: the way of Kinetic's own screens, for tenants whose rules refuse PATCH."""
        row, entity = write.row, write.row.entity
        key = {parameter: row.key[column] for column, parameter in entity.get_parameters.items()}
        for attempt in range(1, ATTEMPTS + 1):
            found = self._client.call(row.company, entity.service, "GetByID", key, get=True).document
            rows = found.get("returnObj", {}).get(entity.name) or []
            if not rows:
                raise NotFoundError(f"{entity.name}: there is no row with this key.")
            edited = {**rows[0], **write.changes, "RowMod": "U"}
            body = {"ds": {entity.name: [edited]}}
            send = partial(self._client.call, row.company, entity.service, "Update", body)
            try:
                self._make_call(send, partial(result.note, write))
            except DataError as error:
                # Somebody else wrote the row since it was read: read it again.
                if attempt == ATTEMPTS or not _is_stale(error):
                    raise
            else:
                return

    def _make_call(self, send: Callable[[], Reply], note: Callable[[HttpCall], None]) -> Reply:
        return make_call(send, note, self._clock)

    # Many rows in one call

    def _write_batch(self, batch: Sequence[RowWrite]) -> dict[str, RowResult]:
        results = {write.row.id: RowResult() for write in batch}
        try:
            refused = self._update_ext_surely(batch, results)
        except DataError:
            refused = {write.row.id for write in batch}
        except ConnectorError as error:
            self._stopped.set()
            for result in results.values():
                result.fatal = error
            return results
        # A row that was refused goes on its own, where its parts can be told from each other.
        alone = {write.row.id: self._write_row(write) for write in batch if write.row.id in refused}
        return {**results, **alone}

    def _update_ext_surely(self, batch: Sequence[RowWrite], results: Mapping[str, RowResult]) -> set[str]:
        """Ids of the rows that were refused."""
        rest = list(batch)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._update_ext(rest, results)
            except AmbiguousWriteError as error:
                if attempt == ATTEMPTS and not stumbles(error):
                    raise
                now = self._finder.current([write.row for write in rest], one_by_one=True)
                rest = [w for w in rest if w.row.id not in now or self._differing(w, now[w.row.id])]
                if not rest:
                    return set()
        # One row of them may be what the server stumbles over: each goes on its own.
        return {write.row.id for write in rest}

    def _update_ext(self, batch: Sequence[RowWrite], results: Mapping[str, RowResult]) -> set[str]:
        """One call; each row's own errors stand inside its answer, which is a success."""
        if self._stopped.is_set():
            raise _not_tried()
        row = batch[0].row
        rows = [
            {**write.row.key, SYSTEM_ID: write.row.values.get(SYSTEM_ID), **write.changes, "RowMod": "U"}
            for write in batch
        ]
        body = {
            "ds": {row.entity.name: rows},
            "continueProcessingOnError": True,
            "rollbackParentOnChildError": True,
        }

        def note(call: HttpCall) -> None:
            for write in batch:
                results[write.row.id].note(write, call)

        send = partial(self._client.call, row.company, row.entity.service, "UpdateExt", body)
        answer = self._make_call(send, note).document
        errors = (answer.get("returnObj") or {}).get("BOUpdError") or []
        failed = {str(error.get(name) or "").lower() for error in errors for name in _ERROR_ROW_IDS}
        refused = {
            write.row.id for write in batch if str(write.row.values.get(SYSTEM_ID) or "").lower() in failed
        }
        # Errors that name no row of ours: each row goes on its own, and its error with it.
        return refused if refused or not errors else {write.row.id for write in batch}

    # Afterwards

    def _read_back(self, writes: Sequence[RowWrite], results: Mapping[str, RowResult]) -> None:
        written = [
            write
            for write in writes
            if not (results[write.row.id].fatal or results[write.row.id].gone)
            and set(write.changes) - set(results[write.row.id].refused)
        ]
        if not written:
            return
        try:
            found = self._finder.current([write.row for write in written])
        except ConnectorError as error:
            for write in written:
                results[write.row.id].fatal = error
            return
        for write in written:
            result = results[write.row.id]
            result.now = found.get(write.row.id)
            if result.now is None:
                result.gone = True
                continue
            for column in self._differing(write, result.now):
                result.refused.setdefault(column, Refusal("not_stored", _not_stored(column)))

    def _differing(self, write: RowWrite, now: Row) -> list[str]:
        return [
            column
            for column, value in write.changes.items()
            if not same(
                value,
                now.values.get(column),
                self._columns.types.get(write.row.entity.name, {}).get(column, ""),
            )
        ]


def _not_tried() -> ConnectorError:
    return ConnectorError("Not tried: the run was ending.")


def _not_stored(column: str) -> DataError:
    return DataError(
        f"Epicor accepted the change of {column} and did not store it.",
        advice="Look for a BPM or a business rule that drops it; `write_mode` `rpc` may show its message.",
        field=column,
    )


def _is_stale(error: DataError) -> bool:
    return error.status == 409 or "modified by another user" in error.message.lower()  # noqa: PLR2004 (HTTP)


def _batches(writes: Iterable[RowWrite]) -> list[list[RowWrite]]:
    groups: dict[tuple[str, str], list[RowWrite]] = defaultdict(list)
    for write in writes:
        groups[write.row.company, write.row.entity.name].append(write)
    return [
        group[start : start + ROWS_PER_BATCH]
        for group in groups.values()
        for start in range(0, len(group), ROWS_PER_BATCH)
    ]
