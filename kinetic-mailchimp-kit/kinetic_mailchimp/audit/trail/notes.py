"""Notes of administrative entries about other entries: small texts inside the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import at_entry, dead_letters, decisions
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.letter_states import CLOSED, IN_FLIGHT, OPEN
from kinetic_mailchimp.kit.errors import TransientError

NOTED: Final = (Action.ERASED, Action.PRUNED, Action.KEPT, Action.REPLAYED, Action.CLOSED)
"""The actions of entries that refer to others."""


@dataclass(frozen=True, slots=True)
class EntryNote:
    """Names one entry: administrative entries refer to others so.

    Args:
        digest: Its digest.
        previous: The digest before it, in `KEPT` notes alone: it is gone with the neighbours.
    """

    run_id: int
    seq: int
    digest: bytes
    previous: bytes | None = None

    def __str__(self) -> str:
        """The stored form."""
        digests = (self.digest,) if self.previous is None else (self.previous, self.digest)
        return ":".join([str(self.run_id), str(self.seq), *(digest.hex() for digest in digests)])

    @classmethod
    def parse(cls, text: str) -> EntryNote:
        """Read the stored form.

        Raises:
            ValueError: It is not one.
        """
        run_id, seq, *digests = text.split(":")
        return cls(int(run_id), int(seq), *(bytes.fromhex(digest) for digest in reversed(digests)))


@dataclass(slots=True)
class Notes:
    """Notes of administrative entries, by the entry that they are about."""

    erased: set[EntryNote] = field(default_factory=set)
    pruned: set[EntryNote] = field(default_factory=set)
    replayed: dict[EntryNote, tuple[str, int | None]] = field(default_factory=dict)
    closed: dict[EntryNote, tuple[int, int]] = field(default_factory=dict)
    kept: dict[tuple[int, int], EntryNote] = field(default_factory=dict)

    def add(self, *, action: str, refers_to: str | None, reason: str, run_id: int, seq: int) -> bool:
        """Take a note.

        Args:
            action: The action of the administrative entry.
            refers_to: The note as it is stored.
            reason: The reason of the entry: the new state of a dead letter.
            run_id: The run of the entry.
            seq: Its number in the run.

        Returns:
            Whether the note could be read.
        """
        try:
            note = EntryNote.parse(refers_to or "")
        except (TypeError, ValueError):
            return False
        if (note.previous is not None) != (action == Action.KEPT.value):
            return False
        if action == Action.KEPT.value:
            self.kept[note.run_id, note.seq] = note
        elif action == Action.ERASED.value:
            self.erased.add(note)
        elif action == Action.PRUNED.value:
            self.pruned.add(note)
        elif action == Action.CLOSED.value:
            self.closed[note] = (run_id, seq)
            self._follow(note, CLOSED, run_id)
        else:
            self._follow(note, reason, run_id)
        return True

    def _follow(self, note: EntryNote, state: str, run_id: int) -> None:
        """Follow a dead letter: its state, and the run that dispatched it."""
        dispatched_in = run_id if state == IN_FLIGHT else self.replayed.get(note, (OPEN, None))[1]
        self.replayed[note] = (state, None if state == OPEN else dispatched_in)


def change_state(
    connection: sa.Connection,
    place: EntryNote,
    expected: str,
    values: Mapping[str, object],
    advice: str = "Another replay or an erasure is at work: see `sync-audit failures`, and start again.",
) -> None:
    """Change the state of a dead letter.

    Args:
        connection: A writing transaction.
        place: The entry of the dead letter.
        expected: The state that it must be in.
        values: The new state, and what belongs to it.
        advice: That of the error.

    Raises:
        TransientError: It is in another state by now.
    """
    unchanged = at_entry(dead_letters, place.run_id, place.seq) & (dead_letters.c.state == expected)
    if connection.execute(sa.update(dead_letters).where(unchanged).values(**values)).rowcount != 1:
        raise TransientError(
            f"The dead letter {place.run_id}/{place.seq} is not {expected} any more.", advice=advice
        )


def at_notes(table: sa.Table) -> sa.ColumnElement[bool]:
    """A condition for rows whose places `keys_of` gives, to be executed with many at once."""
    return at_entry(table, sa.bindparam("of_run"), sa.bindparam("at_seq"))


def keys_of(notes: Iterable[EntryNote]) -> list[dict[str, int]]:
    """The places of entries as parameters for `at_notes`."""
    return [{"of_run": note.run_id, "at_seq": note.seq} for note in notes]


def delete_entries(connection: sa.Connection, notes: Sequence[EntryNote]) -> None:
    """Delete single entries and their dead letters.

    Args:
        connection: A writing transaction.
        notes: Which entries.
    """
    for table in (decisions, dead_letters):
        connection.execute(sa.delete(table).where(at_notes(table)), keys_of(notes))
