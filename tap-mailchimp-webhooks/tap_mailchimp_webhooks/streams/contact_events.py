"""The stream `contact_events`: what happened to contacts, of all types in one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_mailchimp.mailchimp import consent_facts
from singer_sdk import typing as th
from typing_extensions import override

from tap_mailchimp_webhooks.events.event import (
    CATCH_UP,
    CONTACT_EVENTS,
    WEBHOOK,
    number_of,
    subject_of,
    text_of,
)
from tap_mailchimp_webhooks.streams.base import EVENT_PROPERTIES, EventStream, texts, timestamps
from tap_mailchimp_webhooks.streams.campaign_events import CampaignEventsStream

if TYPE_CHECKING:
    from tap_mailchimp_webhooks.inbox.store import StoredEvent
    from tap_mailchimp_webhooks.streams.event_reader import EventReader


_ABOUT_CONSENT = frozenset({"subscribe", "unsubscribe", "cleaned"})
_TOLD = ("action", "reason", "campaign_id")


class ContactEventsStream(EventStream):
    """Events of contacts. Only this stream follows, and only it waits for the catch-up."""

    name = CONTACT_EVENTS
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        *EVENT_PROPERTIES,
        th.Property(
            "type",
            th.StringType,
            allowed_values=["subscribe", "unsubscribe", "profile", "upemail", "cleaned"],
            description="Mailchimp's type of the event.",
        ),
        *texts(
            reason="`manual`, `abuse` or `hard`, where Mailchimp states it.",
            action="`unsub` or `delete`, where Mailchimp states it.",
            email="The address; of a changed one the old form.",
            old_email="For `upemail`.",
            new_email="For `upemail`.",
            web_id="Mailchimp's number of the contact, which outlives a change of address.",
            campaign_id="The campaign that led to it.",
            unsubscribe_reason="The reason that the person gave when leaving; only the catch-up finds it.",
            initiated_by="`person` or `admin`: who made the opt-out, where Mailchimp says it; only the "
            "catch-up finds it.",
            confirmation="`confirmed` or `refuted` by a read of the member, for an unsigned subscription, "
            "profile or changed address. A refuted event must not be applied.",
        ),
        *timestamps(
            claimed_at="The time in the event where that is later than its receipt; `occurred_at` is then "
            "the receipt.",
        ),
        th.Property(
            "merges",
            th.ObjectType(additional_properties=True),
            description="Merge fields by tag, and groups.",
        ),
        th.Property(
            "statement",
            th.ObjectType(additional_properties=True),
            description="For `subscribe`, `unsubscribe` and `cleaned`: what Mailchimp said about the consent "
            "(IP addresses, times, source, reason), and how it came. For the audit trail.",
        ),
    ).to_dict()

    @override
    def batches(self, reader: EventReader) -> Iterator[list[StoredEvent]]:
        if self.is_tried_only:
            return reader.drain()
        self.source.before_events()
        seconds = self.source.follow_seconds
        return reader.drain() if seconds == 0 else reader.follow(seconds)

    @override
    def prepared(self, batch: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        return batch if self.is_tried_only else self.source.confirmed(batch)

    @override
    def when_quiet(self) -> None:
        """Sync `campaign_events` again, beside this stream."""
        stream = self._tap.streams[CampaignEventsStream.name]
        if not isinstance(stream, CampaignEventsStream) or not stream.selected:
            return
        if self.source.inbox.read(stream.name, after=stream.bookmark, limit=1):
            stream.sync()
            stream.finalize_state_progress_markers()

    @override
    def details(self, event: StoredEvent) -> dict[str, Any]:
        return {
            **contact_details(event.type, event.data),
            "statement": statement_of(event),
            "claimed_at": event.claimed_at,
            "confirmation": event.confirmation,
            # What a delivery says of it is not Mailchimp's.
            "initiated_by": text_of(event.data, "initiated_by") if event.origin == CATCH_UP else None,
        }


def statement_of(event: StoredEvent) -> dict[str, Any] | None:
    """Mailchimp's words about a person's consent, and how they came; None for an event that is not about it.

    It proves later how the person came or left: which of it is the sender's word alone shows `is_signed`.
    """
    if event.type not in _ABOUT_CONSENT:
        return None
    # Who made an opt-out, only the catch-up asks Mailchimp: a delivery could say anything.
    names = _TOLD if event.origin == WEBHOOK else (*_TOLD, "initiated_by")
    told = {name: text for name in names if (text := text_of(event.data, name))}
    return {
        "told_by": event.origin,
        "received_at": event.received_at,
        **({"is_signed": event.is_signed} if event.origin == WEBHOOK else {}),
        **({"confirmation": event.confirmation} if event.confirmation else {}),
        **({"list_id": event.list_id} if event.list_id else {}),
        **told,
        **consent_facts(event.data),
    }


def contact_details(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that comes from the event's type and data."""
    merges = data.get("merges")
    return {
        "type": event_type,
        "reason": text_of(data, "reason"),
        "action": text_of(data, "action"),
        "email": subject_of(event_type, data),
        "old_email": text_of(data, "old_email"),
        "new_email": text_of(data, "new_email"),
        "web_id": number_of(data, "web_id"),
        "campaign_id": text_of(data, "campaign_id"),
        "unsubscribe_reason": text_of(data, "unsubscribe_reason"),
        "merges": merges if isinstance(merges, dict) else {},
    }
