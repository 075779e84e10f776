"""Reads the form that Mailchimp posts to the receiver."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

from tap_mailchimp_webhooks.events.event import (
    LONGEST_NAME,
    STREAM_BY_TYPE,
    WEBHOOK,
    Arrival,
    event_id_of,
    rfc3339,
    subject_of,
    to_arrival,
)
from tap_mailchimp_webhooks.events.php_form import MalformedFormError, parse_form

logger = logging.getLogger(__name__)

FORM = "application/x-www-form-urlencoded"

LONGEST_ADDRESS = 1_000
"""Characters of an address. RFC 5321 allows 254; what is much longer names nobody, and costs time to read."""

_NUMBERED = re.compile(rb"(?:\[|%5B)(?:web_)?id(?:\]|%5D)=[^&\s]", re.IGNORECASE)
_FIRED_AT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}(:?\d{2})?)?", re.ASCII)


def from_delivery(
    body: bytes, content_type: str, received_at: datetime, *, is_signed: bool = False
) -> Arrival:
    """Read an authentic delivery. It never fails: what cannot be understood becomes a quarantined event.

    Args:
        body: As it was received.
        content_type: The header of the request.
        received_at: With a time zone.
        is_signed: True if Mailchimp's signature was checked.
    """
    try:
        return _read(body, content_type, received_at, is_signed=is_signed)
    except Exception as error:  # noqa: BLE001 (an error of ours must not lose a delivery either)
        logger.error("A delivery was not understood: %s", type(error).__name__)  # noqa: TRY400 (it could name a person)
        return _quarantined(body, received_at, "not_understood")


def _read(body: bytes, content_type: str, received_at: datetime, *, is_signed: bool) -> Arrival:
    # A form under another label is read all the same: an opt-out must not fail for its label.
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
    if event_type != "campaign" and not 0 < len(subject_of(event_type, data) or "") <= LONGEST_ADDRESS:
        return _quarantined(body, received_at, "no_email", event_type)
    fired_at = form.get("fired_at")
    return to_arrival(
        event_id_of({"type": event_type, "fired_at": fired_at, "data": data}),
        event_type,
        data,
        occurred_at=_parse_fired_at(fired_at) or received_at,
        received_at=received_at,
        origin=WEBHOOK,
        is_signed=is_signed,
    )


def names_somebody(note: str, data: Mapping[str, Any]) -> bool:
    """False for a delivery in quarantine that is about nobody, such as the empty one of a check."""
    if note not in {"not_an_event", "not_a_form", "unknown_type", "no_email"}:
        return True
    body = base64.b64decode(data["body"])
    # Of a known type, the number of a contact names a person, too.
    return b"@" in body or b"%40" in body or (note == "no_email" and bool(_NUMBERED.search(body)))


def _quarantined(body: bytes, received_at: datetime, note: str, event_type: str = "") -> Arrival:
    return Arrival(
        event_id=hashlib.sha256(body).hexdigest(),
        stream=None,
        type=event_type[:LONGEST_NAME].replace("\0", ""),
        list_id=None,
        email=None,
        occurred_at=rfc3339(received_at),
        received_at=rfc3339(received_at, precision="microseconds"),
        origin=WEBHOOK,
        data={"body": base64.b64encode(body).decode()},
        note=note,
    )


def _parse_fired_at(value: object) -> datetime | None:
    """Read `fired_at`: without a time zone, as the vendor's own samples have it, it is in UTC."""
    if not isinstance(value, str) or not _FIRED_AT.fullmatch(value.strip()):
        return None
    try:
        return parse_timestamp(value)
    except ValueError:
        return None
