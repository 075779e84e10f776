"""The tap: its streams, the catch-up before them, and how a run ends."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from kinetic_mailchimp.kit.checks import Check, Finding
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.settings.declaration import json_schema, read
from kinetic_mailchimp.kit.settings.from_text import names_in
from kinetic_mailchimp.kit.singer.plugin import CheckedTap
from kinetic_mailchimp.mailchimp import MAILCHIMP_SETTINGS, MailchimpClient, MailchimpSettings
from singer_sdk import Stream
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_mailchimp_webhooks.settings import TapSettings
from tap_mailchimp_webhooks.streams.base import EventSource, EventStream
from tap_mailchimp_webhooks.streams.campaign_events import CampaignEventsStream
from tap_mailchimp_webhooks.streams.campaign_reports import Campaign, Marks, changed_campaigns
from tap_mailchimp_webhooks.streams.campaign_results import CampaignResultsStream
from tap_mailchimp_webhooks.streams.contact_events import ContactEventsStream
from tap_mailchimp_webhooks.streams.opt_outs import OptOutsStream, present_opt_outs
from tap_mailchimp_webhooks.streams.run_end import RunEnd
from tap_mailchimp_webhooks.streams.webhooks import WebhooksStream

# What works with the inbox is imported where it is used: `--about` and `--help` go without a database.
if TYPE_CHECKING:
    from tap_mailchimp_webhooks.catch_up.poller import CatchUp
    from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent
    from tap_mailchimp_webhooks.streams.confirmation import Confirmer
    from tap_mailchimp_webhooks.streams.event_reader import EventReader

_SCHEMA = json_schema(TapSettings)


class TapMailchimpWebhooks(CheckedTap, EventSource):
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
        **_SCHEMA,
        "properties": {**MAILCHIMP_SETTINGS, **_SCHEMA["properties"]},
    }

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        self._end = RunEnd(self.logger)
        self._catch_up_failure: ConnectorError | None = None
        super().__init__(**arguments)

    @cached_property
    def settings(self) -> TapSettings:
        """The tap's own settings."""
        return read(TapSettings, self.config)

    @cached_property
    def inbox(self) -> Inbox:
        """The inbox, opened when it is first needed, and closed with the tap."""
        from tap_mailchimp_webhooks.inbox.database import default_url  # noqa: PLC0415 (as above)
        from tap_mailchimp_webhooks.inbox.store import Inbox  # noqa: PLC0415 (as above)

        inbox = Inbox.open(self.settings.inbox_database_url or default_url())
        # The SDK's ways to run (a sync, a test, one stream) are final: none has an end to add to.
        weakref.finalize(self, inbox.database.close)
        return inbox

    @override
    def discover_streams(self) -> list[Stream]:
        streams = (
            ContactEventsStream,
            CampaignEventsStream,
            WebhooksStream,
            OptOutsStream,
            CampaignResultsStream,
        )
        return [stream(self) for stream in streams]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # From an environment file a list comes as text, and one that is not set as an empty one.
        given = self._config.get("list_ids")
        if isinstance(given, str) and not given.startswith("["):
            self._config["list_ids"] = list(names_in([given]))
        return super()._validate_config(raise_errors=raise_errors)

    @override
    def checks(self) -> Sequence[Check]:
        from tap_mailchimp_webhooks import connection_check as look  # noqa: PLC0415 (needs a database)

        return [
            *super().checks(),
            Check("inbox", lambda: look.look_at_inbox(self.inbox)),
            Check("path secret", look.look_at_path_secret),
        ]

    @override
    def check_connection(self) -> Iterator[Finding | str]:
        from tap_mailchimp_webhooks.connection_check import look_at_webhooks  # noqa: PLC0415 (likewise)

        # A person is waiting.
        settings = MailchimpSettings.from_config(self.config)
        client = MailchimpClient(settings, retry=INTERACTIVE_RETRY_POLICY, sleep=self._end.pause)
        return look_at_webhooks(client, self.inbox, self.settings.list_ids)

    @override
    def sample(self, name: str, count: int, is_selected: Callable[[str], bool]) -> list[dict[str, Any]]:
        stream = self.streams[name]
        if not isinstance(stream, EventStream):
            return super().sample(name, count, is_selected)
        # Straight from the inbox: a reader would note how far it came, and a catch-up store events.
        found = self.inbox.read(name, after=0, limit=count, list_ids=self.settings.list_ids)
        return [stream.record_of(event) for event in found]

    @override
    def audiences(self) -> frozenset[str]:
        return frozenset(self.settings.list_ids)

    # The streams' EventSource

    @override
    def reader(self, stream: str, after: int, inbox_id: str | None) -> EventReader:
        from tap_mailchimp_webhooks.streams.event_reader import EventReader  # noqa: PLC0415 (as above)

        settings, stop = self.settings, self._end.stop
        return EventReader(
            self.inbox,
            stream,
            stop,
            reader=settings.reader,
            after=after,
            list_ids=settings.list_ids,
            inbox_id=inbox_id,
        )

    @override
    def follow_seconds(self) -> float | None:
        return self.settings.follow_max_seconds if self.settings.follow else 0

    @override
    def before_events(self) -> None:
        # A failure must not keep the events waiting that are there: it ends the run after them.
        catch_up = self._catch_up()
        if catch_up is None:
            return
        if self.settings.follow:
            from tap_mailchimp_webhooks.catch_up.scheduler import PeriodicCatchUp  # noqa: PLC0415 (as above)

            PeriodicCatchUp(catch_up, self.settings.catch_up_interval, self._end.stop).start()
            return
        try:
            with self._end.interruptible():
                catch_up.run()
        except Exception as error:  # noqa: BLE001 (whatever it is, the events must go out)
            self.logger.warning("The catch-up failed; the events that are there go out first.")
            reason = f"The catch-up failed with an unexpected {type(error).__name__}."
            unexpected = ConnectorError(reason, advice="It is repeated with the next run.")
            self._catch_up_failure = error if isinstance(error, ConnectorError) else unexpected

    @override
    def after_events(self) -> None:
        if not self.settings.follow:
            self.end_if_stopped()
        if self._catch_up_failure is not None:
            raise self._catch_up_failure
        self._end_if_unconfirmed()

    @override
    def after_batch(self, *, is_empty: bool) -> None:
        if not self.settings.follow:
            self.end_if_stopped()
            return
        # The events that wait for Mailchimp's answer come next: they would come again and again.
        self._end_if_unconfirmed()
        if is_empty:
            self._emit_campaigns()

    @override
    def confirmed(self, batch: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        if self._confirmer is not None:
            return self._confirmer.confirm(batch)
        from tap_mailchimp_webhooks.streams.confirmation import needs_confirmation  # noqa: PLC0415 (as above)

        if self.settings.confirm_unsigned and any(map(needs_confirmation, batch)):
            self.logger.warning(
                "Unsigned events go out unconfirmed: neither `api_key` nor `access_token` is set."
            )
        return batch

    @cached_property
    def _confirmer(self) -> Confirmer | None:
        if not self.settings.confirm_unsigned or self._client is None:
            return None
        from tap_mailchimp_webhooks.streams.confirmation import Confirmer  # noqa: PLC0415 (as above)

        return Confirmer(self._client, self.inbox)

    @override
    def webhooks(self) -> Iterator[dict[str, Any]]:
        client = None if self._end.is_asked else self._client
        if client is None:
            return
        from tap_mailchimp_webhooks.webhooks.health import webhook_health  # noqa: PLC0415 (as above)

        for hook in webhook_health(client, self.inbox, self._audiences(client), utc_now()):
            yield asdict(hook)

    @override
    def opt_outs(self, *, is_tried_only: bool) -> Iterator[dict[str, Any]]:
        client = self._client_for(OptOutsStream.name, is_tried_only=is_tried_only)
        if client is None:
            return
        # Half of a listing must not pass for a whole one: a signal ends it with a status that shows it.
        self.end_if_stopped()
        for record in present_opt_outs(client, self._audiences(client)):
            yield record
            self.end_if_stopped()

    @override
    def campaigns(self, marks: Marks, *, is_tried_only: bool) -> tuple[Sequence[Campaign], Marks]:
        client = self._client_for(CampaignResultsStream.name, is_tried_only=is_tried_only)
        if client is None:
            return (), marks
        self.end_if_stopped()
        days = self.settings.campaign_results_days
        return changed_campaigns(client, self.settings.list_ids, days, marks)

    def _client_for(self, stream: str, *, is_tried_only: bool) -> MailchimpClient | None:
        """The client for a stream that needs one; None where the stream is only tried out without."""
        if self._client is None and not is_tried_only:
            raise ConfigurationError(
                f"The stream `{stream}` is selected, and there are no credentials for Mailchimp.",
                advice="Set `api_key` or `access_token`, or deselect the stream.",
            )
        return self._client

    def _audiences(self, client: MailchimpClient) -> Sequence[str]:
        return self.settings.list_ids or [str(found["id"]) for found in client.lists()]

    @cached_property
    def _client(self) -> MailchimpClient | None:
        if not (self.config.get("api_key") or self.config.get("access_token")):
            return None
        return MailchimpClient(MailchimpSettings.from_config(self.config), sleep=self._end.pause)

    def _catch_up(self) -> CatchUp | None:
        settings = self.settings
        if not settings.catch_up:
            return None
        if self._client is None:
            self.logger.warning("No catch-up: neither `api_key` nor `access_token` is set.")
            return None
        from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings  # noqa: PLC0415 (as above)

        is_wide = settings.catch_up_scope == "all_changes"
        scope = CatchUpSettings(settings.list_ids, is_wide, settings.backfill)
        return CatchUp(self._client, self.inbox, scope)

    def _emit_campaigns(self) -> None:
        """Sync `campaign_events` again, beside the stream that is being followed."""
        stream = self.streams[CampaignEventsStream.name]
        if not isinstance(stream, CampaignEventsStream) or not stream.selected:
            return
        if self.inbox.read(stream.name, after=stream.bookmark, limit=1):
            stream.sync()
            stream.finalize_state_progress_markers()

    # How a run ends

    def _end_if_unconfirmed(self) -> None:
        if self._confirmer is not None and self._confirmer.failure is not None:
            raise self._confirmer.failure

    @override
    def end_if_stopped(self) -> None:
        self._end.exit_if_asked()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End between two batches; the SDK would write a state in the middle of a line."""
        self._end.take_signal(signum)
