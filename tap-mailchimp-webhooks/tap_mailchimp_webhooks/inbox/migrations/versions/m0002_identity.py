"""The inbox's identity, by which a bookmark tells whose numbers it holds."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and give the inbox its id."""
    identity = op.create_table("inbox_identity", sa.Column("inbox_id", sa.String(32), primary_key=True))
    op.bulk_insert(identity, [{"inbox_id": secrets.token_hex(16)}])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("inbox_identity")
