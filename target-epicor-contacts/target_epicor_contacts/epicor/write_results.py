"""What is to be written to a row, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from kinetic_mailchimp.kit.http_call import HttpCall

from target_epicor_contacts.epicor.calls import Carried
from target_epicor_contacts.epicor.entities import Row


@dataclass(frozen=True)
class RowWrite:
    """Columns to set in a row."""

    row: Row
    changes: Mapping[str, Any]

    def only(self, columns: Iterable[str]) -> RowWrite:
        """The part of it that concerns these columns."""
        wanted = set(columns)
        return RowWrite(self.row, {name: value for name, value in self.changes.items() if name in wanted})


@dataclass(frozen=True)
class Refusal:
    """Why a column does not hold what it should."""

    reason: str
    error: DataError


@dataclass
class RowResult:
    """What became of a row.

    Attributes:
        refused: By column.
        fatal: Why the run cannot go on; the row may be written in part.
        gone: The row does not exist any more.
        now: The row after the write, where it is known.
        carried: The last call that carried each column; a column that was not tried is missing.
    """

    refused: dict[str, Refusal] = field(default_factory=dict)
    fatal: ConnectorError | None = None
    gone: bool = False
    now: Row | None = None
    carried: dict[str, Carried] = field(default_factory=dict)

    def note(self, write: RowWrite, call: HttpCall) -> None:
        """Keep how the call ended that carried these columns."""
        carried = Carried(call, {**write.row.key, **write.changes})
        self.carried.update(dict.fromkeys(write.changes, carried))
