"""The tables of the inbox. A change here needs a migration beside it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

_Number = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "inbox_events",
    metadata,
    # SQLite must never give a number out twice, or an event that follows a deleted one would be skipped.
    Column("sequence", _Number, primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("stream", String(32)),
    Column("type", String(100), nullable=False),
    Column("list_id", String(100)),
    Column("email_digest", LargeBinary(32)),
    Column("web_id", String(100)),
    Column("occurred_at", String(32), nullable=False),
    Column("received_at", String(32), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("note", String(32)),
    Column("data", Text, nullable=False),
    Column("claimed_at", String(32)),
    Column("is_signed", Boolean),
    Index("inbox_events_by_stream", "stream", "sequence"),
    Index("inbox_events_by_person", "email_digest", "list_id"),
    Index("inbox_events_by_list", "list_id", "origin", "received_at"),
    Index("inbox_events_by_web_id", "web_id", "list_id"),
    sqlite_autoincrement=True,
)
"""One row per event, in the order in which they became durable."""

readers = Table(
    "inbox_readers",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("stream", String(32), primary_key=True),
    Column("emitted", _Number, nullable=False),
    Column("confirmed", _Number, nullable=False),
    Column("seen_at", String(32), nullable=False),
)
"""The position of each reader: what it emitted, and what its bookmark held when it last started."""

hooks = Table(
    "inbox_hooks",
    metadata,
    Column("webhook_id", String(100), primary_key=True),
    Column("list_id", String(100), primary_key=True),
    Column("url_digest", String(64), nullable=False),
    Column("signing_secret", Text),
    Column("registered_at", String(32), nullable=False),
)
"""The webhooks that this software registered, with their signing secrets, encrypted."""

catch_up_marks = Table(
    "inbox_catch_up_marks",
    metadata,
    Column("list_id", String(100), primary_key=True),
    Column("since", String(32), nullable=False),
    Column("ran_at", String(32), nullable=False),
)
"""The time up to which each audience was polled."""

identity = Table("inbox_identity", metadata, Column("inbox_id", String(32), primary_key=True))
"""One row: a random name that tells this inbox from any other, also from one created later in its place."""
