"""Runs the migrations on the connection that it is given."""

from __future__ import annotations

from alembic import context

from tap_mailchimp_webhooks.inbox.database import VERSION_TABLE
from tap_mailchimp_webhooks.inbox.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite can, although Alembic does not count on it
    include_name=lambda name, kind, _: kind != "table" or str(name).startswith("inbox_"),
)
with context.begin_transaction():
    context.run_migrations()
