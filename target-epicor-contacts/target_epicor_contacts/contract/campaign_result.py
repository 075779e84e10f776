"""Reads campaign results: if a person opened, clicked or bounced, and when; and knows campaign events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import email_key

from target_epicor_contacts.contract.contact_update import (
    ContactUpdate,
    InvalidUpdateError,
    address_in,
    text_in,
    time_in,
)
from target_epicor_contacts.contract.event_order import EventTime

RESULT_ID = "result_id"
"""The property that makes a record one of a result, and names it."""
RESULTS = ("sent", "opened", "clicked", "bounced")
"""The results of a campaign; `bounced` is for good, since Mailchimp tries again otherwise."""
_OF_CAMPAIGN_EVENT = frozenset({"campaign_id", "subject", "status"})


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """The result of a campaign with one person.

    Attributes:
        update: The person who had the address when the campaign was sent, and the record.
        title: The campaign's title, or its subject.
        times: By result, when it happened last; of those that did.
        opens: Number of times that it was opened.
        clicks: Number of clicks.
    """

    update: ContactUpdate
    campaign_id: str
    title: str
    times: Mapping[str, datetime]
    opens: int
    clicks: int

    def describe(self) -> Sequence[str]:
        """Lines for a person who reads of it in Epicor."""
        times = {name: f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" for name, at in self.times.items()}
        lines = {
            "sent": f"Sent: {times['sent']}",
            "opened": f"Opened: {self.opens}, last at {times.get('opened')}",
            "clicked": f"Clicked: {self.clicks}, last at {times.get('clicked')}",
            "bounced": f"Bounced: {times.get('bounced')}. Mailchimp sends nothing more to this address.",
        }
        campaign = f"Campaign: {self.title or 'without a title'} ({self.campaign_id})"
        return [
            f"Address: {self.update.email}",
            campaign,
            *(lines[name] for name in RESULTS if name in times),
        ]


def is_campaign_event(record: Mapping[str, Any]) -> bool:
    """True for an event of a campaign, which is about no person."""
    return "email" not in record and record.keys() >= _OF_CAMPAIGN_EVENT


def parse_result(stream: str, record: Mapping[str, Any]) -> CampaignResult:
    """The result in a record of the stream `campaign_results`, or the error of one that is not valid.

    Args:
        stream: The stream that it came on.
        record: Its properties.

    Raises:
        InvalidUpdateError: A property that is needed is missing or not valid.
    """
    result_id, campaign_id = text_in(record, RESULT_ID), text_in(record, "campaign_id")
    if not result_id or not campaign_id:
        raise InvalidUpdateError(
            "no_campaign", f"`{RESULT_ID}` or `campaign_id` is missing.", field="campaign_id"
        )
    email = address_in(record, "email")
    sent_at = time_in(record, "sent_at")
    opens, clicks = _number(record, "opens"), _number(record, "clicks")
    happened = {"opened": opens, "clicked": clicks, "bounced": record.get("bounce") == "hard"}
    names = {"opened": "last_open_at", "clicked": "last_click_at", "bounced": "bounced_at"}
    times = {
        result: time_in(record, names[result]) if record.get(names[result]) else sent_at
        for result, did in happened.items()
        if did
    }
    update = ContactUpdate(
        stream=stream,
        email=email,
        key=email_key(email),
        event_time=EventTime(sent_at, result_id),
        campaign_id=campaign_id,
        list_id=text_in(record, "list_id"),
        source_key=f"campaign {campaign_id}",
        record=record,
    )
    title = text_in(record, "campaign_title") or text_in(record, "subject") or ""
    return CampaignResult(update, campaign_id, title, {"sent": sent_at, **times}, opens, clicks)


def _number(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name) or 0
    if not isinstance(value, int | float) or value < 0 or not float(value).is_integer():
        raise InvalidUpdateError("invalid_count", f"`{name}` must be a whole number.", field=name)
    return int(value)
