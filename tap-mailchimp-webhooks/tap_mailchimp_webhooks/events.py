"""What a delivery says: from the form that Mailchimp posts to the event that is stored and emitted."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from kinetic_mailchimp.kit.email_address import email_key

from tap_mailchimp_webhooks.receiver.php_form import MalformedFormError, parse_form

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
FORM = "application/x-www-form-urlencoded"
FORGOTTEN_DOMAIN = "@forgotten.mailchimp.com"
"""Where Mailchimp moves the address of a person whom it deleted for good."""

FORGOTTEN = "forgotten"
"""The note on an event about such an address."""

_FIRED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Arrival:
    """One event on its way into the inbox.

    Attributes:
        event_id: A digest of the content: the same event, delivered twice, has the same one.
        stream: The stream that emits it; None keeps it in the inbox without emitting it.
        type: Mailchimp's name of the event.
        list_id: Mailchimp's id of the audience, where the event names one.
        email: The address the event is about, for finding it again.
        occurred_at: RFC 3339, UTC, whole seconds.
        received_at: RFC 3339, UTC.
        origin: `webhook` or `catch_up`.
        data: What Mailchimp told, whole.
        note: Why it is not emitted.
        web_id: Mailchimp's number of the contact, which outlives a change of address.
    """

    event_id: str
    stream: str | None
    type: str
    list_id: str | None
    email: str | None
    occurred_at: str
    received_at: str
    origin: str
    data: Mapping[str, Any] = field(repr=False)
    note: str | None = None
    web_id: str | None = None

    @property
    def is_quarantined(self) -> bool:
        """Whether it could not be understood."""
        return self.note is not None and self.note != FORGOTTEN


def from_delivery(body: bytes, content_type: str, received_at: datetime) -> Arrival:
    """Read an authentic delivery. It never fails: what cannot be understood becomes a quarantined event.

    Args:
        body: As it was received.
        content_type: The header of the request.
        received_at: With a time zone.
    """
    # What calls itself something else may be a form all the same: an opt-out must not fail for its label.
    is_labelled = content_type.partition(";")[0].strip().lower() in {FORM, ""}
    try:
        form = parse_form(body)
    except MalformedFormError:
        return _quarantined(body, received_at, "malformed_form")
    event_type, data = form.get("type"), form.get("data")
    if not isinstance(event_type, str) or not event_type or not isinstance(data, dict):
        return _quarantined(body, received_at, "not_an_event" if is_labelled else "not_a_form")
    if event_type not in STREAM_BY_TYPE:
        return _quarantined(body, received_at, "unknown_type", event_type)
    if event_type != "campaign" and not subject_of(event_type, data):
        return _quarantined(body, received_at, "no_email", event_type)
    fired_at = form.get("fired_at")
    occurred_at = _fired_at(fired_at) or received_at
    digest = event_id_of({"type": event_type, "fired_at": fired_at, "data": data})
    return _understood(digest, event_type, data, occurred_at, received_at, WEBHOOK)


def from_catch_up(
    event_type: str, data: Mapping[str, Any], occurred_at: datetime, found_at: datetime
) -> Arrival:
    """An event that no webhook told, in the shape in which one would have.

    Args:
        event_type: One of the contact events.
        data: As a webhook's `data`; with `email` and `list_id`.
        occurred_at: When Mailchimp says it happened.
        found_at: When it was noticed.
    """
    person = {"email": email_key(str(subject_of(event_type, data))), "list_id": data.get("list_id")}
    digest = event_id_of({"origin": CATCH_UP, "type": event_type, "at": rfc3339(occurred_at), **person})
    return _understood(digest, event_type, data, occurred_at, found_at, CATCH_UP)


def subject_of(event_type: str, data: Mapping[str, Any]) -> str | None:
    """The address that an event is about; for a changed address the old one, which other systems know.

    An event without an address of its own is about that of its merge fields.
    """
    if event_type == "upemail":
        return _text(data, "old_email")
    merges = data.get("merges")
    return _text(data, "email") or (_text(merges, "EMAIL") if isinstance(merges, dict) else None)


def contact_record(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a `contact_events` record that comes from the event's data."""
    merges = data.get("merges")
    return {
        "type": event_type,
        "reason": _text(data, "reason"),
        "action": _text(data, "action"),
        "email": subject_of(event_type, data),
        "old_email": _text(data, "old_email"),
        "new_email": _text(data, "new_email"),
        "campaign_id": _text(data, "campaign_id"),
        "unsubscribe_reason": _text(data, "unsubscribe_reason"),
        "merges": merges if isinstance(merges, dict) else {},
    }


def campaign_record(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a `campaign_events` record that comes from the event's data."""
    return {
        "campaign_id": _text(data, "id"),
        "subject": _text(data, "subject"),
        "status": _text(data, "status"),
        "reason": _text(data, "reason"),
    }


def event_id_of(content: Mapping[str, Any]) -> str:
    """The id of an event: the same for the same content."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def rfc3339(moment: datetime, *, precision: str = "seconds") -> str:
    """A moment as text in UTC, always of the same length, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec=precision)


def _understood(
    digest: str,
    event_type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    received_at: datetime,
    origin: str,
) -> Arrival:
    named = [_text(data, name) for name in ("email", "old_email", "new_email")]
    addresses = [address or "" for address in (*named, subject_of(event_type, data))]
    forgotten = any(address.lower().endswith(FORGOTTEN_DOMAIN) for address in addresses)
    return Arrival(
        event_id=digest,
        stream=None if forgotten else STREAM_BY_TYPE[event_type],
        type=event_type,
        list_id=(_text(data, "list_id") or "")[:_LONGEST_NAME].replace("\0", "") or None,
        email=subject_of(event_type, data) if event_type != "campaign" else None,
        occurred_at=rfc3339(occurred_at),
        received_at=rfc3339(received_at, precision="microseconds"),
        origin=origin,
        data=data,
        note=FORGOTTEN if forgotten else None,
        web_id=_number(data, "web_id"),
    )


def _quarantined(body: bytes, received_at: datetime, note: str, event_type: str = "") -> Arrival:
    return Arrival(
        event_id=hashlib.sha256(body).hexdigest(),
        stream=None,
        type=event_type[:_LONGEST_NAME].replace("\0", ""),
        list_id=None,
        email=None,
        occurred_at=rfc3339(received_at),
        received_at=rfc3339(received_at, precision="microseconds"),
        origin=WEBHOOK,
        data={"body": base64.b64encode(body).decode()},
        note=note,
    )


def _fired_at(value: object) -> datetime | None:
    """`fired_at` has no zone; the vendor's own samples show that it is UTC."""
    if not isinstance(value, str) or not _FIRED_AT.fullmatch(value.strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip()).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _number(data: Mapping[str, Any], name: str) -> str | None:
    value = str(data.get(name, ""))
    return value if value.isascii() and value.isdigit() and len(value) <= _LONGEST_NAME else None
