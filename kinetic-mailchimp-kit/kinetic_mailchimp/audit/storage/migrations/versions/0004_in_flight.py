"""The state of a dead letter that waits for the result of a replay: `in_flight`, formerly `handed_out`."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COMMENT = "What became of each dead letter: open, {}, resolved, failed_again, closed."


def upgrade() -> None:
    """Rename the stored state; what notes inside the chain say of it stays, and is read as an alias."""
    op.execute("UPDATE dead_letters SET state = 'in_flight' WHERE state = 'handed_out'")
    if op.get_bind().dialect.supports_comments:
        op.create_table_comment(
            "dead_letters", _COMMENT.format("in_flight"), existing_comment=_COMMENT.format("handed_out")
        )
