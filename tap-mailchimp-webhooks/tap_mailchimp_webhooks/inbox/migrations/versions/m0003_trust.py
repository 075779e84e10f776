"""The time that an event claims where it cannot be true, and if its delivery was signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("inbox_events", sa.Column("claimed_at", sa.String(32)))
    op.add_column("inbox_events", sa.Column("is_signed", sa.Boolean))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("inbox_events", "is_signed")
    op.drop_column("inbox_events", "claimed_at")
