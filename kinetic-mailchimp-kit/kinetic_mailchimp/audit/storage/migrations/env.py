"""Runs Alembic on the connection, and in the transaction, that opens the trail."""

from __future__ import annotations

from alembic import context

from kinetic_mailchimp.audit.storage.schema import add_partial_indexes, metadata

add_partial_indexes()
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
