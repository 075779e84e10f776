"""The migrations of the inbox, run by Alembic."""
