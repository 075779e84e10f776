"""Keeps the purchases of customers in the ledger, each by itself, and the days on which their sums change."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.ledger import LedgerDraft, values_of

from target_mailchimp.contract.purchase_record import Bought, Purchase

NOW: Final = "0000-00-00"
"""Stands for the day of a sum that is to be made with the next one."""

_TOLD_IN: Final = "told_in"
_PAGE: Final = 5_000


def due_namespace(list_id: str) -> str:
    """The namespace of the days on which sums change, as `day|row`."""
    return f"target-mailchimp/{list_id}/purchases/due"


def due_at_once(rows: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The entries of rows whose sums are to be made."""
    return {f"{NOW}|{row}": {} for row in rows}


class PurchaseLedger:
    """The purchases behind one audience: found by their keys, and by the rows of their customers.

    A sum reads the purchases of its customers and no others; a purchase that changes is one entry.
    """

    def __init__(self, trail: AuditTrail, list_id: str) -> None:
        self._prefix = f"target-mailchimp/{list_id}/purchases"
        self._due = due_namespace(list_id)
        self._trail = trail
        self._known = trail.ledger(f"{self._prefix}/known")
        self._told_namespace = f"{self._prefix}/told"
        self._told = trail.ledger(self._told_namespace)

    def changes(self, purchases: Sequence[Purchase]) -> tuple[LedgerDraft, list[bool]]:
        """The changes of the ledger that purchases make, and whether each is one.

        Args:
            purchases: The newest of a key last.
        """
        known = self._known.get_many((purchase.key for purchase in purchases), _read)
        changes: LedgerDraft = {f"{self._prefix}/known": {}, self._due: {}}
        is_new = []
        for purchase in purchases:
            before, now = known.get(purchase.key), purchase.bought
            is_new.append(before != now)
            if before == now:
                continue
            if before is not None:
                changes.setdefault(self._of(before.of), {})[purchase.key] = None
                changes[self._due] |= due_at_once([before.of])
            if now is not None:
                changes.setdefault(self._of(now.of), {})[purchase.key] = now
                changes[self._due] |= due_at_once([now.of])
                known[purchase.key] = now
            else:
                known.pop(purchase.key, None)
            changes[f"{self._prefix}/known"][purchase.key] = now
        return changes, is_new

    def due(self, today: date) -> Iterator[tuple[str, str]]:
        """The entries whose day has come, each with its row."""
        tomorrow = (today + timedelta(days=1)).isoformat()
        for entry, _ in self._trail.ledger(self._due).items(before=tomorrow):  # noqa: PERF102 (no dict)
            yield entry, entry.partition("|")[2]

    def bought(self, rows: Iterable[str]) -> Iterator[tuple[str, Iterator[Bought]]]:
        """The purchases of rows that have any, row by row."""
        row_of = {self._of(row): row for row in rows}
        found = values_of(self._trail.database, row_of)
        for namespace, entries in itertools.groupby(found, key=lambda entry: entry[0]):
            yield row_of[namespace], (_read(value) for _, value in entries)

    def next_due(self, done: Iterable[str], later: Mapping[str, date], again: Iterable[str]) -> LedgerDraft:
        """The changes of the ledger once sums are made.

        Args:
            done: The entries of those that were due.
            later: The day on which each row's next sum is due.
            again: Rows whose member could not be written: the next run tries them again.
        """
        entries: dict[str, Any] = dict.fromkeys(done)
        entries |= {f"{day.isoformat()}|{row}": {} for row, day in later.items()}
        return {self._due: entries | due_at_once(again)}

    @property
    def told_in(self) -> Mapping[str, Any]:
        """The fields and tags in which the sums were told last; empty where none ever was."""
        return self._told.get(_TOLD_IN) or {}

    def with_told_in(self, told_in: Mapping[str, Any]) -> LedgerDraft:
        """The changes of the ledger that remember these fields and tags."""
        return {self._told_namespace: {_TOLD_IN: told_in}}

    def all_due(self) -> Iterator[LedgerDraft]:
        """The changes of the ledger that have every sum made, in pages."""
        rows = (str(value["of"]) for _, value in self._known.items())
        while page := list(itertools.islice(rows, _PAGE)):
            yield {self._due: {**due_at_once(page)}}

    def _of(self, row: str) -> str:
        return f"{self._prefix}/of/{row}"


_read: Final = msgspec.json.Decoder(Bought).decode
