"""The indexes by which a member is found by Mailchimp's ids of its contact."""

from __future__ import annotations

from alembic import op
from sqlalchemy.schema import CreateIndex

from kinetic_mailchimp.audit.storage.schema import ledger_entries

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the indexes, which read every entry of the ledger once."""
    for index in ledger_entries.indexes:
        op.execute(CreateIndex(index, if_not_exists=True))
