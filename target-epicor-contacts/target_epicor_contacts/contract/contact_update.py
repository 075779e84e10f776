"""Reads contact updates: checks the records of a stream and brings them into the types used here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kinetic_mailchimp.audit.state.member_state import CarriedOptOut, OpenWrite
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.parsing.email_address import (
    InvalidEmailError,
    email_key,
    find_address,
    parse_email,
)
from kinetic_mailchimp.kit.parsing.timestamps import Clock, parse_timestamp, utc_now
from kinetic_mailchimp.mailchimp.merge_field import MergeField

from target_epicor_contacts.contract.event_order import EventTime


class Status(StrEnum):
    """A person's consent, in Mailchimp's words."""

    SUBSCRIBED = "subscribed"
    CLEANED = "cleaned"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"

    @property
    def weight(self) -> int:
        """Rank among statuses of the same time: the one that lowers consent more is kept."""
        return list(Status).index(self)


STATUSLESS_TYPES = frozenset({"profile", "upemail"})
"""Events without a status, whatever a mapping made of them."""


_OF_REFUTED = (
    "email",
    "event_id",
    "occurred_at",
    "claimed_at",
    "sequence",
    "type",
    "list_id",
    "confirmation",
)
"""Properties of an event that was refuted which are still read."""


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """One record.

    Attributes:
        email: The address as it was written, cleaned of `mailto:`, display names and spaces.
        key: The address in the form in which addresses are compared (`email_key`).
        status: The person's consent, or None where the event is not about it.
        new_email: The address that takes the place of `email`, or None.
        columns: Epicor columns to set; none of the values is None.
        merges: Value by tag of the merge fields that the declared ones of the columns come from.
        fields: The merge field by column, as far as the audience's definitions are known:
            two values that it cannot tell apart are the same.
        web_id: Mailchimp's number of the contact, by which an opt-out under an untold address finds its rows.
        overwritten: Tags of those that a write of ours in the same second may have replaced.
        sent: The value of these columns that both sides last had in common, where one is known.
        writing: By column, the values of a run that broke off while it wrote them.
        opted_in_at: When the person opted in last, where Mailchimp shows the member as subscribed.
        echo: The rep's opt-out that the event comes from, where this software carried it to Mailchimp.
        statement: Mailchimp's words about the consent, and how they came: for the audit trail.
        record: The whole record, as JSON, for a dead letter.
    """

    stream: str
    email: str
    key: str
    event_time: EventTime
    status: Status | None = None
    new_email: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    merges: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, MergeField] = field(default_factory=dict)
    overwritten: frozenset[str] = frozenset()
    reason: str | None = None
    campaign_id: str | None = None
    list_id: str | None = None
    web_id: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    writing: Mapping[str, OpenWrite] = field(default_factory=dict)
    opted_in_at: datetime | None = None
    echo: CarriedOptOut | None = None
    source_key: str | None = None
    statement: Mapping[str, Any] | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def new_key(self) -> str | None:
        """The new address in the form in which addresses are compared."""
        return email_key(self.new_email) if self.new_email else None

    @property
    def is_empty(self) -> bool:
        """True if the event asks for nothing at all."""
        return self.status is None and self.new_email is None and not self.columns


class InvalidUpdateError(DataError):
    """The record is not a valid contact update."""

    def __init__(self, reason: str, message: str, *, field: str) -> None:
        super().__init__(message, advice=f"Check what the mapping puts into `{field}`.", field=field)
        self.reason = reason


def parse_update(
    stream: str,
    record: Mapping[str, Any],
    merge_fields: Mapping[str, str] | None = None,
    clock: Clock = utc_now,
) -> ContactUpdate:
    """The contact update in a record of any stream.

    Columns come out of `merges` as `merge_fields` declares them. Properties that begin with a capital letter
    are Epicor columns too, which a mapping derived; all others are metadata and are never written. None means
    "leave as it is".

    Args:
        stream: The stream that it came on.
        record: Its properties, as the mapping made them.
        merge_fields: The setting of that name.
        clock: Gives the present time, which no event can be later than.

    Raises:
        InvalidUpdateError: A property that is needed is missing or not valid.
    """
    if record.get("confirmation") == "refuted":
        # Mailchimp does not show what the event says: nothing of it is applied, and that is its decision.
        record = {name: record.get(name) for name in _OF_REFUTED}
    email = address_in(record, "email")
    status = _status(record)
    new_email = address_in(record, "new_email") if record.get("new_email") else None
    given = record.get("merges")
    merges: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    derived = {name: value for name, value in record.items() if name[:1].isupper() and value is not None}
    occurred_at, now = time_in(record, "occurred_at"), clock()
    claimed = time_in(record, "claimed_at") if record.get("claimed_at") else None
    if occurred_at > now:
        # A clock ahead of this one must not make an event the newest for as long as it is ahead.
        occurred_at, claimed = now, claimed or occurred_at
    event_id = text_in(record, "event_id") or digest(record)
    event_time = EventTime(occurred_at, event_id, _sequence(record), claimed)
    return ContactUpdate(
        stream=stream,
        email=email,
        key=email_key(email),
        event_time=event_time,
        status=None if text_in(record, "type") in STATUSLESS_TYPES else status,
        new_email=new_email,
        columns={**declared_columns(merges, merge_fields or {}), **derived},
        merges=merges,
        reason=text_in(record, "reason") or text_in(record, "action"),
        campaign_id=text_in(record, "campaign_id"),
        list_id=text_in(record, "list_id"),
        web_id=text_in(record, "web_id"),
        source_key=text_in(record, "source_key"),
        statement=said if isinstance(said := record.get("statement"), Mapping) and said else None,
        record=record,
    )


def declared_columns(merges: Mapping[str, Any], merge_fields: Mapping[str, str]) -> dict[str, Any]:
    """The columns that merge fields have values for.

    Args:
        merges: Value by tag.
        merge_fields: The setting of that name.
    """
    found = {column: value_of(merges, merge_field) for column, merge_field in merge_fields.items()}
    return {column: value for column, value in found.items() if value is not None}


def value_of(merges: Mapping[str, Any], merge_field: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a merge field, or of a part of one; None where there is none.

    An address that is not whole comes as a text, whose parts are not known; an empty text has empty parts.

    Args:
        merges: Value by tag.
        merge_field: Its tag, or tag and part: `ADDRESS.city`.
    """
    tag, _, part = merge_field.partition(".")
    value = merges.get(tag)
    if not part:
        return value
    if isinstance(value, Mapping):
        return value.get(part)
    return "" if value == "" else None


def digest(record: Mapping[str, Any]) -> str:
    """A name for a record that has none, the same for the same content."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:32]


def address_in(record: Mapping[str, Any], name: str) -> str:
    """The address in a property.

    Raises:
        InvalidUpdateError: It is not a single one.
    """
    value = record.get(name)
    # Rows are found by the same text, valid or not; an address that is written must be valid.
    read = find_address if name == "email" else parse_email
    try:
        return read(value if isinstance(value, str) else None)
    except InvalidEmailError as error:
        reason = error.reason if name == "email" else f"{name}_{error.reason}"
        raise InvalidUpdateError(reason, f"`{name}` is not a single e-mail address.", field=name) from error


def _status(record: Mapping[str, Any]) -> Status | None:
    value = record.get("contact_status")
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


def time_in(record: Mapping[str, Any], name: str) -> datetime:
    """The timestamp in a property, in UTC.

    Raises:
        InvalidUpdateError: It is missing or not valid.
    """
    value = record.get(name)
    if not value:
        raise InvalidUpdateError("no_time", f"`{name}` is missing.", field=name)
    try:
        return parse_timestamp(str(value)).astimezone(UTC)
    except ValueError as error:
        raise InvalidUpdateError(
            "invalid_time", f"`{name}` is not a valid ISO 8601 timestamp.", field=name
        ) from error


def _sequence(record: Mapping[str, Any]) -> int | None:
    value = record.get("sequence")
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InvalidUpdateError(
            "invalid_sequence", "`sequence` must be a whole number.", field="sequence"
        ) from error


def text_in(record: Mapping[str, Any], name: str) -> str | None:
    """The text in a property; None where it is empty."""
    value = record.get(name)
    return None if value in (None, "") else str(value)
