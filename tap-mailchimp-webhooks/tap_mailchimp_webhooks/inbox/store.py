"""Stores events once and reads them in order."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kinetic_mailchimp.kit.database.batches import in_batches
from kinetic_mailchimp.kit.database.bulk_insert import insert_rows
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption, SecretBox
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from tap_mailchimp_webhooks.events.event import Arrival, subject_of
from tap_mailchimp_webhooks.inbox.arrivals import announce
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import events, identity

LOOKUP_CHUNK = 500
"""Values in one IN (…): SQLite and PostgreSQL both take it."""

_LAST = select(func.max(events.c.sequence))


@dataclass(frozen=True)
class StoredEvent:
    """One event as it waits in the inbox; the attributes are those of an Arrival.

    Attributes:
        confirmation: `confirmed` or `refuted` by a read of the member; None where it was not asked for.
    """

    sequence: int
    event_id: str
    type: str
    list_id: str | None
    occurred_at: str
    received_at: str
    origin: str
    data: Mapping[str, Any] = field(repr=False)
    claimed_at: str | None = None
    is_signed: bool = False
    confirmation: str | None = None


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
        encryption = encryption or FieldEncryption(SecretBox.find())
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
            new_rows = [tuple(row.values()) for row, is_new in zip(rows, fresh, strict=True) if is_new]
            if new_rows:
                insert_rows(connection, events, tuple(rows[0]), new_rows)
                announce(connection)
        return fresh

    def requeue(self, sequences: Sequence[int]) -> None:
        """Give events new sequences, after all others: a reader comes to them once more."""
        with self.database.writing() as connection:
            wanted = events.c.sequence.in_(sequences)
            rows = (
                connection.execute(select(events).where(wanted).order_by(events.c.sequence)).mappings().all()
            )
            again = [{name: row[name] for name in row if name != "sequence"} for row in rows]
            connection.execute(events.delete().where(wanted))
            if again:
                connection.execute(events.insert(), again)
                announce(connection)

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
        wanted = [events.c.stream == stream]
        if list_ids:
            wanted.append(or_(events.c.list_id.in_(list_ids), events.c.list_id.is_(None)))
        return self._next(wanted, after, limit)

    def page(self, *, after: int, limit: int = LOOKUP_CHUNK) -> list[StoredEvent]:
        """The next events of all streams, and of none, in order.

        Args:
            after: The sequence of the last one that was read; 0 for all.
            limit: The largest number of events.
        """
        return self._next([], after, limit)

    def _next(self, wanted: Sequence[ColumnElement[bool]], after: int, limit: int) -> list[StoredEvent]:
        query = select(events).where(*wanted, events.c.sequence > after).order_by(events.c.sequence)
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
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

        Returns:
            By address as it was given; an address without events is missing.
        """
        asked = {digest: address for address in addresses for digest in self._address_digests(address)}
        found: dict[str, list[StoredEvent]] = {}
        for row in self._of_audience(list_id, events.c.email_digest, list(asked)):
            found.setdefault(asked[row.email_digest], []).append(self._stored(row))
        return {address: in_order(about) for address, about in found.items()}

    def addresses_of(self, list_id: str, web_ids: Sequence[str]) -> dict[str, str]:
        """The address in the last event of each contact.

        Returns:
            By number; a contact without events is missing.
        """
        found: dict[str, str] = {}
        for row in self._of_audience(list_id, events.c.web_id, [web_id for web_id in web_ids if web_id]):
            data = self._stored(row).data
            found[row.web_id] = str(data.get("new_email") or subject_of(row.type, data))
        return found

    def _of_audience(
        self, list_id: str, column: ColumnElement[Any], values: Sequence[Any]
    ) -> Iterator[Row[Any]]:
        """The events of an audience with some values in a column, those with the same value oldest first."""
        query = select(events).where(events.c.list_id == list_id)
        with self.database.reading() as connection:
            for some in in_batches(values, LOOKUP_CHUNK):
                of_some = query.where(column.in_(some)).order_by(events.c.occurred_at, events.c.sequence)
                yield from connection.execute(of_some).all()

    def rows(self, arrivals: Iterable[Arrival]) -> list[dict[str, Any]]:
        """Events as the table has them."""
        return [self._row(arrival) for arrival in arrivals]

    def data_of(self, stored: str) -> dict[str, Any]:
        """The data of an event as it was before it was stored."""
        data: dict[str, Any] = msgspec.json.decode(self.encryption.decrypt(stored))
        return data

    def _address_digests(self, address: str) -> list[bytes]:
        """Digests that find an address: first as it is stored now, then under older keys and under none."""
        key = email_key(address).encode()
        keys = self.encryption.box.keys if self.encryption.box else ()
        keyed = [hmac.digest(secret.encode(), key, "sha256") for secret in keys]
        return [*keyed, hashlib.sha256(key).digest()]

    def _row(self, arrival: Arrival) -> dict[str, Any]:
        digests = self._address_digests(arrival.email) if arrival.email else [None]
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
            "claimed_at": arrival.claimed_at,
            "is_signed": arrival.is_signed,
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
            data=self.data_of(row.data),
            claimed_at=row.claimed_at,
            is_signed=bool(row.is_signed),
        )


def in_order(about: Sequence[StoredEvent]) -> list[StoredEvent]:
    """The events of one person in the order in which they happened.

    That is the order of Mailchimp's times. A time that was cut to the receipt is one of another clock, and
    says nothing beside them: such an event stays where it arrived.
    """
    arrived = sorted(about, key=lambda event: event.sequence)
    timed = iter(
        sorted(
            (event for event in arrived if not event.claimed_at),
            key=lambda event: (event.occurred_at, event.sequence),
        )
    )
    return [event if event.claimed_at else next(timed) for event in arrived]


def _known_ids(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    # SQLAlchemy's own IN (…) takes ten times as long as the database does, and each delivery waits for it.
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    known: set[str] = set()
    for some in in_batches(event_ids, LOOKUP_CHUNK):
        marks = ", ".join([mark] * len(some))
        query = f"SELECT event_id FROM {events.name} WHERE event_id IN ({marks})"  # noqa: S608 (our own names)
        known.update(connection.exec_driver_sql(query, tuple(some)).scalars())
    return known
