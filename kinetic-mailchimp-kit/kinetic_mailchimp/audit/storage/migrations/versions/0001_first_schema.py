"""The first schema, with the key of the person digests.

While no later step changes a table, they are those of a new trail; the change that does so writes them out
here as they were.
"""

from __future__ import annotations

from alembic import op

from kinetic_mailchimp.audit.storage.views import create_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_tables(op.get_bind())
