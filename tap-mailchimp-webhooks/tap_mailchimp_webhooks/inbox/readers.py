"""Remembers how far readers have come, for metrics and for what may be deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from tap_mailchimp_webhooks.events import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import events, readers


@dataclass(frozen=True)
class Unread:
    """What waits in the inbox for the slowest reader.

    Attributes:
        count: Events.
        oldest_seconds: Age of the oldest; 0 without any.
    """

    count: int
    oldest_seconds: float


class Readers:
    """The positions of all readers of an inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, name: str, stream: str, now: datetime, *, emitted: int, confirmed: int) -> None:
        """Note how far a reader has come.

        Args:
            name: The reader's.
            stream: The stream's.
            now: When.
            emitted: The last sequence that it wrote out.
            confirmed: The last sequence that its bookmark held when it started: known to be in the target.
        """
        mine = (readers.c.name == name) & (readers.c.stream == stream)
        values = {"emitted": emitted, "confirmed": confirmed, "seen_at": rfc3339(now)}
        with self._database.writing() as connection:
            if not connection.execute(readers.update().where(mine).values(values)).rowcount:
                connection.execute(readers.insert().values(name=name, stream=stream, **values))

    def unread(self, stream: str, now: datetime) -> Unread:
        """What the slowest reader of a stream has not emitted; everything, where nobody reads."""
        slowest = select(func.coalesce(func.min(readers.c.emitted), 0)).where(readers.c.stream == stream)
        with self._database.reading() as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(events.c.received_at)).where(
                    events.c.stream == stream, events.c.sequence > slowest.scalar_subquery()
                )
            ).one()
        age = (now - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0.0
        return Unread(count, max(0.0, age))

    def delete_before(self, now: datetime, days: int) -> int:
        """Delete events that all readers of their stream have confirmed and that are older than some days.

        What no stream emits goes by age alone. The newest event stays, so that no sequence is given out
        twice and a bookmark from another inbox can be noticed.

        Returns:
            How many.
        """
        confirmed = (
            select(func.min(readers.c.confirmed)).where(readers.c.stream == events.c.stream).scalar_subquery()
        )
        newest = select(func.max(events.c.sequence)).scalar_subquery()
        with self._database.writing() as connection:
            return connection.execute(
                delete(events).where(
                    events.c.received_at < rfc3339(now - timedelta(days=days), precision="microseconds"),
                    events.c.stream.is_(None) | (events.c.sequence <= confirmed),
                    events.c.sequence < newest,
                )
            ).rowcount
