"""One event in the form in which the inbox takes it, however Mailchimp reported it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from typing_extensions import override

CONTACT_EVENTS = "contact_events"
CAMPAIGN_EVENTS = "campaign_events"
WEBHOOK = "webhook"
CATCH_UP = "catch_up"

STREAM_BY_TYPE: Mapping[str, str] = {
    "subscribe": CONTACT_EVENTS,
    "unsubscribe": CONTACT_EVENTS,
    "profile": CONTACT_EVENTS,
    "upemail": CONTACT_EVENTS,
    "cleaned": CONTACT_EVENTS,
    "campaign": CAMPAIGN_EVENTS,
}
FORGOTTEN_DOMAIN = "@forgotten.mailchimp.com"
"""The domain to which Mailchimp moves the address of a person whom it deleted permanently."""

FORGOTTEN = "forgotten"
"""The note on an event about such an address."""

LONGEST_NAME = 100
"""Characters of a type or an id in the inbox."""


class Arrival(msgspec.Struct, frozen=True):
    """One event on its way into the inbox.

    Attributes:
        event_id: A digest of the content: the same event, delivered twice, has the same one.
        stream: The stream that emits it; None keeps it in the inbox without emitting it.
        list_id: Mailchimp's id of the audience, where the event names one.
        email: The address that the event is about, by which the inbox finds it again.
        occurred_at: RFC 3339, UTC, whole seconds.
        received_at: RFC 3339, UTC.
        origin: `webhook` or `catch_up`.
        data: Mailchimp's data of the event, unabridged.
        note: The reason why it is not emitted.
        web_id: Mailchimp's number of the contact, which outlives a change of address.
        claimed_at: The time that the event claims, where that is later than its receipt: then it occurred at
            its receipt.
        is_signed: True if Mailchimp's signature of the delivery was checked.
    """

    event_id: str
    stream: str | None
    type: str
    list_id: str | None
    email: str | None
    occurred_at: str
    received_at: str
    origin: str
    data: Mapping[str, Any]
    note: str | None = None
    web_id: str | None = None
    claimed_at: str | None = None
    is_signed: bool = False

    @override
    def __repr__(self) -> str:
        return f"Arrival({self.event_id!r}, {self.type!r})"  # nothing about the person

    @property
    def is_quarantined(self) -> bool:
        """True for an event that could not be understood."""
        return self.note is not None and self.note != FORGOTTEN


def to_arrival(
    event_id: str,
    event_type: str,
    data: Mapping[str, Any],
    *,
    occurred_at: datetime,
    received_at: datetime,
    origin: str,
    is_signed: bool = False,
) -> Arrival:
    """Bring an event that was understood into the form of the inbox.

    Args:
        event_id: From `event_id_of`.
        event_type: A key of STREAM_BY_TYPE.
        data: As the `data` of a webhook.
        occurred_at: Mailchimp's time of the event.
        received_at: The time at which it was received or found.
        origin: `webhook` or `catch_up`.
        is_signed: True if Mailchimp's signature of the delivery was checked.
    """
    # One dated in the future would supersede all that the person does until then. A catch-up takes its times
    # from Mailchimp, whose clock may be ahead of ours.
    is_impossible = origin == WEBHOOK and occurred_at > received_at
    subject = subject_of(event_type, data)
    named = (subject, *(text_of(data, name) for name in ("email", "old_email", "new_email")))
    forgotten = any(address and address.lower().endswith(FORGOTTEN_DOMAIN) for address in named)
    return Arrival(
        event_id=event_id,
        stream=None if forgotten else STREAM_BY_TYPE[event_type],
        type=event_type,
        list_id=(text_of(data, "list_id") or "")[:LONGEST_NAME].replace("\0", "") or None,
        email=subject if event_type != "campaign" else None,
        occurred_at=rfc3339(received_at if is_impossible else occurred_at),
        received_at=rfc3339(received_at, precision="microseconds"),
        origin=origin,
        data=data,
        note=FORGOTTEN if forgotten else None,
        web_id=number_of(data, "web_id"),
        claimed_at=rfc3339(occurred_at) if is_impossible else None,
        is_signed=is_signed,
    )


def subject_of(event_type: str, data: Mapping[str, Any]) -> str | None:
    """The address that an event is about; for a changed address the old one, which other systems know.

    An event without an address of its own is about that of its merge fields.
    """
    if event_type == "upemail":
        return text_of(data, "old_email")
    merges = data.get("merges")
    return text_of(data, "email") or (text_of(merges, "EMAIL") if isinstance(merges, dict) else None)


def event_id_of(content: Mapping[str, Any]) -> str:
    """The id of an event: the same for the same content."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def rfc3339(timestamp: datetime, *, precision: str = "seconds") -> str:
    """A timestamp as the inbox stores it: `2026-03-01T11:59:58+00:00`.

    In UTC and always of the same length, so that text sorts as time does. Ids of events are digests of this
    form, so it stays as it is: `kit.parsing.timestamps.format_timestamp` has another one.

    Args:
        timestamp: With a time zone.
        precision: `seconds` or `microseconds`.
    """
    return timestamp.astimezone(UTC).isoformat(timespec=precision)


def text_of(data: Mapping[str, Any], name: str) -> str | None:
    """A value of an event's data as text; None where it is blank, missing or of another type."""
    value = data.get(name)
    return value.strip() or None if isinstance(value, str) else None


def number_of(data: Mapping[str, Any], name: str) -> str | None:
    """A number of an event's data as text; None where it is missing or something else."""
    value = str(data.get(name, ""))
    return value if value.isascii() and value.isdigit() and len(value) <= LONGEST_NAME else None
