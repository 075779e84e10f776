"""The views for reports of others.

While no later step changes them or a column that they read, they are those of `views.py`.
"""

from __future__ import annotations

from alembic import op

from kinetic_mailchimp.audit.storage.views import make_views

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the views."""
    make_views(op.get_bind())
