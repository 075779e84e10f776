"""Remembers up to which time each audience was polled."""

from __future__ import annotations

from datetime import datetime

from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from sqlalchemy import select

from tap_mailchimp_webhooks.events.event import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import catch_up_marks


class Watermarks:
    """One timestamp per audience: every change before it has been looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, list_id: str) -> datetime | None:
        """The watermark of an audience; None before its first catch-up."""
        with self._database.reading() as connection:
            since = connection.execute(
                select(catch_up_marks.c.since).where(catch_up_marks.c.list_id == list_id)
            ).scalar()
        return parse_timestamp(since) if since else None

    def put(self, list_id: str, since: datetime, now: datetime) -> None:
        """Move the watermark of an audience.

        Args:
            list_id: The audience.
            since: Everything before it is in the inbox.
            now: The time of the poll.
        """
        values = {"since": rfc3339(since), "ran_at": rfc3339(now)}
        own = catch_up_marks.c.list_id == list_id
        with self._database.writing() as connection:
            if not connection.execute(catch_up_marks.update().where(own).values(values)).rowcount:
                connection.execute(catch_up_marks.insert().values(list_id=list_id, **values))
