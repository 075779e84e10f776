"""What has happened: activity feeds, abuse reports, daily counters."""

from __future__ import annotations

from collections import defaultdict

from simulators.mailchimp import problems, queries
from simulators.mailchimp.model import AbuseReport, Activity, Audience
from simulators.mailchimp.rendering import Json, iso, links, merge_values
from simulators.mailchimp.routes.call import Call, Resource

_DAYS_KEPT = 180
_COUNTERS = (
    "emails_sent",
    "unique_opens",
    "recipient_clicks",
    "hard_bounce",
    "soft_bounce",
    "subs",
    "unsubs",
    "other_adds",
    "other_removes",
)
_COUNTED = {"unsub": "unsubs", "open": "unique_opens", "click": "recipient_clicks"}


def _line(activity: Activity) -> Json:
    line: Json = {"activity_type": activity.type, "created_at_timestamp": iso(activity.at)}
    if activity.campaign_id:
        line["campaign_id"] = activity.campaign_id
    if activity.type == "unsub":
        line |= {"is_admin_unsubscribed": activity.by_admin, "unsubscribe_reason": activity.reason}
    if activity.type == "bounce":
        line |= {"bounce_type": activity.reason}
    return line


def _activity_feed(call: Call) -> Json:
    audience, member = call.audience(), call.member()
    wanted = set(filter(None, call.query.get("activity_filters", "").split(",")))
    lines = [
        _line(activity) for activity in reversed(member.activity) if not wanted or activity.type in wanted
    ]
    return {
        "activity": list(call.page(lines)),
        "email_id": member.id,
        "list_id": audience.id,
        "total_items": len(lines),
        "_links": links(call.account, f"/lists/{audience.id}/members/{member.id}/activity-feed"),
    }


def _abuse_report_json(call: Call, audience: Audience, report: AbuseReport) -> Json:
    member = audience.find(report.email_address)
    return {
        "id": report.id,
        "campaign_id": report.campaign_id,
        "list_id": audience.id,
        "email_id": member.id if member else "",
        "email_address": report.email_address,
        "merge_fields": merge_values(audience, member) if member else {},
        "vip": bool(member and member.vip),
        "date": iso(report.at),
        "_links": links(call.account, f"/lists/{audience.id}/abuse-reports/{report.id}"),
    }


def _abuse_reports(call: Call) -> Json:
    audience = call.audience()
    shown = call.page(audience.abuse_reports)
    return {
        "abuse_reports": [_abuse_report_json(call, audience, report) for report in shown],
        "list_id": audience.id,
        "total_items": len(audience.abuse_reports),
        "_links": links(call.account, f"/lists/{audience.id}/abuse-reports"),
    }


def _abuse_report(call: Call) -> Json:
    audience = call.audience()
    for report in audience.abuse_reports:
        if str(report.id) == call.name("report_id"):
            return _abuse_report_json(call, audience, report)
    raise problems.not_found()


def _counter_of(activity: Activity) -> str:
    if activity.type == "bounce":
        return f"{activity.reason}_bounce"
    return _COUNTED.get(activity.type, "subs")


def _list_activity(call: Call) -> Json:
    """Counters per day, newest first, of the days on which something happened."""
    audience = call.audience()
    days: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTERS, 0))
    for member in audience.members.values():
        for activity in member.activity:
            days[iso(activity.at)[:10]][_counter_of(activity)] += 1
    found = [{"day": day, **days[day]} for day in sorted(days, reverse=True)[:_DAYS_KEPT]]
    return {
        "activity": list(call.page(found)),
        "list_id": audience.id,
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/activity"),
    }


RESOURCES = (
    Resource(
        "/lists/{list_id}/members/{subscriber_hash}/activity-feed",
        *queries.PAGING,
        "activity_filters",
        GET=_activity_feed,
    ),
    Resource("/lists/{list_id}/abuse-reports", *queries.PAGING, GET=_abuse_reports),
    Resource("/lists/{list_id}/abuse-reports/{report_id}", GET=_abuse_report),
    Resource("/lists/{list_id}/activity", *queries.PAGING, GET=_list_activity),
)
