"""The streams of the tap: events out of the inbox, and what Mailchimp says at present."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.events import CAMPAIGN_EVENTS, CONTACT_EVENTS, campaign_record, contact_record
from tap_mailchimp_webhooks.inbox.store import StoredEvent
from tap_mailchimp_webhooks.streams.opt_outs import OPT_OUTS
from tap_mailchimp_webhooks.streams.reading import EventReader

_INBOX_ID = "inbox_id"
"""Where the state says which inbox its number belongs to."""

_EVENT_PROPERTIES = (
    th.Property("event_id", th.StringType, required=True, description="A digest of what the event says."),
    th.Property(
        "sequence", th.IntegerType, required=True, description="The order in which events were stored."
    ),
    th.Property("list_id", th.StringType, description="The audience."),
    th.Property("occurred_at", th.DateTimeType, description="When Mailchimp says that it happened, in UTC."),
    th.Property("received_at", th.DateTimeType, description="When it was stored, in UTC."),
    th.Property(
        "origin", th.StringType, allowed_values=["webhook", "catch_up"], description="Who told of it."
    ),
)


class EventSource(Protocol):
    """What the streams need of their tap."""

    def reader(self, stream: str, after: int, inbox_id: str | None) -> EventReader:
        """Reads a stream of events after a bookmark, and the inbox that this was taken for."""

    def follow_seconds(self) -> float | None:
        """How long to stay for what comes; None for as long as nobody stops it."""

    def before_events(self) -> None:
        """Get events into the inbox that no webhook told."""

    def after_events(self) -> None:
        """What is due after the last batch."""

    def after_batch(self, *, is_empty: bool) -> None:
        """What is due whenever a batch was written, its state included.

        While following, an empty one means that there is nothing more of this stream for now.
        """

    def webhooks(self) -> Iterable[Mapping[str, Any]]:
        """The records of the stream `webhooks`."""

    def opt_outs(self, *, is_tried_only: bool) -> Iterable[Mapping[str, Any]]:
        """The records of the stream `opt_outs`; when it is only tried out, it may stay without any."""


class _TapStream(Stream):
    """A stream of this tap."""

    @property
    def _source(self) -> EventSource:
        return cast("EventSource", self._tap)

    @property
    def is_tried_only(self) -> bool:
        """Whether this is `--test`, which stops at the first record."""
        return self.ABORT_AT_RECORD_COUNT is not None


class _EventStream(_TapStream):
    """Events in the order in which they were stored."""

    primary_keys: ClassVar[Sequence[str]] = ("event_id",)
    replication_key = "sequence"
    is_sorted = True
    # Records are built to their schema, and `merges` is any object: nothing is left to conform.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    @property
    def bookmark(self) -> int:
        """The sequence of the last event that was written; 0 before the first."""
        return int(self.stream_state.get("replication_key_value") or 0)

    def batches(self, reader: EventReader) -> Iterator[list[StoredEvent]]:
        """What is there."""
        return reader.drain()

    @abstractmethod
    def details(self, event: StoredEvent) -> dict[str, Any]:
        """The properties that this stream alone has."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        reader = self._source.reader(self.name, self.bookmark, self.stream_state.get(_INBOX_ID))
        self.stream_state[_INBOX_ID] = reader.inbox_id
        for batch in self.batches(reader):
            for event in batch:
                yield {
                    "event_id": event.event_id,
                    "sequence": event.sequence,
                    "list_id": event.list_id,
                    "occurred_at": event.occurred_at,
                    "received_at": event.received_at,
                    "origin": event.origin,
                    **self.details(event),
                }
            self._write_state_message()
            self._source.after_batch(is_empty=not batch)
        self._source.after_events()


class ContactEventsStream(_EventStream):
    """What happened to contacts, of all types in one order."""

    name = CONTACT_EVENTS
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        *_EVENT_PROPERTIES,
        th.Property(
            "type",
            th.StringType,
            allowed_values=["subscribe", "unsubscribe", "profile", "upemail", "cleaned"],
            description="What happened.",
        ),
        th.Property(
            "reason", th.StringType, description="`manual`, `abuse` or `hard`, where Mailchimp says it."
        ),
        th.Property("action", th.StringType, description="`unsub` or `delete`, where Mailchimp says it."),
        th.Property("email", th.StringType, description="The address; of a changed one the old form."),
        th.Property("old_email", th.StringType, description="For `upemail`."),
        th.Property("new_email", th.StringType, description="For `upemail`."),
        th.Property("campaign_id", th.StringType, description="The campaign that led to it."),
        th.Property(
            "unsubscribe_reason",
            th.StringType,
            description="What the person said when leaving; only the catch-up learns it.",
        ),
        th.Property(
            "merges",
            th.ObjectType(additional_properties=True),
            description="Merge fields by tag, and groups.",
        ),
    ).to_dict()

    @override
    def batches(self, reader: EventReader) -> Iterator[list[StoredEvent]]:
        if self.is_tried_only:
            return reader.drain()
        self._source.before_events()
        seconds = self._source.follow_seconds()
        return reader.drain() if seconds == 0 else reader.follow(seconds)

    @override
    def details(self, event: StoredEvent) -> dict[str, Any]:
        return contact_record(event.type, event.data)


class CampaignEventsStream(_EventStream):
    """Campaigns that were sent or cancelled."""

    name = CAMPAIGN_EVENTS
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        *_EVENT_PROPERTIES,
        th.Property("campaign_id", th.StringType, description="Mailchimp's id of the campaign."),
        th.Property("subject", th.StringType, description="Its subject line."),
        th.Property("status", th.StringType, description="`sent` or another status."),
        th.Property("reason", th.StringType, description="Why, where it was not sent."),
    ).to_dict()

    @override
    def details(self, event: StoredEvent) -> dict[str, Any]:
        return campaign_record(event.data)


class WebhooksStream(_TapStream):
    """The webhooks that are registered, and whether they look alive."""

    name = "webhooks"
    primary_keys: ClassVar[Sequence[str]] = ("list_id", "webhook_id")
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("list_id", th.StringType, required=True, description="The audience."),
        th.Property("webhook_id", th.StringType, required=True, description="Mailchimp's id of the webhook."),
        th.Property("url", th.StringType, description="Where it posts to, with the secret masked."),
        th.Property("events", th.ArrayType(th.StringType), description="The types of events that it tells."),
        th.Property("sources", th.ArrayType(th.StringType), description="Whose changes it tells."),
        th.Property("is_ours", th.BooleanType, description="Whether this software registered it."),
        th.Property("signing_enabled", th.BooleanType, description="Whether Mailchimp signs its deliveries."),
        th.Property(
            "last_event_at", th.DateTimeType, description="When an event of the audience last arrived."
        ),
        th.Property("events_last_7_days", th.IntegerType, description="Events that arrived."),
        th.Property("missed_last_7_days", th.IntegerType, description="Events that only the catch-up found."),
        th.Property(
            "verdict",
            th.StringType,
            description="`alive`, `quiet`, `looks_disabled`, `incomplete` or `foreign`.",
        ),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for record in self._source.webhooks():
            yield dict(record)


class OptOutsStream(_TapStream):
    """Everyone who is out at present: for a comparison, so it is read only where somebody selects it."""

    name = OPT_OUTS
    primary_keys: ClassVar[Sequence[str]] = ("event_id",)
    selected_by_default = False
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "event_id", th.StringType, required=True, description="A digest of the member and this state."
        ),
        th.Property(
            "type",
            th.StringType,
            allowed_values=["unsubscribe", "cleaned"],
            description="The contact event that leads to this state.",
        ),
        th.Property("reason", th.StringType, description="`manual` or `hard`."),
        th.Property("email", th.StringType, description="The address."),
        th.Property("list_id", th.StringType, description="The audience."),
        th.Property("occurred_at", th.DateTimeType, description="When the member last changed, in UTC."),
        th.Property("unsubscribe_reason", th.StringType, description="What the person said when leaving."),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        version = self._stream_version = self._initialized_at // 1000
        for record in self._source.opt_outs(is_tried_only=self.is_tried_only):
            yield dict(record)
        if not self.is_tried_only:
            # After the last record: who has not come by now is not opted out.
            self._write_activate_version_message(version)
