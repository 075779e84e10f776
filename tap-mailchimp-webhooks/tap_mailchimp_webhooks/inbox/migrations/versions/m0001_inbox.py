"""The first schema of the inbox, with its identity.

While it is the only step, its tables are those of `tables.py`; the change that brings a second one writes
them out here as they were.
"""

from __future__ import annotations

import secrets

from alembic import op

from tap_mailchimp_webhooks.inbox.tables import identity, metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables and give the inbox its id."""
    metadata.create_all(op.get_bind())
    op.bulk_insert(identity, [{"inbox_id": secrets.token_hex(16)}])
