"""The first schema, with the key of the person digests.

While it is the only step, its tables are those of a new trail; the change that brings a second one writes
them out here as they were.
"""

from __future__ import annotations

from alembic import op

from kinetic_mailchimp.audit.storage.new_schema import create_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what a new trail has."""
    create_schema(op.get_bind())
