"""Reads the reports of campaigns: which have changed, and what became of one with each recipient."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.mailchimp import MailchimpClient, member_key

from tap_mailchimp_webhooks.events.event import event_id_of, rfc3339
from tap_mailchimp_webhooks.events.member_status import has_address, time_in

logger = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""Read again each time: what Mailchimp dates before a look at a report but shows only after it."""

Marks = Mapping[str, Mapping[str, Any]]
"""By campaign, in the state: how far it was read."""


@dataclass(frozen=True)
class Campaign:
    """A campaign whose results are to be read.

    Attributes:
        report: As Mailchimp lists it.
        mark: What the state holds of it once it was read.
        since: Only recipients who did something since then; all of them without.
    """

    client: MailchimpClient
    report: Mapping[str, Any]
    mark: Mapping[str, Any]
    since: datetime | None

    @property
    def id(self) -> str:
        """Mailchimp's id."""
        return str(self.report["id"])

    def results(self) -> Iterator[dict[str, Any] | None]:
        """The record of each recipient, read a page at a time; None for one who has none to be told.

        Raises:
            ConnectorError: The report could not be read to its end: the records so far are not all.
        """
        passed_over = 0
        for recipient in self.client.email_activity(self.id):
            is_reachable = has_address(recipient)
            passed_over += not is_reachable
            yield result_record(self.report, recipient, self.since) if is_reachable else None
        if passed_over:
            logger.warning(
                "Campaign %s: recipients without an address, passed over: %d.", self.id, passed_over
            )


def changed_campaigns(
    client: MailchimpClient, list_ids: Sequence[str], days: int, marks: Marks
) -> tuple[list[Campaign], Marks]:
    """The campaigns whose sums are others than when they were read last: the rest costs no call.

    Args:
        client: Of the account.
        list_ids: Only campaigns to these audiences; to all without any.
        days: Only campaigns sent within so many days.
        marks: How far each was read.

    Returns:
        They, and the marks of those that are still looked at.

    Raises:
        ConnectorError: The reports cannot be listed.
    """
    now = client.server_time()
    found, kept = [], {}
    for report in client.reports(rfc3339(now - timedelta(days=days))):
        if list_ids and report.get("list_id") not in list_ids:
            continue
        campaign_id = str(report["id"])
        if time_in(report, "send_time") is None:
            logger.warning("Campaign %s has no time of sending, and is passed over.", campaign_id)
            continue
        mark = marks.get(campaign_id, {})
        if mark:
            kept[campaign_id] = mark
        sums = {name: report.get(name) for name in ("emails_sent", "opens", "clicks", "bounces")}
        digest = event_id_of(sums)[:16]
        if mark.get("report") == digest:
            continue
        # Of a campaign that was still being sent, recipients are new who did nothing yet.
        since = time_in(mark, "read_at") if mark.get("sent") == report.get("emails_sent") else None
        new_mark = {"read_at": rfc3339(now), "report": digest, "sent": report.get("emails_sent")}
        found.append(Campaign(client, report, new_mark, since - OVERLAP if since else None))
    return found, kept


def result_record(
    report: Mapping[str, Any], recipient: Mapping[str, Any], since: datetime | None = None
) -> dict[str, Any] | None:
    """The record of a recipient; None for one who did nothing since a time.

    Args:
        report: Of the campaign.
        recipient: As Mailchimp lists it: `email_address` and `activity`.
        since: The time; None for everybody.
    """
    given = recipient.get("activity")
    lines = [line for line in given if isinstance(line, dict)] if isinstance(given, list) else []
    times = [at for line in lines if (at := time_in(line, "timestamp"))]
    if since is not None and not any(at >= since for at in times):
        return None
    of = {
        name: [line for line in lines if line.get("action") == name] for name in ("open", "click", "bounce")
    }
    kinds = {line.get("type") for line in of["bounce"]}
    return {
        "result_id": f"{report['id']}/{member_key(recipient)}",
        "campaign_id": str(report["id"]),
        "campaign_title": report.get("campaign_title") or None,
        "subject": report.get("subject_line") or None,
        "list_id": report.get("list_id"),
        "email": recipient["email_address"],
        "sent_at": _utc(time_in(report, "send_time")),
        "opens": len(of["open"]),
        "last_open_at": _last(of["open"]),
        "clicks": len(of["click"]),
        "last_click_at": _last(of["click"]),
        "bounce": "hard" if "hard" in kinds else "soft" if kinds else None,
        "bounced_at": _last(of["bounce"]),
    }


def _last(lines: Iterable[Mapping[str, Any]]) -> str | None:
    return _utc(max((at for line in lines if (at := time_in(line, "timestamp"))), default=None))


def _utc(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None
