"""The stream `campaign_events`: campaigns that were sent or cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_mailchimp_webhooks.events.event import CAMPAIGN_EVENTS, text_of
from tap_mailchimp_webhooks.streams.base import EVENT_PROPERTIES, EventStream, texts

if TYPE_CHECKING:
    from tap_mailchimp_webhooks.inbox.store import StoredEvent


class CampaignEventsStream(EventStream):
    """Events of campaigns."""

    name = CAMPAIGN_EVENTS
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        *EVENT_PROPERTIES,
        *texts(
            campaign_id="Mailchimp's id of the campaign.",
            subject="Its subject line.",
            status="`sent` or another status.",
            reason="The reason, where it was not sent.",
        ),
    ).to_dict()

    @override
    def details(self, event: StoredEvent) -> dict[str, Any]:
        return campaign_details(event.data)


def campaign_details(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that comes from the event's data."""
    return {
        "campaign_id": text_of(data, "id"),
        "subject": text_of(data, "subject"),
        "status": text_of(data, "status"),
        "reason": text_of(data, "reason"),
    }
