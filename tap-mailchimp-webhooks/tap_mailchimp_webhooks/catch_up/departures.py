"""Learns from Mailchimp why and when a member left: complaints, and the lines of activity feeds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError, NotFoundError
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp import MailchimpClient, subscriber_hash

from tap_mailchimp_webhooks.catch_up.missed_events import Missed
from tap_mailchimp_webhooks.events.member_status import time_in

logger = logging.getLogger(__name__)

MOST_LOOKUPS = 100
"""Activity feeds that one catch-up of an audience reads, one call each, to learn when a member left."""

MOST_FAILED_LOOKUPS = 3
"""Feeds that may fail; each costs all attempts of a call, and only details are missing without them."""

BY_ADMIN = "N/A (Unsubscribed by admin)"
"""Mailchimp's `unsubscribe_reason` of a member whom an admin or a program unsubscribed."""


class Departures:
    """The departures of one audience, for one catch-up."""

    def __init__(self, client: MailchimpClient, list_id: str) -> None:
        self._client = client
        self._list_id = list_id
        self._lookups = MOST_LOOKUPS
        self._failed_lookups = 0

    def explained(
        self, missed: Missed, member: Mapping[str, Any], occurred_at: datetime | None
    ) -> tuple[Missed, datetime | None]:
        """Add the reason and the time of a departure, as far as Mailchimp shows them.

        Args:
            missed: The event that is missing.
            member: As Mailchimp lists it.
            occurred_at: Mailchimp's time of the change, where nothing better is known.
        """
        if missed.type != "unsubscribe" or missed.data.get("action") != "unsub":
            return missed, occurred_at
        report = self._complaints.get(email_key(member["email_address"]))
        if report is not None:
            details = {"reason": "abuse", "campaign_id": str(report.get("campaign_id") or "")}
            return Missed(missed.type, {**missed.data, **details, "initiated_by": "person"}), occurred_at
        left = self._departure(member)
        found: dict[str, str] = {}
        if member.get("unsubscribe_reason") == BY_ADMIN or left.get("is_admin_unsubscribed") is True:
            found["initiated_by"] = "admin"
        elif left.get("is_admin_unsubscribed") is False:
            found["initiated_by"] = "person"
        if left.get("campaign_id"):
            found["campaign_id"] = str(left["campaign_id"])
        return Missed(missed.type, {**missed.data, **found}), (
            time_in(left, "created_at_timestamp") or occurred_at
        )

    @cached_property
    def _complaints(self) -> dict[str, Mapping[str, Any]]:
        # A report about a person who was deleted permanently names no address.
        try:
            return {
                email_key(str(report["email_address"])): report
                for report in self._client.abuse_reports(self._list_id)
                if report.get("email_address")
            }
        except ConnectorError as error:
            logger.warning("Complaints of audience %s are not told as such: %s", self._list_id, error)
            return {}

    def _departure(self, member: Mapping[str, Any]) -> Mapping[str, Any]:
        """The feed's last line about a departure; an empty one where it does not show it.

        It only has details: whatever it answers, the opt-out is told.
        """
        if not self._lookups or self._failed_lookups >= MOST_FAILED_LOOKUPS:
            return {}
        self._lookups -= 1
        member_id = member.get("id") or subscriber_hash(member["email_address"])
        path = f"lists/{self._list_id}/members/{member_id}/activity-feed"
        try:
            feed = self._client.get(path, activity_filters="unsub", count=1).get("activity") or ()
        except NotFoundError:
            return {}
        except ConnectorError as error:
            self._failed_lookups += 1
            logger.warning("The activity of a member who left cannot be read: %s", error)
            return {}
        return next(
            (item for item in feed if isinstance(item, dict) and item.get("created_at_timestamp")), {}
        )
