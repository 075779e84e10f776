"""All events of one person: found, and removed for good."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from kinetic_mailchimp.kit.database.batches import in_batches
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.parsing.email_address import naming, normalise_address
from sqlalchemy import func, select

from tap_mailchimp_webhooks.inbox.store import LOOKUP_CHUNK, Inbox, StoredEvent
from tap_mailchimp_webhooks.inbox.tables import events, readers


def events_of(inbox: Inbox, address: str) -> list[StoredEvent]:
    """Every event that is about an address or names it, oldest first.

    Encrypted data cannot be searched by the database, so that each event is read: minutes for millions.
    """
    named = naming(normalise_address(address))
    found: list[StoredEvent] = []
    after = 0
    while page := inbox.page(after=after):
        found += [event for event in page if named.search(normalise_address(_text_of(event.data)))]
        after = page[-1].sequence
    return found


def _text_of(data: Mapping[str, Any]) -> str:
    """All that an event holds; a delivery in quarantine is kept as it came, a form as a rule."""
    text = msgspec.json.encode(data).decode()
    return (
        text if data.keys() != {"body"} else unquote_plus(b64decode(data["body"]).decode("utf-8", "replace"))
    )


def unread(inbox: Inbox, found: Sequence[StoredEvent]) -> int:
    """Number of these events that a reader, or a first one, has not confirmed yet."""
    with inbox.database.reading() as connection:
        confirmed = connection.execute(select(func.min(readers.c.confirmed))).scalar() or 0
        waiting = [event.sequence for event in found if event.sequence > confirmed]
        return sum(
            connection.execute(
                select(func.count()).where(events.c.sequence.in_(some), events.c.stream.is_not(None))
            ).scalar_one()
            for some in in_batches(waiting, LOOKUP_CHUNK)
        )


def remove(inbox: Inbox, found: Sequence[StoredEvent]) -> None:
    """Delete events for good: SQLite overwrites them and empties its log.

    Raises:
        TransientError: They are deleted, but another process still reads an older state of the file.
    """
    database = inbox.database
    with database.writing() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        for some in in_batches([event.sequence for event in found], LOOKUP_CHUNK):
            connection.execute(events.delete().where(events.c.sequence.in_(some)))
    with database.autocommit() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("VACUUM inbox_events")
        elif connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
            raise TransientError(
                "The events are removed, but another process still reads: copies are in the file's log.",
                advice="Run the command again.",
            )
