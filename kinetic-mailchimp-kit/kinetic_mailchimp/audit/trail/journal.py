"""The start and the end of every run, chained over the whole trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import journal, properties
from kinetic_mailchimp.audit.trail.chain import DIGEST_SIZE, link

STARTED: Final = "started"
FINISHED: Final = "finished"
GENESIS: Final = bytes(DIGEST_SIZE)
HEAD_PROPERTY: Final = "journal_head"
FORMAT_PROPERTY: Final = "digest_format"
FORMAT: Final = b"2"
"""The kind of digests that a new trail has: another one whenever `chain` computes them in another way."""
_POSITION_BYTES: Final = 8

HEADER_COLUMNS: Final = (
    "id",
    "plugin",
    "version",
    "pipeline",
    "correlation",
    "dry_run",
    "host",
    "process",
    "started_at",
    "source_system",
    "destination_system",
)
RESULT_COLUMNS: Final = ("id", "finished_at", "status", "error", "records_read", "entries", "head")


def header_digest(run: Mapping[str, Any]) -> bytes:
    """The digest of what is fixed when a run starts; the first entry of the run is linked to it."""
    return link(GENESIS, [run[name] for name in HEADER_COLUMNS])


def result_digest(run: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> bytes:
    """The digest of a run's end: its newest entry, its status and its counts by hour and action.

    Args:
        run: The row of the run.
        counts: Numbers of decisions, by hour and action.
    """
    covered = [run[name] for name in RESULT_COLUMNS]
    counted = [part for key in sorted(counts) for part in (*key, counts[key])]
    return link(GENESIS, [*covered, *counted])


def append(connection: sa.Connection, *, run_id: int, kind: str, content: bytes, now: str) -> None:
    """Add an entry; writers wait for each other on the row that holds the journal's head.

    Args:
        connection: A writing transaction.
        run_id: The run that starts or ends.
        kind: `STARTED` or `FINISHED`.
        content: The digest of what is fixed by it.
        now: The time of the entry.
    """
    query = sa.select(properties.c.value).where(properties.c.name == HEAD_PROPERTY).with_for_update()
    stored = connection.execute(query).scalar_one()
    position = int.from_bytes(stored[:_POSITION_BYTES], "big") + 1
    head = bytes(stored[_POSITION_BYTES:])
    digest = journal_digest(
        head, position=position, run_id=run_id, kind=kind, recorded_at=now, content=content
    )
    connection.execute(
        sa.insert(journal).values(
            position=position,
            run_id=run_id,
            kind=kind,
            recorded_at=now,
            content_digest=content,
            digest=digest,
        )
    )
    connection.execute(
        sa.update(properties)
        .where(properties.c.name == HEAD_PROPERTY)
        .values(value=encode_head(position, digest))
    )


def journal_digest(
    head: bytes, *, position: int, run_id: int, kind: str, recorded_at: str, content: bytes
) -> bytes:
    """The digest of an entry of the journal.

    Args:
        head: The digest of the entry before it.
        position: Its position, from 1.
        run_id: The run that starts or ends.
        kind: `STARTED` or `FINISHED`.
        recorded_at: The time of the entry, as stored.
        content: The digest of what is fixed by it.
    """
    return link(head, [position, run_id, kind, recorded_at, content])


def encode_head(position: int, digest: bytes) -> bytes:
    """The journal's newest entry as one value.

    Args:
        position: Its position.
        digest: Its digest.
    """
    return position.to_bytes(_POSITION_BYTES, "big") + digest
