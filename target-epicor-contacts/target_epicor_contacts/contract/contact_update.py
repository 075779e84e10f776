"""Reads a contact update: what a record says about one person, checked and in the types used here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pendulum
from kinetic_mailchimp.kit.email_address import InvalidEmailError, email_key, parse_email
from kinetic_mailchimp.kit.errors import DataError
from pendulum.parsing.exceptions import ParserError

from target_epicor_contacts.contract.event_order import Moment


class Status(StrEnum):
    """What Mailchimp says about a person's consent."""

    SUBSCRIBED = "subscribed"
    CLEANED = "cleaned"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"

    @property
    def weight(self) -> int:
        """Which of two statuses of the same moment is kept: the one that lowers consent more."""
        return list(Status).index(self)


STATUSLESS_TYPES = frozenset({"profile", "upemail"})
"""Events that say nothing about consent, whatever a mapping made of them."""


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """One record.

    Attributes:
        stream: Where it came from.
        email: The address as it was written, cleaned of `mailto:`, display names and spaces.
        key: What addresses are compared by.
        moment: When it happened.
        status: What it says about consent, or None.
        new_email: The address that takes the place of `email`, or None.
        columns: Epicor columns to set; none of the values is None.
        reason: Why, in Mailchimp's words.
        campaign_id: The campaign that caused it.
        list_id: The audience it happened in.
        sent: What Mailchimp was given last in these columns, where that is known.
        source_key: What names the record at its source.
        record: All of it, as JSON, for a dead letter.
    """

    stream: str
    email: str
    key: str
    moment: Moment
    status: Status | None = None
    new_email: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    campaign_id: str | None = None
    list_id: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    source_key: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def new_key(self) -> str | None:
        """What the new address is compared by."""
        return email_key(self.new_email) if self.new_email else None


class InvalidUpdateError(DataError):
    """The record is no contact update.

    Attributes:
        reason: A stable code for the audit trail.
    """

    def __init__(self, reason: str, message: str, *, field: str) -> None:
        super().__init__(message, advice=f"Check what the mapping puts into `{field}`.", field=field)
        self.reason = reason


def parse_update(stream: str, record: Mapping[str, Any]) -> ContactUpdate:
    """The contact update in a record of any stream.

    Properties that begin with a capital letter are Epicor columns; all others are metadata and are never
    written. None means "leave as it is".

    Raises:
        InvalidUpdateError: A property that is needed is missing or is not what it should be.
    """
    content = plain(record)
    email = _address(content, "email")
    status = _status(content)
    new_email = _address(content, "new_email") if content.get("new_email") else None
    moment = Moment(_occurred_at(content), _sequence(content), _text(content, "event_id") or digest(content))
    return ContactUpdate(
        stream=stream,
        email=email,
        key=email_key(email),
        moment=moment,
        status=None if content.get("type") in STATUSLESS_TYPES else status,
        new_email=new_email,
        columns={name: value for name, value in content.items() if name[:1].isupper() and value is not None},
        reason=_text(content, "reason") or _text(content, "action"),
        campaign_id=_text(content, "campaign_id"),
        list_id=_text(content, "list_id"),
        source_key=_text(content, "source_key"),
        record=content,
    )


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record in types that JSON has: readers of Singer messages make Decimal of every fraction."""
    return {name: _plain(value) for name, value in record.items()}


def digest(record: Mapping[str, Any]) -> str:
    """A name for a record that has none, the same for the same content."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _address(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    try:
        return parse_email(value if isinstance(value, str) else None)
    except InvalidEmailError as error:
        reason = error.reason if name == "email" else f"{name}_{error.reason}"
        raise InvalidUpdateError(reason, f"`{name}` holds no single e-mail address.", field=name) from error


def _status(content: Mapping[str, Any]) -> Status | None:
    value = content.get("contact_status")
    if value in (None, ""):
        return None
    try:
        return Status(value)
    except ValueError as error:
        raise InvalidUpdateError(
            "unknown_status",
            f"`contact_status` must be one of {', '.join(status.value for status in Status)}, or null.",
            field="contact_status",
        ) from error


def _occurred_at(content: Mapping[str, Any]) -> datetime:
    value = content.get("occurred_at")
    if not value:
        raise InvalidUpdateError("no_time", "`occurred_at` is missing.", field="occurred_at")
    try:
        moment = pendulum.parse(str(value), strict=True)
    except (ParserError, ValueError) as error:
        raise _no_moment() from error
    if not isinstance(moment, datetime):
        raise _no_moment()
    return datetime.fromtimestamp(moment.timestamp(), tz=UTC)


def _no_moment() -> InvalidUpdateError:
    return InvalidUpdateError("invalid_time", "`occurred_at` is no moment.", field="occurred_at")


def _sequence(content: Mapping[str, Any]) -> int | None:
    value = content.get("sequence")
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InvalidUpdateError(
            "invalid_sequence", "`sequence` must be a whole number.", field="sequence"
        ) from error


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    return None if value in (None, "") else str(value)
