"""The direction of each run, and which objects in ledger values an erasure takes as a whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; runs that are over have no direction: the digest of their start covers none."""
    for name in ("source_system", "destination_system"):
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=True))
    # Earlier versions of this target wrote such values and registered none.
    op.execute(
        "INSERT INTO ledger_entries (namespace, key, value, run_id, recorded_at)"
        " SELECT 'personal_fields', plugin, '{\"fields\":[\"moved\"]}', max(id), max(started_at)"
        " FROM runs WHERE plugin = 'target-epicor-contacts' GROUP BY plugin"
    )
