"""Sends changes of rows, once, in each of the ways in which Kinetic takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.errors import PathRefusedError
from kinetic_mailchimp.epicor.odata import fits_in_path
from kinetic_mailchimp.kit.errors import DataError, NotFoundError
from kinetic_mailchimp.kit.http.call import HttpCall

from target_epicor_contacts.epicor.calls import make_call
from target_epicor_contacts.epicor.entities import SYSTEM_ID
from target_epicor_contacts.epicor.row_write import RowWrite

ATTEMPTS = 5
"""Of a write that met another user's, or whose outcome was not known: each of these after a look."""
_ERROR_ROW_IDS = ("ErrorSysRowID", "SysRowID")


class WriteMode(StrEnum):
    """Kinetic's ways to write."""

    PATCH = "patch"
    RPC = "rpc"
    UPDATE_EXT = "update_ext"


class RowSender:
    """Sends changes and notes in each write how the call ended; every failure is a ConnectorError."""

    def __init__(self, client: EpicorClient, mode: WriteMode) -> None:
        self._client = client
        self._mode = mode

    def send(self, write: RowWrite, changes: Mapping[str, Any]) -> None:
        """Send changes of one row, by PATCH, or by its business object's methods.

        Args:
            write: Takes the end of the call.
            changes: Those of its columns that are sent.

        Raises:
            ConnectorError: It failed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._send_once(write, changes)
            except DataError as error:
                # Another user wrote the row since it was read, by us or by Kinetic for a PATCH.
                if attempt == ATTEMPTS or not _is_stale(error):
                    raise
            else:
                return

    def _send_once(self, write: RowWrite, changes: Mapping[str, Any]) -> None:
        row = write.row
        if self._mode is WriteMode.RPC or not fits_in_path(row.key):
            self._send_by_methods(write, changes)
            return
        patch = partial(self._client.patch, row.company, row.entity.path, row.key, changes, repeatable=False)
        try:
            make_call(patch, partial(_note, [write], changes))
        except PathRefusedError:
            self._send_by_methods(write, changes)

    def _send_by_methods(self, write: RowWrite, changes: Mapping[str, Any]) -> None:
        """GetByID, edit, Update: the way of Kinetic's own screens, for tenants whose rules refuse PATCH."""
        row, entity = write.row, write.row.entity
        key = {parameter: row.key[column] for column, parameter in entity.get_parameters.items()}
        found = self._client.call(row.company, entity.service, "GetByID", key, get=True).document
        rows = found.get("returnObj", {}).get(entity.name) or []
        if not rows:
            raise NotFoundError(
                f"{entity.name}: there is no row with this key.",
                advice="It may have been deleted meanwhile.",
            )
        body = {"ds": {entity.name: [{**rows[0], **changes, "RowMod": "U"}]}}
        update = partial(self._client.call, row.company, entity.service, "Update", body)
        make_call(update, partial(_note, [write], changes))

    def send_batch(self, batch: Sequence[RowWrite]) -> set[str]:
        """Send all changes of rows of one kind and company in one call, by UpdateExt.

        Each row's own errors are inside the answer, which is a success.

        Returns:
            Ids of the rows that Kinetic refused.

        Raises:
            ConnectorError: The call as a whole failed.
        """
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
        update = partial(self._client.call, row.company, row.entity.service, "UpdateExt", body)
        answer = make_call(update, partial(_note, batch, None)).document
        errors = (answer.get("returnObj") or {}).get("BOUpdError") or []
        failed = {str(error.get(name) or "").lower() for error in errors for name in _ERROR_ROW_IDS}
        refused = {
            write.row.id for write in batch if str(write.row.values.get(SYSTEM_ID) or "").lower() in failed
        }
        # Errors that name none of these rows: each row goes on its own, and its error with it.
        return refused if refused or not errors else {write.row.id for write in batch}


def _note(writes: Sequence[RowWrite], changes: Mapping[str, Any] | None, call: HttpCall) -> None:
    """Keep the end of a call in each write, for the columns that it carried: these, or all of the write's."""
    for write in writes:
        write.calls.update(dict.fromkeys(write.changes if changes is None else changes, call))


def _is_stale(error: DataError) -> bool:
    return error.status == 409 or "modified by another user" in error.message.lower()  # noqa: PLR2004 (HTTP)
