"""The memory of alerts: which causes hold, and which messages were sent about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "alerts",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.Column("seen_at", sa.String(length=27), nullable=False),
        sa.Column("told_at", sa.String(length=27), nullable=True),
        sa.Column("claimed_until", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("cause", name="pk_alerts"),
        comment="Conditions that hold, when an alert was sent, and until when one is being sent.",
    )
