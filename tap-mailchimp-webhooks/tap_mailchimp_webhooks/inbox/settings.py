"""The setting that receiver and tap share: where the inbox is."""

from __future__ import annotations

from dataclasses import dataclass

from kinetic_mailchimp.kit.settings.declaration import setting


@dataclass(frozen=True)
class InboxSettings:
    """The database of an inbox."""

    inbox_database_url: str = setting(
        "",
        title="Inbox",
        description="SQLAlchemy URL of the inbox, the same for receiver and tap: a SQLite file or "
        "PostgreSQL. By default `data/webhook-inbox.sqlite3` in the Meltano project.",
        secret=True,
    )
