"""Remembers up to when each audience was polled."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from tap_mailchimp_webhooks.events import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import catch_up_marks


class CatchUpMarks:
    """One moment per audience: what changed before it has been looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, list_id: str) -> datetime | None:
        """The mark of an audience; None before its first catch-up."""
        with self._database.reading() as connection:
            since = connection.execute(
                select(catch_up_marks.c.since).where(catch_up_marks.c.list_id == list_id)
            ).scalar()
        return datetime.fromisoformat(since) if since else None

    def put(self, list_id: str, since: datetime, now: datetime) -> None:
        """Move the mark of an audience, once everything before it is in the inbox."""
        values = {"since": rfc3339(since), "ran_at": rfc3339(now)}
        mine = catch_up_marks.c.list_id == list_id
        with self._database.writing() as connection:
            if not connection.execute(catch_up_marks.update().where(mine).values(values)).rowcount:
                connection.execute(catch_up_marks.insert().values(list_id=list_id, **values))
