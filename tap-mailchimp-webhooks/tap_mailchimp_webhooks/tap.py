"""The tap: settings, streams, and how a run ends."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, TransientError
from kinetic_mailchimp.kit.singer import EXIT_BY_SIGNAL, SecretSettings
from kinetic_mailchimp.mailchimp import MAILCHIMP_SETTINGS, MailchimpClient, MailchimpSettings
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings
from tap_mailchimp_webhooks.catch_up.scheduler import RegularCatchUp
from tap_mailchimp_webhooks.inbox.database import default_url
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.streams.definitions import (
    CampaignEventsStream,
    ContactEventsStream,
    OptOutsStream,
    WebhooksStream,
)
from tap_mailchimp_webhooks.streams.opt_outs import present_opt_outs
from tap_mailchimp_webhooks.streams.reading import EventReader, Position
from tap_mailchimp_webhooks.webhooks.health import hook_health

_SETTINGS = th.PropertiesList(
    th.Property(
        "list_ids",
        th.ArrayType(th.StringType),
        title="Audiences",
        description="Only these audiences are read and caught up; all of the account without any.",
    ),
    th.Property(
        "inbox_database_url",
        th.StringType,
        secret=True,
        title="Inbox",
        description="SQLAlchemy URL of the inbox, the same as the receiver's: a SQLite file or PostgreSQL. "
        "By default `data/webhook-inbox.sqlite3` in the Meltano project.",
    ),
    th.Property(
        "follow",
        th.BooleanType,
        default=False,
        title="Follow",
        description="Stay and emit each event as it arrives, instead of ending when the inbox is read.",
    ),
    th.Property(
        "follow_max_seconds",
        th.NumberType,
        title="Longest following",
        description="End after so many seconds of following; without it, only a signal ends it.",
    ),
    th.Property(
        "catch_up",
        th.BooleanType,
        default=True,
        title="Catch up",
        description="Ask Mailchimp for opt-outs that no webhook told, before the inbox is read. "
        "Needs `api_key` or `access_token`; is left out without.",
    ),
    th.Property(
        "catch_up_scope",
        th.StringType,
        default="opt_outs",
        allowed_values=["opt_outs", "all_changes"],
        title="What to catch up",
        description="`all_changes` also finds new subscriptions, changed profiles and changed addresses. It "
        "cannot tell them from changes that another program wrote, such as target-mailchimp.",
    ),
    th.Property(
        "catch_up_interval",
        th.NumberType,
        default=900,
        title="Catch-up interval",
        description="Seconds between two catch-ups while following.",
    ),
    th.Property(
        "backfill",
        th.BooleanType,
        default=True,
        title="Backfill",
        description="Let the first catch-up find all opt-outs that Mailchimp knows, however old. "
        "Otherwise it begins one day before.",
    ),
    th.Property(
        "reader",
        th.StringType,
        default="default",
        title="Reader",
        description="The name of this pipeline in the inbox, if several read it: events are deleted only "
        "after all have read them.",
    ),
)


class TapMailchimpWebhooks(SecretSettings, Tap):
    """Reads Mailchimp's webhooks out of the inbox that the receiver fills."""

    name = "tap-mailchimp-webhooks"
    message_writer_class = MsgSpecWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = {
        **_SETTINGS.to_dict(),
        "properties": {**MAILCHIMP_SETTINGS, **_SETTINGS.to_dict()["properties"]},
    }

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        self._stop = threading.Event()
        self._signal: int | None = None
        self._is_interruptible = False
        self._catch_up_failure: ConnectorError | None = None
        super().__init__(**arguments)

    @cached_property
    def inbox(self) -> Inbox:
        """The inbox, opened when it is first needed, and closed with the tap."""
        inbox = Inbox.open(self.config.get("inbox_database_url") or default_url())
        # The ways to run are final in the SDK: nothing can be added to the end of one.
        weakref.finalize(self, inbox.close)
        return inbox

    @override
    def discover_streams(self) -> list[Stream]:
        return [
            ContactEventsStream(self),
            CampaignEventsStream(self),
            WebhooksStream(self),
            OptOutsStream(self),
        ]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # From an environment file a list comes as text, and what is not set as an empty one.
        given = self._config.get("list_ids")
        if isinstance(given, str) and not given.startswith("["):
            self._config["list_ids"] = [part.strip() for part in given.split(",") if part.strip()]
        return super()._validate_config(raise_errors=raise_errors)

    # What the streams ask for

    def reader(self, stream: str, after: int, inbox_id: str | None) -> EventReader:
        """Reads a stream of events after a bookmark."""
        position = Position(self.config["reader"], stream, after, self._list_ids, inbox_id)
        return EventReader(self.inbox, position, self._stop)

    def follow_seconds(self) -> float | None:
        """How long to stay for what comes: 0 not at all, None as long as nobody stops it."""
        if not self.config["follow"]:
            return 0
        longest = self.config.get("follow_max_seconds")
        return None if longest is None else float(longest)

    def before_events(self) -> None:
        """Get events into the inbox that no webhook told.

        A failure must not keep the events waiting that are there: it ends the run after them.
        """
        catch_up = self._catch_up()
        if catch_up is None:
            return
        if self.config["follow"]:
            RegularCatchUp(catch_up, float(self.config["catch_up_interval"]), self._stop).start()
            return
        try:
            with self._interruptible():
                catch_up.run()
        except ConnectorError as error:
            self._keep_for_the_end(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, the events must go out)
            reason = f"The catch-up failed with an unexpected {type(error).__name__}."
            self._keep_for_the_end(ConnectorError(reason, advice="It is repeated with the next run."))

    def after_events(self) -> None:
        """Report what kept the run from being whole, once everything that was there is out."""
        if not self.config["follow"]:
            self._end_if_stopped()
        if self._catch_up_failure is not None:
            raise self._catch_up_failure

    def after_batch(self, *, is_empty: bool) -> None:
        """End a drain that was asked to stop; while following, let campaign events out too."""
        if not self.config["follow"]:
            self._end_if_stopped()
        elif is_empty:
            self._emit_campaigns()

    def webhooks(self) -> Iterator[Mapping[str, Any]]:
        """The records of the stream `webhooks`."""
        client = None if self._stop.is_set() else self._client
        if client is None:
            return
        now = datetime.now(UTC)
        for hook in hook_health(client, self.inbox, self._audiences(client), now):
            yield hook.document

    def opt_outs(self, *, is_tried_only: bool) -> Iterator[Mapping[str, Any]]:
        """The records of the stream `opt_outs`.

        Raises:
            ConfigurationError: There are no credentials for Mailchimp.
        """
        if self._client is None:
            if is_tried_only:
                return
            raise ConfigurationError(
                "The stream `opt_outs` is selected, and there are no credentials for Mailchimp.",
                advice="Set `api_key` or `access_token`, or deselect the stream.",
            )
        # Half of a listing must not pass for a whole one: a signal ends it with a status that says so.
        self._end_if_stopped()
        for record in present_opt_outs(self._client, self._audiences(self._client)):
            yield record
            self._end_if_stopped()

    @property
    def _list_ids(self) -> tuple[str, ...]:
        return tuple(self.config.get("list_ids") or ())

    def _audiences(self, client: MailchimpClient) -> Sequence[str]:
        return self._list_ids or [str(found["id"]) for found in client.lists()]

    @cached_property
    def _client(self) -> MailchimpClient | None:
        if not (self.config.get("api_key") or self.config.get("access_token")):
            return None
        return MailchimpClient(MailchimpSettings.from_config(self.config), sleep=self._pause)

    def _catch_up(self) -> CatchUp | None:
        if not self.config["catch_up"]:
            return None
        if self._client is None:
            self.logger.warning("No catch-up: neither `api_key` nor `access_token` is set.")
            return None
        settings = CatchUpSettings(
            self._list_ids, self.config["catch_up_scope"] == "all_changes", bool(self.config["backfill"])
        )
        return CatchUp(self._client, self.inbox, settings)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise TransientError("Stopped while waiting to try again.")

    def _emit_campaigns(self) -> None:
        """Sync `campaign_events` again, beside the stream that is being followed."""
        stream = self.streams[CampaignEventsStream.name]
        if not isinstance(stream, CampaignEventsStream) or not stream.selected:
            return
        if self.inbox.read(stream.name, after=stream.bookmark, limit=1):
            stream.sync()
            stream.finalize_state_progress_markers()

    # How a run ends

    def _keep_for_the_end(self, error: ConnectorError) -> None:
        self.logger.warning("The catch-up failed; the events that are there go out first.")
        self._catch_up_failure = error

    def _end_if_stopped(self) -> None:
        if self._signal is not None:
            self.logger.warning("Signal %d: ended with the state of what is out.", self._signal)
            sys.exit(EXIT_BY_SIGNAL + self._signal)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Let the batch in hand and its state go out whole; while only waiting for Mailchimp, end at once.

        The SDK would write a state in the middle of a line.
        """
        if self._is_interruptible or self._signal is not None:
            sys.exit(EXIT_BY_SIGNAL + signum)
        self._signal = signum
        self._stop.set()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        self._is_interruptible = True
        try:
            yield
        finally:
            self._is_interruptible = False
