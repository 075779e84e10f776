"""The stream `campaign_results`: what became of a campaign with each of its recipients, by polling reports."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from kinetic_mailchimp.kit.errors import ConnectorError, CredentialsError, NotFoundError
from kinetic_mailchimp.mailchimp import MailchimpClient, member_key
from singer_sdk import typing as th
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.events.event import event_id_of, rfc3339
from tap_mailchimp_webhooks.events.member_status import time_in
from tap_mailchimp_webhooks.streams.base import TapStream, texts, timestamps
from tap_mailchimp_webhooks.streams.opt_outs import has_address

logger = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""Read again each time: what Mailchimp dates before a look at a report but shows only after it."""

Marks = Mapping[str, Mapping[str, Any]]
"""By campaign, in the state: how far it was read."""
_MARKS = "campaigns"
MOST_FAILED = 3
"""Campaigns that may fail before a run ends for it: each costs all attempts of a call."""


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
            logger.warning("Campaign %s: recipients without an address, passed over: %d.", self.id, passed_over)


class CampaignResultsStream(TapStream):
    """Results of campaigns, one per recipient. It is read only where it is selected."""

    name = "campaign_results"
    primary_keys: ClassVar[Sequence[str]] = ("result_id",)
    selected_by_default = False
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("result_id", th.StringType, required=True, description="Names campaign and recipient."),
        *texts(
            campaign_id="Mailchimp's id of the campaign.",
            campaign_title="Its title.",
            subject="Its subject line.",
            list_id="The audience.",
            email="The address.",
        ),
        *timestamps(sent_at="The time that the campaign was sent, in UTC."),
        th.Property("opens", th.IntegerType, description="Number of times that it was opened."),
        *timestamps(last_open_at="The last of them."),
        th.Property("clicks", th.IntegerType, description="Number of clicks."),
        *timestamps(last_click_at="The last of them."),
        th.Property("bounce", th.StringType, allowed_values=["hard", "soft"], description="If it bounced."),
        *timestamps(bounced_at="The time of the bounce."),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        failures: list[ConnectorError] = []
        marks: Marks = self.stream_state.get(_MARKS) or {}
        campaigns, marks = self.source.campaigns(marks, is_tried_only=self.is_tried_only)
        for campaign in campaigns:
            try:
                for record in campaign.results():
                    self.source.end_if_stopped()
                    if record:
                        yield record
            except NotFoundError:
                logger.warning("Campaign %s was deleted while it was read.", campaign.id)
            except CredentialsError:
                raise
            except ConnectorError as error:
                # The other campaigns do not wait for it; the next run begins with it again.
                logger.warning("The results of campaign %s cannot be read: %s", campaign.id, error)
                failures.append(error)
                if len(failures) == MOST_FAILED:
                    break
                continue
            marks = {**marks, campaign.id: campaign.mark}
            self.stream_state[_MARKS] = marks
            self._write_state_message()
        if failures:
            raise failures[0]


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
    of = {name: [line for line in lines if line.get("action") == name] for name in ("open", "click", "bounce")}
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
