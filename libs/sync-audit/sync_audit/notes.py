"""What administrative entries say about the entries that they are about: small texts inside the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sync_audit.schema import dead_letters, decisions


@dataclass(frozen=True, slots=True)
class EntryNote:
    """Names one entry: `ERASED` and `REPLAYED` entries refer to it so.

    Args:
        run_id: The entry's run.
        seq: Its number in the run.
        digest: Its digest.
    """

    run_id: int
    seq: int
    digest: bytes

    def __str__(self) -> str:
        """The stored form."""
        return f"{self.run_id}:{self.seq}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> EntryNote:
        """Read the stored form."""
        run_id, seq, digest = text.split(":")
        return cls(int(run_id), int(seq), bytes.fromhex(digest))


@dataclass(frozen=True, slots=True)
class KeptNote:
    """Names an entry that outlived its neighbours, and the digest before it, which is gone with them.

    Args:
        run_id: The entry's run.
        seq: Its number in the run.
        previous: The digest of the entry before it.
        digest: Its digest.
    """

    run_id: int
    seq: int
    previous: bytes
    digest: bytes

    def __str__(self) -> str:
        """The stored form."""
        return f"{self.run_id}:{self.seq}:{self.previous.hex()}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> KeptNote:
        """Read the stored form."""
        run_id, seq, previous, digest = text.split(":")
        return cls(int(run_id), int(seq), bytes.fromhex(previous), bytes.fromhex(digest))


def delete_entries(connection: sa.Connection, notes: Sequence[EntryNote]) -> None:
    """Delete single entries and their dead letters.

    Args:
        connection: A writing transaction.
        notes: Which entries.
    """
    keys = [{"of_run": note.run_id, "at_seq": note.seq} for note in notes]
    for table in (decisions, dead_letters):
        connection.execute(
            sa.delete(table).where(
                table.c.run_id == sa.bindparam("of_run"), table.c.seq == sa.bindparam("at_seq")
            ),
            keys,
        )
