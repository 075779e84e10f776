"""The stream `webhooks`: the webhooks that are registered, and if they look alive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from singer_sdk import typing as th
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.streams.base import TapStream, texts, timestamps


class WebhooksStream(TapStream):
    """Webhooks of the account, in the form of `webhooks.health.WebhookHealth`."""

    name = "webhooks"
    primary_keys: ClassVar[Sequence[str]] = ("list_id", "webhook_id")
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("list_id", th.StringType, required=True, description="The audience."),
        th.Property("webhook_id", th.StringType, required=True, description="Mailchimp's id of the webhook."),
        *texts(url="The URL that it posts to, with the secret masked."),
        th.Property(
            "events", th.ArrayType(th.StringType), description="The types of events that it reports."
        ),
        th.Property(
            "sources", th.ArrayType(th.StringType), description="Sources of changes that it reports."
        ),
        th.Property("is_ours", th.BooleanType, description="True if this software registered it."),
        th.Property("signing_enabled", th.BooleanType, description="True if Mailchimp signs its deliveries."),
        *timestamps(last_event_at="Arrival of the last event of the audience."),
        th.Property("events_last_7_days", th.IntegerType, description="Events that arrived."),
        th.Property("missed_last_7_days", th.IntegerType, description="Events that only the catch-up found."),
        *texts(verdict="`alive`, `quiet`, `looks_disabled`, `incomplete` or `foreign`."),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        source = self.source
        if source.client is None or source.end.is_asked:
            return
        from tap_mailchimp_webhooks.webhooks.health import webhook_health  # noqa: PLC0415 (needs a database)

        list_ids = source.audiences(source.client)
        for hook in webhook_health(source.client, source.inbox, list_ids, utc_now()):
            yield asdict(hook)
