"""The common part of the streams: the interface of the tap to them, and events read in batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from kinetic_mailchimp.kit.singer.plugin import CheckedStream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.streams.source import EventSource

if TYPE_CHECKING:
    from tap_mailchimp_webhooks.inbox.store import StoredEvent
    from tap_mailchimp_webhooks.streams.event_reader import EventReader


_INBOX_ID = "inbox_id"
"""The name in the state of the inbox that its number belongs to."""
_QUIET_AT = "quiet_at"
"""When a follower had nothing to emit: a state that has not changed would not be written."""


def texts(**descriptions: str) -> list[th.Property[Any]]:
    """Declare optional properties of text, by name."""
    return [th.Property(name, th.StringType, description=text) for name, text in descriptions.items()]


def timestamps(**descriptions: str) -> list[th.Property[Any]]:
    """Declare optional properties that hold a timestamp, by name."""
    return [th.Property(name, th.DateTimeType, description=text) for name, text in descriptions.items()]


EVENT_PROPERTIES = (
    th.Property("event_id", th.StringType, required=True, description="A digest of the event's content."),
    th.Property(
        "sequence", th.IntegerType, required=True, description="The order in which events were stored."
    ),
    *texts(list_id="The audience."),
    *timestamps(
        occurred_at="Mailchimp's time of the event, in UTC.", received_at="The time it was stored, in UTC."
    ),
    th.Property(
        "origin",
        th.StringType,
        allowed_values=["webhook", "catch_up"],
        description="Delivered by Mailchimp, or found later.",
    ),
)


class TapStream(CheckedStream):
    """A stream of this tap."""

    @property
    def source(self) -> EventSource:
        """The source of all streams of a run."""
        source: EventSource = cast("Any", self._tap).source
        return source

    @property
    def is_tried_only(self) -> bool:
        """True during `--test`, which stops at the first record."""
        return self.ABORT_AT_RECORD_COUNT is not None


class EventStream(TapStream):
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
        """Read the events that are there."""
        return reader.drain()

    def prepared(self, batch: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """The events of a batch that are emitted."""
        return batch

    def when_quiet(self) -> None:
        """Do what waits until there is nothing more of this stream for now; only while it is followed."""

    @abstractmethod
    def details(self, event: StoredEvent) -> dict[str, Any]:
        """The properties that this stream alone has."""

    def record_of(self, event: StoredEvent) -> dict[str, Any]:
        """The record of an event."""
        return {
            "event_id": event.event_id,
            "sequence": event.sequence,
            "list_id": event.list_id,
            "occurred_at": event.occurred_at,
            "received_at": event.received_at,
            "origin": event.origin,
            **self.details(event),
        }

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        reader = self.source.reader(self.name, self.bookmark, self.stream_state.get(_INBOX_ID))
        self.stream_state[_INBOX_ID] = reader.inbox_id
        for batch in self.batches(reader):
            for event in self.prepared(batch):
                yield self.record_of(event)
            if not batch:
                self.stream_state[_QUIET_AT] = format_timestamp(utc_now())
            self._write_state_message()
            self.source.after_batch()
            if not batch:
                self.when_quiet()
        self.source.after_events()
