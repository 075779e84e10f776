"""The tables of the audit trail.

Text from elsewhere has no length limit: a long identifier must not fail a run on one database and pass on
the other. Times are text in UTC with microseconds (`2026-03-01T09:30:00.000000Z`): they sort, read and hash
alike on every database.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, overload

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.text_under import FOUND_BY, is_indexed, text_under

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    },
)

_BEGINNING: Final = 4
"""Bytes of a person's digest that are indexed: of five million people, hardly two share them."""

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")

properties = sa.Table(
    "properties",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    comment="Properties for the life of a trail, such as the key of its person digests.",
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", _BIG, primary_key=True),
    sa.Column("plugin", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("correlation", sa.Text, nullable=False),
    sa.Column("dry_run", sa.Boolean, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("started_at", sa.String(27), nullable=False),
    sa.Column("active_at", sa.String(27), nullable=False),
    sa.Column("finished_at", sa.String(27)),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("records_read", _BIG, nullable=False),
    sa.Column("entries", _BIG, nullable=False),
    sa.Column("head", sa.LargeBinary(32), nullable=False),
    sa.Column("pruned_entries", _BIG, nullable=False),
    sa.Column("pruned_head", sa.LargeBinary(32)),
    # NULL for runs that carry no records.
    sa.Column("source_system", sa.Text),
    sa.Column("destination_system", sa.Text),
    sa.Index(None, "started_at"),
    sa.Index(None, "plugin", "started_at"),
    sa.Index(None, "correlation"),
    comment="One row per run of a plugin; head is the digest of its newest entry.",
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("run_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("part_of", _BIG),
    sa.Column("recorded_at", sa.String(27), nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(80), nullable=False),
    sa.Column("consent", sa.String(20)),
    sa.Column("person", sa.LargeBinary(16)),
    sa.Column("former_person", sa.LargeBinary(16)),
    sa.Column("source_updated_on", sa.Text),
    sa.Column("http_status", sa.Integer),
    sa.Column("request_id", sa.Text),
    sa.Column("duration_ms", sa.Float(53)),
    sa.Column("refers_to", sa.Text),
    sa.Column("private_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    # What is personal, and goes when the person is erased:
    sa.Column("salt", sa.LargeBinary(16)),
    sa.Column("subject", sa.Text),
    sa.Column("former_subject", sa.Text),
    sa.Column("source_key", sa.Text),
    sa.Column("event_id", sa.Text),
    sa.Column("targets", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("changes", sa.Text),
    sa.Column("dead_letter", sa.Text),
    sa.Column("payload", sa.Text),
    # Down to the key, so that the newest of millions are read off and not sorted.
    sa.Index(None, "source_key", "recorded_at", "run_id", "seq"),
    sa.Index(None, "action", "recorded_at", "run_id", "seq"),
    sa.Index(None, "recorded_at", "run_id", "seq"),
    comment="One row per decision and per part of one; digest chains them within a run.",
)


@overload
def beginning(person: bytes) -> bytes: ...
@overload
def beginning(person: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]: ...
def beginning(person: sa.ColumnElement[Any] | bytes) -> sa.ColumnElement[Any] | bytes:
    """The beginning of a person's digest, by which an index finds it."""
    if isinstance(person, bytes):
        return person[:_BEGINNING]
    # As literals: an index on an expression serves what is written like it.
    return sa.func.substr(person, sa.literal_column("1"), sa.literal_column(str(_BEGINNING)))


# A digest lands anywhere in its index, so each batch of decisions rewrites as many pages of it as it has
# people. Its beginning is enough to find them, and fills a fifth of the pages.
sa.Index("ix_decisions_person", beginning(decisions.c.person))


@cache
def add_partial_indexes() -> None:
    """Add the indexes with a condition, to make tables: SQLAlchemy imports every dialect for them."""
    for column in (decisions.c.former_person, decisions.c.consent):
        given = column.is_not(None)
        sa.Index(None, column, decisions.c.recorded_at, sqlite_where=given, postgresql_where=given)
    for name in FOUND_BY:
        text, entries = text_under(ledger_entries.c.value, name), is_indexed(ledger_entries.c.value, name)
        sa.Index(f"ix_ledger_entries_{name}", text, sqlite_where=entries, postgresql_where=entries)


def same_person(
    column: sa.ColumnElement[Any], other: sa.ColumnElement[Any] | bytes
) -> sa.ColumnElement[bool]:
    """Condition that a digest in `person` is another one, in the form that the index on its beginning serves.

    Args:
        column: The column of `decisions`, or of an alias of it.
        other: Another such column, or a digest.
    """
    return (beginning(column) == beginning(other)) & (column == other)


def disable_index(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A column as an expression, so that no database starts from the many rows of its index."""
    return column.concat("")


PUBLIC_COLUMNS: Final = (
    "run_id",
    "seq",
    "part_of",
    "recorded_at",
    "stream",
    "action",
    "reason",
    "consent",
    "person",
    "former_person",
    "source_updated_on",
    "http_status",
    "request_id",
    "duration_ms",
    "refers_to",
    "private_digest",
)
"""Columns that the chain covers, in the order in which it is hashed."""

PRIVATE_COLUMNS: Final = (
    "subject",
    "former_subject",
    "source_key",
    "event_id",
    "targets",
    "detail",
    "changes",
    "dead_letter",
    "payload",
)
"""Columns that `private_digest` covers, in the order in which it is hashed."""

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("run_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("plugin", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("consent", sa.String(20)),
    sa.Column("opened_at", sa.String(27), nullable=False),
    sa.Column("replay_run_id", _BIG),
    sa.Column("result_run_id", _BIG),
    sa.Column("result_seq", _BIG),
    sa.Index(None, "state", "plugin", "opened_at"),
    comment="The state of each dead letter: open, in_flight, resolved, failed_again, corrected, closed.",
)


def at_entry(table: sa.FromClause, run_id: Any, seq: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 (or columns)
    """A condition for the row of an entry in `decisions`, `dead_letters` or an alias of one."""
    return sa.and_(table.c.run_id == run_id, table.c.seq == seq)


ENTRY_JOIN: Final = at_entry(dead_letters, decisions.c.run_id, decisions.c.seq)
"""Joins a dead letter and the entry that it belongs to."""

run_counts = sa.Table(
    "run_counts",
    metadata,
    sa.Column("run_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("hour", sa.String(13), primary_key=True),
    sa.Column("action", sa.String(20), primary_key=True),
    sa.Column("decisions", _BIG, nullable=False),
    sa.Index(None, "hour"),
    comment="Decisions of each action that a run made in each hour (`2026-03-01T09`); no parts.",
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("position", _BIG, primary_key=True, autoincrement=False),
    sa.Column("run_id", _BIG, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("recorded_at", sa.String(27), nullable=False),
    sa.Column("content_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Index(None, "run_id"),
    comment="The start and the end of every run, chained over the whole trail.",
)

stream_schemas = sa.Table(
    "stream_schemas",
    metadata,
    sa.Column("run_id", _BIG, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("message", sa.Text, nullable=False),
    comment="The Singer SCHEMA message under which a run read a stream: a replay begins with it.",
)

ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("run_id", _BIG, nullable=False),
    sa.Column("recorded_at", sa.String(27), nullable=False),
    comment="The last known state of each key, without its history.",
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("since", sa.String(27), nullable=False),
    sa.Column("seen_at", sa.String(27), nullable=False),
    sa.Column("told_at", sa.String(27)),
    sa.Column("claimed_until", sa.String(27)),
    comment="Conditions that hold, when an alert was sent, and until when one is being sent.",
)
