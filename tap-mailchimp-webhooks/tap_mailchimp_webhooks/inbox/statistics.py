"""Tells what arrived lately for an audience, from which one sees whether its webhook is alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from tap_mailchimp_webhooks.events import CATCH_UP, WEBHOOK, rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import events


@dataclass(frozen=True)
class Arrivals:
    """Events of one audience.

    Attributes:
        last_at: When a webhook last arrived, ever; RFC 3339, UTC.
        count: Webhooks that arrived in the period.
        missed: Events of the period that only the catch-up found.
        last_missed_at: When the last of those happened.
    """

    last_at: str | None
    count: int
    missed: int
    last_missed_at: str | None


def arrivals(database: Database, list_id: str, since: datetime) -> Arrivals:
    """What arrived for an audience.

    Args:
        database: The inbox's.
        list_id: The audience.
        since: The beginning of the period.
    """
    told = (events.c.list_id == list_id) & (events.c.origin == WEBHOOK)
    found = (events.c.list_id == list_id) & (events.c.origin == CATCH_UP)
    since_text = rfc3339(since)
    with database.read() as connection:
        last_at = connection.execute(select(func.max(events.c.received_at)).where(told)).scalar()
        count = connection.execute(
            select(func.count()).select_from(events).where(told, events.c.received_at >= since_text)
        ).scalar_one()
        missed, last_missed_at = connection.execute(
            select(func.count(), func.max(events.c.occurred_at)).where(
                found, events.c.occurred_at >= since_text
            )
        ).one()
    return Arrivals(last_at, count, missed, last_missed_at)
