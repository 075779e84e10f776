"""The tap: its settings, its streams, its checks, and the signal that ends a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar

from kinetic_mailchimp.kit.checks import Check, Finding
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY
from kinetic_mailchimp.kit.settings.declaration import json_schema
from kinetic_mailchimp.kit.settings.from_text import names_in
from kinetic_mailchimp.kit.singer.plugin import CheckedTap
from kinetic_mailchimp.mailchimp import MAILCHIMP_SETTINGS, MailchimpClient, MailchimpSettings
from singer_sdk import Stream
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_mailchimp_webhooks.settings import TapSettings
from tap_mailchimp_webhooks.streams.base import EventStream
from tap_mailchimp_webhooks.streams.campaign_events import CampaignEventsStream
from tap_mailchimp_webhooks.streams.campaign_results import CampaignResultsStream
from tap_mailchimp_webhooks.streams.contact_events import ContactEventsStream
from tap_mailchimp_webhooks.streams.opt_outs import OptOutsStream
from tap_mailchimp_webhooks.streams.run_end import RunEnd
from tap_mailchimp_webhooks.streams.source import EventSource
from tap_mailchimp_webhooks.streams.webhooks import WebhooksStream

_SCHEMA = json_schema(TapSettings)


class TapMailchimpWebhooks(CheckedTap):
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
        super().__init__(**arguments)

    @cached_property
    def source(self) -> EventSource:
        """The source of all streams of a run."""
        return EventSource(self.config, self.logger, self._end)

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
            Check("inbox", lambda: look.look_at_inbox(self.source.inbox)),
            Check("path secret", look.look_at_path_secret),
        ]

    @override
    def check_connection(self) -> Iterator[Finding | str]:
        from tap_mailchimp_webhooks.connection_check import look_at_webhooks  # noqa: PLC0415 (likewise)

        # A person is waiting.
        settings = MailchimpSettings.from_config(self.config)
        client = MailchimpClient(settings, retry=INTERACTIVE_RETRY_POLICY, sleep=self._end.pause)
        return look_at_webhooks(client, self.source.inbox, self.source.settings.list_ids)

    @override
    def sample(self, name: str, count: int, is_selected: Callable[[str], bool]) -> list[dict[str, Any]]:
        stream = self.streams[name]
        if not isinstance(stream, EventStream):
            return super().sample(name, count, is_selected)
        # Straight from the inbox: a reader would note how far it came, and a catch-up store events.
        source = self.source
        found = source.inbox.read(name, after=0, limit=count, list_ids=source.settings.list_ids)
        return [stream.record_of(event) for event in found]

    @override
    def audiences(self) -> frozenset[str]:
        return frozenset(self.source.settings.list_ids)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End between two batches; the SDK would write a state in the middle of a line."""
        self._end.take_signal(signum)
