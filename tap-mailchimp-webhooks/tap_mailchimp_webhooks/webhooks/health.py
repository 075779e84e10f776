"""Judges if the registered webhooks are alive: Mailchimp disables one without showing it in its API."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp import MailchimpClient

from tap_mailchimp_webhooks.inbox.statistics import DeliveryCounts, count_deliveries
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.webhooks.register import EVENTS, is_as_wanted, sources, switched_on
from tap_mailchimp_webhooks.webhooks.registry import registered_webhooks
from tap_mailchimp_webhooks.webhooks.urls import PATH, mask_url

logger = logging.getLogger(__name__)

PERIOD = timedelta(days=7)
RETRY_PERIOD = timedelta(minutes=75)
"""Mailchimp repeats a delivery for so long: what happened later than that may still arrive."""

ADVICE: Mapping[str, str] = {
    "alive": "",
    "quiet": "Nothing arrived lately, and Mailchimp counted nothing that should have.",
    "incomplete": "It does not report all events: run `mailchimp-webhooks register` again.",
    "looks_disabled": "Things happened that it did not report: see that the receiver answers at its public "
    "URL, then run `mailchimp-webhooks unregister` and `register`.",
    "foreign": "It leads elsewhere.",
}
"""By verdict: what to do about a webhook."""

PROBLEMS = frozenset({"incomplete", "looks_disabled"})


@dataclass(frozen=True)
class WebhookHealth:
    """One webhook and its state; the attributes are those of the stream `webhooks`."""

    list_id: str
    webhook_id: str
    url: str
    events: list[str]
    sources: list[str]
    is_ours: bool
    signing_enabled: bool
    last_event_at: str | None
    events_last_7_days: int
    missed_last_7_days: int
    verdict: str


def verdict(
    arrived: DeliveryCounts,
    now: datetime,
    *,
    complete: bool,
    counted_days: int = 0,
    registered_at: str | None = None,
) -> str:
    """Judge a webhook of ours: one of the keys of ADVICE.

    Args:
        arrived: Events of its audience.
        now: With a time zone.
        complete: False for a webhook that does not report all that it should.
        counted_days: Days since the last delivery on which Mailchimp counted people who came or left.
        registered_at: RFC 3339, UTC; None if unknown.
    """
    if not complete:
        return "incomplete"
    last_sign = max(arrived.last_at or "", registered_at or "")
    missed_at = arrived.last_missed_at
    if missed_at and missed_at > last_sign and parse_timestamp(missed_at) < now - RETRY_PERIOD:
        return "looks_disabled"
    if counted_days:
        return "looks_disabled"
    return "alive" if arrived.count else "quiet"


def webhook_health(
    client: MailchimpClient, inbox: Inbox, list_ids: Iterable[str], now: datetime
) -> Iterator[WebhookHealth]:
    """Judge every webhook of some audiences."""
    registered = {
        (hook.list_id, hook.webhook_id): hook.registered_at for hook in registered_webhooks(inbox.database)
    }
    people = {name: True for name, on in sources(include_api=False).items() if on}
    for list_id in list_ids:
        hooks = client.webhooks(list_id)
        if not hooks:
            continue
        arrived = count_deliveries(inbox.database, list_id, now - PERIOD)
        activity = _activity(client, list_id)
        for hook in hooks:
            made_at = registered.get((list_id, str(hook["id"])))
            is_ours = made_at is not None or f"{PATH}/" in str(hook["url"])
            judged = "foreign"
            if is_ours:
                days = counted_days(activity, arrived.last_at, made_at, now)
                complete = is_as_wanted(hook, {"events": EVENTS, "sources": people})
                judged = verdict(arrived, now, complete=complete, counted_days=days, registered_at=made_at)
            yield WebhookHealth(
                list_id=list_id,
                webhook_id=str(hook["id"]),
                url=mask_url(str(hook["url"])),
                events=switched_on(hook, "events"),
                sources=switched_on(hook, "sources"),
                is_ours=is_ours,
                signing_enabled=bool(hook.get("signing_enabled")),
                last_event_at=arrived.last_at,
                events_last_7_days=arrived.count,
                missed_last_7_days=arrived.missed,
                verdict=judged,
            )


def _activity(client: MailchimpClient, list_id: str) -> list[Mapping[str, Any]]:
    """Counts of Mailchimp, day by day; nothing where it does not tell: the webhooks are judged without."""
    try:
        days = client.get(f"lists/{list_id}/activity", count=PERIOD.days + 1).get("activity")
    except ConnectorError as error:
        logger.warning("The activity of audience %s cannot be read: %s", list_id, error)
        return []
    return [day for day in days if isinstance(day, dict)] if isinstance(days, list) else []


def counted_days(
    activity: Iterable[Mapping[str, Any]], last_at: str | None, registered_at: str | None, now: datetime
) -> int:
    """Whole days after the last sign of life on which Mailchimp counted people who subscribed or left.

    Args:
        activity: `day`, `subs` and `unsubs`; changes through the API are counted elsewhere.
        last_at: Arrival of the last delivery.
        registered_at: RFC 3339, UTC; without it, the webhook may be younger than the day.
        now: Today is not over and is not looked at.
    """
    last_sign = max(last_at or "", registered_at or "")[:10]
    oldest = (now - PERIOD).date().isoformat()
    today = now.date().isoformat()
    if not last_sign:
        return 0
    return sum(
        1
        for day in activity
        if max(last_sign, oldest) < str(day.get("day"))[:10] < today
        and any(isinstance(day.get(kind), int) and day[kind] > 0 for kind in ("subs", "unsubs"))
    )
