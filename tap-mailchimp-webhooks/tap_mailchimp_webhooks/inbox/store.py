"""Stores events once and reads them in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from tap_mailchimp_webhooks.events.event import Arrival, subject_of
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.encryption import FieldEncryption
from tap_mailchimp_webhooks.inbox.tables import events, identity

LOOKUP_CHUNK = 500
"""Values in one IN (…): SQLite and PostgreSQL both take it."""

_LAST = select(func.max(events.c.sequence))


@dataclass(frozen=True)
class StoredEvent:
    """One event as it waits in the inbox; the attributes are those of an Arrival."""

    sequence: int
    event_id: str
    type: str
    list_id: str | None
    occurred_at: str
    received_at: str
    origin: str
    data: Mapping[str, Any] = field(repr=False)


class Inbox:
    """The events, in the order in which they became durable."""

    def __init__(self, database: Database, encryption: FieldEncryption) -> None:
        self.database = database
        self.encryption = encryption

    @classmethod
    def open(cls, url: str, encryption: FieldEncryption | None = None) -> Inbox:
        """Open an inbox, and make or upgrade its tables where that is needed.

        Raises:
            ConfigurationError: The URL or the key cannot be used.
            TransientError: The database does not answer.
        """
        encryption = encryption or FieldEncryption.from_environment()
        database = Database.connect(url)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return cls(database, encryption)

    def store(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Store events in one transaction; durable on return.

        Returns:
            For each event True if it is new; one that is there already is not stored again.

        Raises:
            TransientError: The database does not answer; nothing was stored.
        """
        rows = self.rows(arrivals)
        with self.database.writing() as connection:
            known = _known_ids(connection, [arrival.event_id for arrival in arrivals])
            fresh = []
            for arrival in arrivals:
                fresh.append(arrival.event_id not in known)
                known.add(arrival.event_id)
            new_rows = [row for row, is_new in zip(rows, fresh, strict=True) if is_new]
            if new_rows:
                connection.execute(events.insert(), new_rows)
        return fresh

    def read(
        self, stream: str, *, after: int, limit: int = 500, list_ids: Sequence[str] = ()
    ) -> list[StoredEvent]:
        """The next events of a stream, in order.

        Args:
            stream: The stream that emits them.
            after: The sequence of the last one that was read; 0 for all.
            limit: The largest number of events.
            list_ids: Only these audiences, and events that name none; all without any.
        """
        wanted: list[ColumnElement[bool]] = [events.c.stream == stream, events.c.sequence > after]
        if list_ids:
            wanted.append(or_(events.c.list_id.in_(list_ids), events.c.list_id.is_(None)))
        with self.database.reading() as connection:
            rows = connection.execute(
                select(events).where(*wanted).order_by(events.c.sequence).limit(limit)
            ).all()
        return [self._stored(row) for row in rows]

    def last_sequence(self) -> int:
        """The highest sequence that is durable; 0 for an empty inbox."""
        with self.database.autocommit() as connection:
            return connection.execute(_LAST).scalar() or 0

    def inbox_id(self) -> str:
        """The random name of this inbox, by which a bookmark tells it from any other."""
        with self.database.autocommit() as connection:
            return str(connection.execute(select(identity.c.inbox_id)).scalar_one())

    def about(self, list_id: str, addresses: Iterable[str]) -> dict[str, list[StoredEvent]]:
        """All events about some addresses in an audience, oldest first.

        Args:
            list_id: The audience.
            addresses: In any spelling.

        Returns:
            By address as it was given; an address without events is missing.
        """
        asked = {
            digest: address for address in addresses for digest in self.encryption.address_digests(address)
        }
        found: dict[str, list[StoredEvent]] = {}
        with self.database.reading() as connection:
            for digests in chunks(list(asked), LOOKUP_CHUNK):
                rows = connection.execute(
                    select(events)
                    .where(events.c.email_digest.in_(digests), events.c.list_id == list_id)
                    .order_by(events.c.occurred_at, events.c.sequence)
                ).all()
                for row in rows:
                    found.setdefault(asked[row.email_digest], []).append(self._stored(row))
        return found

    def addresses_of(self, list_id: str, web_ids: Sequence[str]) -> dict[str, str]:
        """The address in the last event of each contact.

        Args:
            list_id: The audience.
            web_ids: Mailchimp's numbers of the contacts.

        Returns:
            By number; a contact without events is missing.
        """
        found: dict[str, str] = {}
        with self.database.reading() as connection:
            for some in chunks([web_id for web_id in web_ids if web_id], LOOKUP_CHUNK):
                rows = connection.execute(
                    select(events)
                    .where(events.c.web_id.in_(some), events.c.list_id == list_id)
                    .order_by(events.c.occurred_at, events.c.sequence)
                ).all()
                for row in rows:
                    data = self._stored(row).data
                    found[row.web_id] = str(data.get("new_email") or subject_of(row.type, data))
        return found

    def rows(self, arrivals: Iterable[Arrival]) -> list[dict[str, Any]]:
        """Events as the table has them."""
        return [self._row(arrival) for arrival in arrivals]

    def _row(self, arrival: Arrival) -> dict[str, Any]:
        digests = self.encryption.address_digests(arrival.email) if arrival.email else [None]
        return {
            "event_id": arrival.event_id,
            "stream": arrival.stream,
            "type": arrival.type,
            "list_id": arrival.list_id,
            "email_digest": digests[0],
            "web_id": arrival.web_id,
            "occurred_at": arrival.occurred_at,
            "received_at": arrival.received_at,
            "origin": arrival.origin,
            "note": arrival.note,
            "data": self.encryption.encrypt(msgspec.json.encode(arrival.data).decode()),
        }

    def _stored(self, row: Row[Any]) -> StoredEvent:
        return StoredEvent(
            sequence=row.sequence,
            event_id=row.event_id,
            type=row.type,
            list_id=row.list_id,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            origin=row.origin,
            data=msgspec.json.decode(self.encryption.decrypt(row.data)),
        )


def _known_ids(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for some in chunks(event_ids, LOOKUP_CHUNK):
        known.update(connection.scalars(select(events.c.event_id).where(events.c.event_id.in_(some))))
    return known


def chunks(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    """A sequence in pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
