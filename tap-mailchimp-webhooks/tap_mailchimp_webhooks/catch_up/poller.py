"""Finds what no webhook reported: asks Mailchimp which members changed, and stores the missing events."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from kinetic_mailchimp.kit.email_address import email_key
from kinetic_mailchimp.kit.errors import ConnectorError, NotFoundError
from kinetic_mailchimp.kit.timestamps import Clock, parse_timestamp, utc_now
from kinetic_mailchimp.mailchimp import MailchimpClient, subscriber_hash
from kinetic_mailchimp.mailchimp.client import LARGEST_PAGE

from tap_mailchimp_webhooks.catch_up.missed_events import (
    OPTED_OUT,
    Missed,
    from_catch_up,
    missed_change,
    missed_opt_out,
    not_before_last_event,
    superseded_by_webhook,
)
from tap_mailchimp_webhooks.catch_up.watermarks import Watermarks
from tap_mailchimp_webhooks.events.event import rfc3339
from tap_mailchimp_webhooks.events.member_status import SUBSCRIBED
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""Read again each time: what Mailchimp dates before the last catch-up but showed only after it."""

WITHOUT_BACKFILL = timedelta(days=1)
MOST_LOOKUPS = 100
"""Activity feeds that one catch-up of an audience reads, one call each, to learn when a member left."""

FIELDS = (
    "id",
    "email_address",
    "web_id",
    "status",
    "unsubscribe_reason",
    "merge_fields",
    "timestamp_opt",
    "last_changed",
)


@dataclass(frozen=True)
class CatchUpSettings:
    """The scope of a catch-up.

    Attributes:
        list_ids: The audiences; all of the account without any.
        all_changes: Also look for subscriptions, profiles and changed addresses.
        backfill: Let the first one look at all opt-outs, however old.
    """

    list_ids: tuple[str, ...] = ()
    all_changes: bool = False
    backfill: bool = True


class CatchUp:
    """Looks for missed events.

    Args:
        client: Of the account.
        inbox: Holds the events that are known, and takes those that are missing.
        settings: The scope.
        now: The clock.
    """

    def __init__(
        self,
        client: MailchimpClient,
        inbox: Inbox,
        settings: CatchUpSettings,
        now: Clock = utc_now,
    ) -> None:
        self._client = client
        self._inbox = inbox
        self._settings = settings
        self._watermarks = Watermarks(inbox.database)
        self._now = now

    def run(self) -> int:
        """Look once at every audience.

        Returns:
            The number of events that were missing.

        Raises:
            ConnectorError: Mailchimp did not answer; the events that were found before are stored, and the
                next catch-up begins where this one began. The other audiences were looked at all the same;
                of several failures it is the first.
        """
        list_ids = self._settings.list_ids or [str(found["id"]) for found in self._client.lists()]
        found, failures = 0, []
        for list_id in list_ids:
            try:
                found += self._audience(list_id)
            except Exception as error:  # noqa: BLE001 (one audience must not keep the others waiting)
                logger.warning("Catch-up of audience %s failed: %s", list_id, reason_of(error))
                failures.append(error)
        if failures:
            raise failures[0]
        return found

    def _audience(self, list_id: str) -> int:
        until = self._client.server_time()
        since = self._since(list_id, until)
        audience = _Audience(self._client, self._inbox, list_id)
        found = 0
        for status in OPTED_OUT:
            for read_at, members in self._members(list_id, since, status=status):
                found += self._store(audience.opt_outs(members, read_at))
        if self._settings.all_changes:
            start = since or until - WITHOUT_BACKFILL
            for read_at, members in self._members(list_id, start, status=SUBSCRIBED):
                found += self._store(audience.changes(members, read_at, rfc3339(start)))
        self._watermarks.put(list_id, until, self._now())
        if found:
            logger.info("Catch-up of audience %s: %d events that no webhook reported.", list_id, found)
        return found

    def _since(self, list_id: str, until: datetime) -> datetime | None:
        watermark = self._watermarks.get(list_id)
        if watermark is not None:
            return watermark - OVERLAP
        return None if self._settings.backfill else until - WITHOUT_BACKFILL

    def _members(
        self, list_id: str, since: datetime | None, **filters: str
    ) -> Iterator[tuple[datetime, Sequence[Mapping[str, Any]]]]:
        """Read pages of members, each with a timestamp before it was read."""
        if since is not None:
            filters["since_last_changed"] = rfc3339(since)
        listed = self._client.members(list_id, fields=FIELDS, page_size=LARGEST_PAGE, **filters)
        # A member that has lost its address has none that an event could name.
        members = (member for member in listed if member.get("email_address"))
        read_at = self._now()
        while some := [_in_utc(member) for member in itertools.islice(members, LARGEST_PAGE)]:
            yield read_at, some
            read_at = self._now()

    def _store(self, missed: Iterable[tuple[Missed, datetime]]) -> int:
        found_at = self._now()
        arrivals = [
            from_catch_up(event.type, event.data, occurred_at, found_at) for event, occurred_at in missed
        ]
        return sum(self._inbox.store(arrivals)) if arrivals else 0


class _Audience:
    """One audience in one catch-up."""

    def __init__(self, client: MailchimpClient, inbox: Inbox, list_id: str) -> None:
        self._client = client
        self._inbox = inbox
        self._list_id = list_id
        self._lookups = MOST_LOOKUPS

    def opt_outs(
        self, members: Sequence[Mapping[str, Any]], read_at: datetime
    ) -> Iterator[tuple[Missed, datetime]]:
        """The missing events of members who left, with their times; `read_at` is before they were read."""
        known = self._known(members)
        for member in members:
            events = known.get(member["email_address"], ())
            missed = missed_opt_out(member, self._list_id, events)
            if missed is not None and not superseded_by_webhook(events, read_at):
                explained, occurred_at = self._explained(missed, member)
                yield explained, not_before_last_event(events, occurred_at or read_at)

    def changes(
        self, members: Sequence[Mapping[str, Any]], read_at: datetime, since: str
    ) -> Iterator[tuple[Missed, datetime]]:
        """The missing events of subscribed members that changed after `since`, with their times."""
        known = self._known(members)
        unknown = [str(member["web_id"]) for member in members if member["email_address"] not in known]
        former = self._inbox.addresses_of(self._list_id, unknown)
        for member in members:
            events = known.get(member["email_address"], ())
            if superseded_by_webhook(events, read_at):
                continue
            before = former.get(str(member["web_id"]))
            for missed in missed_change(member, self._list_id, events, since=since, former_address=before):
                yield missed, not_before_last_event(events, _changed_at(member) or read_at)

    def _known(self, members: Sequence[Mapping[str, Any]]) -> dict[str, list[StoredEvent]]:
        return self._inbox.about(self._list_id, [str(member["email_address"]) for member in members])

    def _explained(self, missed: Missed, member: Mapping[str, Any]) -> tuple[Missed, datetime | None]:
        """Add the reason and the time of a departure, as far as Mailchimp shows them."""
        occurred_at = _changed_at(member)
        if missed.type != "unsubscribe" or missed.data.get("action") != "unsub":
            return missed, occurred_at
        report = self._complaints.get(email_key(member["email_address"]))
        if report is not None:
            details = {"reason": "abuse", "campaign_id": str(report.get("campaign_id") or "")}
            return Missed(missed.type, {**missed.data, **details}), occurred_at
        left = self._departure(member)
        if left is None:
            return missed, occurred_at
        campaign = {"campaign_id": str(left["campaign_id"])} if left.get("campaign_id") else {}
        return Missed(missed.type, {**missed.data, **campaign}), parse_timestamp(left["created_at_timestamp"])

    @cached_property
    def _complaints(self) -> dict[str, Mapping[str, Any]]:
        reports = self._client.abuse_reports(self._list_id)
        # A report about a person who was deleted permanently names no address.
        return {
            email_key(str(report["email_address"])): report
            for report in reports
            if report.get("email_address")
        }

    def _departure(self, member: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not self._lookups:
            return None
        self._lookups -= 1
        path = f"lists/{self._list_id}/members/{subscriber_hash(member['email_address'])}/activity-feed"
        try:
            feed = self._client.get(path, activity_filters="unsub", count=1).get("activity") or ()
        except NotFoundError:
            return None
        return next((item for item in feed if item.get("created_at_timestamp")), None)


def reason_of(error: Exception) -> str:
    """The reason of a failed catch-up; of an unforeseen error only the type: its text could name people."""
    return str(error) if isinstance(error, ConnectorError) else type(error).__name__


def _in_utc(member: Mapping[str, Any]) -> dict[str, Any]:
    """A member whose times compare with those of events."""
    times = {name: member[name] for name in ("last_changed", "timestamp_opt") if member.get(name)}
    return {**member, **{name: rfc3339(parse_timestamp(text)) for name, text in times.items()}}


def _changed_at(member: Mapping[str, Any]) -> datetime | None:
    changed = member.get("last_changed")
    return parse_timestamp(changed) if changed else None
