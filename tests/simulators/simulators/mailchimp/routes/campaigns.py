"""Campaigns: what was sent, who opened, clicked, bounced or opted out."""

from __future__ import annotations

from collections import Counter

from simulators.mailchimp import problems, queries
from simulators.mailchimp.model import Activity, Audience, Campaign, Member
from simulators.mailchimp.rendering import Json, iso, links, merge_values, shown_id
from simulators.mailchimp.routes.call import Call, Resource

_IN_REPORTS = ("open", "click", "bounce")


def _campaign_json(call: Call, campaign: Campaign) -> Json:
    return {
        "id": campaign.id,
        "web_id": int(campaign.id[:6], 16),
        "type": "regular",
        "create_time": iso(campaign.sent_at),
        "status": "sent",
        "send_time": iso(campaign.sent_at),
        "recipients": {"list_id": campaign.list_id},
        "settings": {"subject_line": campaign.subject, "title": campaign.subject},
        "_links": links(call.account, f"/campaigns/{campaign.id}"),
    }


def _campaigns(call: Call) -> Json:
    list_id = call.query.get("list_id")
    found = [one for one in call.account.campaigns.values() if list_id in (None, one.list_id)]
    if call.query.get("status", "sent") != "sent":
        found = []
    found = _sent_within(call, found)
    if call.query.get("sort_field") == "send_time":
        found.sort(key=lambda one: one.sent_at, reverse=call.query.get("sort_dir") == "DESC")
    return {
        "campaigns": [_campaign_json(call, campaign) for campaign in call.page(found)],
        "total_items": len(found),
        "_links": links(call.account, "/campaigns"),
    }


def _sent_within(call: Call, campaigns: list[Campaign]) -> list[Campaign]:
    ignored = call.account.switches.since_offset_ignored
    since = queries.timestamp(call.query, "since_send_time", offset_ignored=ignored)
    before = queries.timestamp(call.query, "before_send_time", offset_ignored=ignored)
    return [
        one
        for one in campaigns
        if (since is None or one.sent_at > since) and (before is None or one.sent_at < before)
    ]


def _find_campaign(call: Call) -> Campaign:
    campaign = call.account.campaigns.get(call.name("campaign_id"))
    if campaign is None:
        raise problems.not_found()
    return campaign


def _campaign(call: Call) -> Json:
    return _campaign_json(call, _find_campaign(call))


def _opt_out(call: Call, audience: Audience, campaign: Campaign, member: Member, line: Activity) -> Json:
    return {
        "email_id": member.id,
        "email_address": member.email_address,
        "merge_fields": merge_values(audience, member),
        "vip": member.vip,
        "timestamp": iso(line.at),
        "reason": line.reason,
        "campaign_id": campaign.id,
        "list_id": audience.id,
        "list_is_active": True,
        "_links": links(call.account, f"/reports/{campaign.id}/unsubscribed/{member.id}"),
    }


def _opt_outs(call: Call) -> Json:
    campaign = _find_campaign(call)
    audience = call.account.audiences[campaign.list_id]
    found = [
        (member, line)
        for member in audience.members.values()
        for line in member.activity
        if line.type == "unsub" and line.campaign_id == campaign.id
    ]
    shown = call.page(found)
    return {
        "unsubscribes": [_opt_out(call, audience, campaign, member, line) for member, line in shown],
        "campaign_id": campaign.id,
        "total_items": len(found),
        "_links": links(call.account, f"/reports/{campaign.id}/unsubscribed"),
    }


def _recipients(call: Call, campaign: Campaign) -> list[tuple[Member, list[Activity]]]:
    """The recipients who still exist, each with what they did with the campaign."""
    audience = call.account.audiences[campaign.list_id]
    found = (audience.find(contact_id) for contact_id in campaign.recipients)
    return [
        (
            member,
            [
                line
                for line in member.activity
                if line.campaign_id == campaign.id and line.type in _IN_REPORTS
            ],
        )
        for member in found
        if member
    ]


def _report_json(call: Call, campaign: Campaign) -> Json:
    audience = call.account.audiences[campaign.list_id]
    lines = [(member.id, line) for member, lines in _recipients(call, campaign) for line in lines]
    of = {kind: [(who, line) for who, line in lines if line.type == kind] for kind in _IN_REPORTS}
    bounces = Counter(line.reason for _, line in of["bounce"])
    sent = len(campaign.recipients)

    def rate(kind: str) -> float:
        return len({who for who, _ in of[kind]}) / sent if sent else 0.0

    def last(kind: str) -> str:
        return iso(max(line.at for _, line in of[kind])) if of[kind] else ""

    return {
        "id": campaign.id,
        "campaign_title": campaign.subject,
        "type": "regular",
        "list_id": audience.id,
        "list_is_active": True,
        "list_name": audience.name,
        "subject_line": campaign.subject,
        "emails_sent": sent,
        "abuse_reports": sum(report.campaign_id == campaign.id for report in audience.abuse_reports),
        "send_time": iso(campaign.sent_at),
        "bounces": {"hard_bounces": bounces["hard"], "soft_bounces": bounces["soft"], "syntax_errors": 0},
        "opens": {
            "opens_total": len(of["open"]),
            "unique_opens": len({who for who, _ in of["open"]}),
            "open_rate": rate("open"),
            "last_open": last("open"),
        },
        "clicks": {
            "clicks_total": len(of["click"]),
            "unique_subscriber_clicks": len({who for who, _ in of["click"]}),
            "click_rate": rate("click"),
            "last_click": last("click"),
        },
        "_links": links(call.account, f"/reports/{campaign.id}"),
    }


def _reports(call: Call) -> Json:
    found = _sent_within(call, list(call.account.campaigns.values()))
    return {
        "reports": [_report_json(call, campaign) for campaign in call.page(found)],
        "total_items": len(found),
        "_links": links(call.account, "/reports"),
    }


def _report(call: Call) -> Json:
    return _report_json(call, _find_campaign(call))


def _email_activity(call: Call) -> Json:
    """Every recipient, in the order of sending, with what they did."""
    campaign = _find_campaign(call)
    found = _recipients(call, campaign)
    shown = [
        {
            "campaign_id": campaign.id,
            "list_id": campaign.list_id,
            "list_is_active": True,
            "email_id": shown_id(call.account, member),
            "email_address": member.email_address,
            "activity": [
                {
                    "action": line.type,
                    "timestamp": iso(line.at),
                    **({"type": line.reason} if line.type == "bounce" else {"ip": "192.0.2.1"}),
                }
                for line in lines
            ],
            "_links": links(call.account, f"/reports/{campaign.id}/email-activity/{member.id}"),
        }
        for member, lines in call.page(found)
    ]
    return {
        "emails": shown,
        "campaign_id": campaign.id,
        "total_items": len(found),
        "_links": links(call.account, f"/reports/{campaign.id}/email-activity"),
    }


RESOURCES = (
    Resource(
        "/campaigns",
        *queries.PAGING,
        "list_id",
        "status",
        "since_send_time",
        "before_send_time",
        "sort_field",
        "sort_dir",
        GET=_campaigns,
    ),
    Resource("/campaigns/{campaign_id}", GET=_campaign),
    Resource("/reports", *queries.PAGING, "since_send_time", "before_send_time", GET=_reports),
    Resource("/reports/{campaign_id}", GET=_report),
    Resource("/reports/{campaign_id}/email-activity", *queries.PAGING, GET=_email_activity),
    Resource("/reports/{campaign_id}/unsubscribed", *queries.PAGING, GET=_opt_outs),
)
