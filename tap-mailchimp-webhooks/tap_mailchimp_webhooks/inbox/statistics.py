"""Counts what arrived lately: for an audience, which shows if its webhook is alive, and in quarantine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, true

from tap_mailchimp_webhooks.events.delivery import names_somebody
from tap_mailchimp_webhooks.events.event import CATCH_UP, FORGOTTEN, WEBHOOK, rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.inbox.tables import events

_PLAIN_NAME = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Quarantined:
    """A delivery that could not be understood, without its content.

    Attributes:
        received_at: RFC 3339, UTC.
        type: The type of event that it names; empty where that is not a plain name.
        names_somebody: False for one that is about nobody, such as the empty one of a check.
    """

    sequence: int
    received_at: str
    note: str
    type: str
    names_somebody: bool


@dataclass(frozen=True)
class DeliveryCounts:
    """Events of one audience.

    Attributes:
        last_at: When a webhook last arrived, ever; RFC 3339, UTC.
        count: Webhooks that arrived in the period.
        missed: Events of the period that only the catch-up found.
    """

    last_at: str | None
    count: int
    missed: int
    last_missed_at: str | None


def count_deliveries(database: Database, list_id: str, since: datetime) -> DeliveryCounts:
    """Count what arrived for an audience."""
    reported = (events.c.list_id == list_id) & (events.c.origin == WEBHOOK)
    found = (events.c.list_id == list_id) & (events.c.origin == CATCH_UP) & events.c.stream.is_not(None)
    since_text = rfc3339(since)
    with database.reading() as connection:
        last_at = connection.execute(select(func.max(events.c.received_at)).where(reported)).scalar()
        count = connection.execute(
            select(func.count()).select_from(events).where(reported, events.c.received_at >= since_text)
        ).scalar_one()
        missed, last_missed_at = connection.execute(
            select(func.count(), func.max(events.c.occurred_at)).where(
                found, events.c.occurred_at >= since_text
            )
        ).one()
    return DeliveryCounts(last_at, count, missed, last_missed_at)


def delivered_events(
    database: Database, since: datetime, list_ids: Sequence[str] = (), *, only_unsigned: bool = False
) -> list[str]:
    """The ids of the events that webhooks delivered, in the order of their arrival.

    Args:
        database: The inbox's.
        since: The beginning of the period, by their receipt.
        list_ids: The audiences whose webhooks are meant; all without any.
        only_unsigned: Leaves out what Mailchimp signed.
    """
    wanted = [events.c.origin == WEBHOOK, events.c.received_at >= rfc3339(since)]
    if list_ids:
        wanted.append(events.c.list_id.in_(list_ids))
    if only_unsigned:
        wanted.append(events.c.is_signed.is_not(true()))
    with database.reading() as connection:
        found = connection.scalars(select(events.c.event_id).where(*wanted).order_by(events.c.sequence))
        return list(found)


def quarantined(inbox: Inbox, since: datetime) -> list[Quarantined]:
    """The deliveries that could not be understood, oldest first."""
    with inbox.database.reading() as connection:
        rows = connection.execute(
            select(events.c.sequence, events.c.received_at, events.c.note, events.c.type, events.c.data)
            .where(
                events.c.stream.is_(None),
                events.c.note.is_not(None),
                events.c.note != FORGOTTEN,
                events.c.received_at >= rfc3339(since),
            )
            .order_by(events.c.sequence)
        ).all()
    return [
        Quarantined(
            row.sequence,
            row.received_at,
            row.note,
            # A text that is not a name could hold anything, an address too.
            row.type if _PLAIN_NAME.fullmatch(row.type) else "",
            names_somebody(row.note, inbox.data_of(row.data)),
        )
        for row in rows
    ]
