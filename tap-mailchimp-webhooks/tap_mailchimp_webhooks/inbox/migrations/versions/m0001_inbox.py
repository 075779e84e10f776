"""The inbox: events, readers, registered hooks, marks of the catch-up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "inbox_events",
        sa.Column("sequence", _Number, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(64), nullable=False, unique=True),
        sa.Column("stream", sa.String(32)),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("list_id", sa.String(100)),
        sa.Column("email_digest", sa.LargeBinary(32)),
        sa.Column("web_id", sa.String(100)),
        sa.Column("occurred_at", sa.String(32), nullable=False),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("note", sa.String(32)),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("inbox_events_by_stream", "inbox_events", ["stream", "sequence"])
    op.create_index("inbox_events_by_person", "inbox_events", ["email_digest", "list_id"])
    op.create_index("inbox_events_by_list", "inbox_events", ["list_id", "origin", "received_at"])
    op.create_index("inbox_events_by_web_id", "inbox_events", ["web_id", "list_id"])
    op.create_table(
        "inbox_readers",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("stream", sa.String(32), primary_key=True),
        sa.Column("emitted", _Number, nullable=False),
        sa.Column("confirmed", _Number, nullable=False),
        sa.Column("seen_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "inbox_hooks",
        sa.Column("webhook_id", sa.String(100), primary_key=True),
        sa.Column("list_id", sa.String(100), primary_key=True),
        sa.Column("url_digest", sa.String(64), nullable=False),
        sa.Column("signing_secret", sa.Text),
        sa.Column("registered_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "inbox_catch_up_marks",
        sa.Column("list_id", sa.String(100), primary_key=True),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("ran_at", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("inbox_catch_up_marks", "inbox_hooks", "inbox_readers", "inbox_events"):
        op.drop_table(table)
