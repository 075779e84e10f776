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


def not_stored(write: RowWrite, column: str, now: EpicorRow) -> NotStoredError:
    """The reason why a row does not hold a value that Epicor accepted.

    Args:
        write: The write.
        column: The column.
        now: The row as it was read back.
    """
    sent, stored = write.changes[column], now.values.get(column)
    if isinstance(sent, str) and isinstance(stored, str) and stored and sent.startswith(stored):
        return NotStoredError(
            f"The value for {column} is too long: Epicor kept {len(stored)} of {len(sent)} characters.",
            advice="Shorten it in Mailchimp, or cut it in the mapping.",
            field=column,
        )
    if stored != write.row.values.get(column):
        return NotStoredError(
            f"Epicor accepted the change of {column} and stored another value.",
            advice="Look for a BPM or a business rule that changes it, and let the mapping send it so.",
            field=column,
        )
    return NotStoredError(
        f"Epicor accepted the change of {column} and did not store it.",
        advice="Look for a BPM or a business rule that drops it; `write_mode` `rpc` may show its message.",
        field=column,
    )
