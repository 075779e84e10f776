"""The first schema, with the key of the person digests.

While it is the only step, its tables are those of `schema.py`; the change that brings a second one writes
them out here as they were.
"""

from __future__ import annotations

import secrets

from alembic import op

from kinetic_mailchimp.audit.storage.schema import metadata, properties

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table, and draw the key of the person digests."""
    metadata.create_all(op.get_bind())
    fixed = {"person_key": secrets.token_bytes(32), "journal_head": bytes(8 + 32), "digest_format": b"2"}
    op.bulk_insert(properties, [{"name": name, "value": value} for name, value in fixed.items()])
