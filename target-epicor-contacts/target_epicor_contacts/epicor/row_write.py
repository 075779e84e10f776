"""The write of one row: the columns to set, and the result of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.kit.http.call import HttpCall

from target_epicor_contacts.epicor.entities import EpicorRow


class NotStoredError(DataError):
    """Epicor accepted a change and did not store it."""


@dataclass(eq=False)
class RowWrite:
    """Columns to set in a row, and the result.

    Attributes:
        refused: By column, the reason why the row does not hold the value.
        calls: By column, the end of the last call that carried it; a column that was not tried is missing.
        fatal: The error that ends the run; the row may be written in part.
        gone: The row does not exist any more.
        now: The row after the write, where it is known.
    """

    row: EpicorRow
    changes: Mapping[str, Any]
    refused: dict[str, DataError] = field(default_factory=dict)
    calls: dict[str, HttpCall] = field(default_factory=dict)
    fatal: ConnectorError | None = None
    gone: bool = False
    now: EpicorRow | None = None

    def payload(self, columns: Iterable[str]) -> dict[str, Any]:
        """The row's key and all columns that travelled in the calls that carried these columns."""
        calls = [call for column in columns if (call := self.calls.get(column))]
        sent = {
            column: value
            for column, value in self.changes.items()
            if any(self.calls.get(column) is call for call in calls)
        }
        return {**self.row.key, **sent} if sent else {}
