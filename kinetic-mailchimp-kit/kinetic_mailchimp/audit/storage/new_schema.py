"""Makes the tables and views of a new trail: the newest ones, at once."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import add_partial_indexes, metadata, properties
from kinetic_mailchimp.audit.storage.views import make_views


def create_schema(connection: sa.Connection) -> None:
    """Make every table and view, and draw the key of the person digests."""
    create_tables(connection)
    make_views(connection)


def create_tables(connection: sa.Connection) -> None:
    """Make every table, and draw the key of the person digests."""
    add_partial_indexes()
    metadata.create_all(connection)
    fixed = {"person_key": secrets.token_bytes(32), "journal_head": bytes(8 + 32), "digest_format": b"2"}
    rows = [{"name": name, "value": value} for name, value in fixed.items()]
    connection.execute(sa.insert(properties), rows)
