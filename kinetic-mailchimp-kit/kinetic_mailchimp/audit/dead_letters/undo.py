"""Corrections of what events wrote in a time, as contact updates: after a path secret was known to others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS, Action
from kinetic_mailchimp.kit.parsing.email_address import email_key

_WRITTEN: Final = frozenset({Action.UPDATED, Action.MOVED, Action.CLEARED, Action.FLAGGED})


@dataclass(slots=True)
class Correction:
    """The values of one person before the first of the entries.

    Attributes:
        email: The address that the rows have now.
        new_email: The one that they had; None where it did not change.
        columns: Column → the value before; empty where there was none.
        differing: Columns that had several values in the rows of the address: they need a person.
        entries: What is undone, as `run/entry`.
    """

    email: str
    new_email: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    differing: set[str] = field(default_factory=set)
    entries: list[str] = field(default_factory=list)
    _rows: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, entry: EntryView) -> None:
        """Take an entry that is newer than all before."""
        self.entries.append(f"{entry.run_id}/{entry.seq}")
        for column, (before, _) in (entry.changes or {}).items():
            former = "" if before is None else before
            if self.new_email and isinstance(former, str) and email_key(former) == email_key(self.new_email):
                continue  # the address itself
            if self._rows.setdefault((entry.targets or "", column), former) != former:
                continue  # an older entry has what was there first
            if self.columns.setdefault(column, former) != former:
                self.differing.add(column)

    def record(self, now: str) -> dict[str, Any]:
        """The contact update that puts the values back, as of a time as stored."""
        kept = {name: value for name, value in self.columns.items() if name not in self.differing}
        return {
            "email": self.email,
            "occurred_at": now,
            "event_id": f"undo-{self.entries[0].replace('/', '-')}",
            "reason": "undo",
            **({"new_email": self.new_email} if self.new_email else {}),
            **kept,
        }


def corrections(entries: Iterable[EntryView], *, with_opt_outs: bool = False) -> tuple[list[Correction], int]:
    """One correction for each person whose rows were written because of an event.

    An opt-out stays unless that is asked for: among forged ones there are those of people, and nobody who
    opted out is subscribed again without a person's decision.

    Args:
        entries: Of one target, oldest first.
        with_opt_outs: Whether opt-outs are undone, too.

    Returns:
        The corrections, and the number of entries that were left out because they are opt-outs.
    """
    found: dict[str, Correction] = {}
    opt_outs: set[tuple[int, int]] = set()
    left_out = 0
    for entry in entries:
        if entry.consent in OPT_OUTS:
            opt_outs.add((entry.run_id, entry.seq))
        if entry.event_id is None or not entry.subject or entry.dry_run or entry.action not in _WRITTEN:
            continue
        if not with_opt_outs and {(entry.run_id, entry.seq), (entry.run_id, entry.part_of)} & opt_outs:
            left_out += entry.part_of is None
            continue
        if not entry.changes:
            continue
        key = email_key(entry.subject)
        former = email_key(entry.former_subject) if entry.former_subject else key
        correction = found.pop(former, None) or Correction(entry.subject)
        if former != key:
            correction.email, correction.new_email = (
                entry.subject,
                correction.new_email or entry.former_subject,
            )
        found[key] = correction
        correction.add(entry)
    return list(found.values()), left_out
