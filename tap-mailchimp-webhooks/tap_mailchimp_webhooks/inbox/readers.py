"""Remembers the positions of readers, for metrics and for what may be deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from sqlalchemy import delete, func, select

from tap_mailchimp_webhooks.events.event import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import events, readers


@dataclass(frozen=True)
class Unread:
    """Events that wait in the inbox for the slowest reader.

    Attributes:
        oldest_seconds: Age of the oldest; 0 without any.
    """

    count: int
    oldest_seconds: float


class Readers:
    """The positions of all readers of an inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, name: str, stream: str, now: datetime, *, emitted: int, confirmed: int) -> None:
        """Note the position of a reader.

        Args:
            name: The reader's.
            stream: The stream's.
            now: The time.
            emitted: The last sequence that it wrote out.
            confirmed: The last sequence that its bookmark held when it started: known to be in the target.
        """
        own = (readers.c.name == name) & (readers.c.stream == stream)
        values = {"emitted": emitted, "confirmed": confirmed, "seen_at": rfc3339(now)}
        with self._database.writing() as connection:
            if not connection.execute(readers.update().where(own).values(values)).rowcount:
                connection.execute(readers.insert().values(name=name, stream=stream, **values))

    def unread(self, stream: str, now: datetime) -> Unread:
        """Count what the slowest reader of a stream has not emitted; everything, where there is no reader."""
        slowest = select(func.coalesce(func.min(readers.c.emitted), 0)).where(readers.c.stream == stream)
        with self._database.reading() as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(events.c.received_at)).where(
                    events.c.stream == stream, events.c.sequence > slowest.scalar_subquery()
                )
            ).one()
        age = (now - parse_timestamp(oldest)).total_seconds() if oldest else 0.0
        return Unread(count, max(0.0, age))

    def delete_before(self, now: datetime, days: int) -> int:
        """Delete events that all readers of their stream have confirmed and that are older than some days.

        An event that no stream emits goes by age alone. The newest event stays, so that no sequence is given
        out twice and a bookmark from another inbox can be noticed.

        Returns:
            The number of events that were deleted.
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
