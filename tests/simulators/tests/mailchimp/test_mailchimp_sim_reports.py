"""What can be read of the past: activity feeds, abuse reports, campaigns and their opt-outs."""

from __future__ import annotations

import pytest
from simulators.mailchimp.plain_client import PlainClient, member_path

EMAIL = "ada@example.com"
FEED = f"{member_path(EMAIL)}/activity-feed"


@pytest.fixture
def campaign(api: PlainClient) -> str:
    return str(api.control.add_campaign())


def test_the_feed_tells_who_unsubscribed_and_why(api: PlainClient, campaign: str) -> None:
    api.upsert(EMAIL)
    api.patch(member_path(EMAIL), {"status": "unsubscribed"})
    api.control.subscribe(EMAIL)
    api.control.unsubscribe(EMAIL, campaign_id=campaign, reason="Too many mails")
    lines = api.get(FEED).json()["activity"]
    assert [line["activity_type"] for line in lines] == ["unsub", "signup", "unsub", "signup"]
    assert (lines[0]["is_admin_unsubscribed"], lines[2]["is_admin_unsubscribed"]) == (False, True)
    assert (lines[0]["unsubscribe_reason"], lines[0]["campaign_id"]) == ("Too many mails", campaign)
    assert lines[2]["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    assert lines[0]["created_at_timestamp"].endswith("+00:00")
    assert len(api.get(FEED, count=1).json()["activity"]) == 1
    only = api.get(FEED, activity_filters="unsub").json()["activity"]
    assert [line["activity_type"] for line in only] == ["unsub", "unsub"]


def test_bounces_are_in_the_feed(api: PlainClient) -> None:
    api.upsert(EMAIL)
    before = api.member(EMAIL)["last_changed"]
    api.control.advance_clock(60)
    api.control.bounce(EMAIL, kind="soft")
    assert api.member(EMAIL)["last_changed"] == before
    api.control.bounce(EMAIL)
    lines = api.get(FEED, activity_filters="bounce").json()["activity"]
    assert [line["bounce_type"] for line in lines] == ["hard", "soft"]
    assert api.member(EMAIL)["status"] == "cleaned"


def test_complaints_are_reported(api: PlainClient, campaign: str) -> None:
    api.upsert(EMAIL, merge_fields={"FNAME": "Ada"})
    api.control.complain(EMAIL, campaign_id=campaign)
    answer = api.get("/lists/{list}/abuse-reports").json()
    assert answer["total_items"] == 1
    report = answer["abuse_reports"][0]
    assert (report["email_address"], report["campaign_id"]) == (EMAIL, campaign)
    assert report["merge_fields"]["FNAME"] == "Ada"
    one = api.get(f"/lists/{{list}}/abuse-reports/{report['id']}").json()
    assert {name: one[name] for name in report} == report
    assert api.get("/lists/{list}/abuse-reports/99").status_code == 404
    assert api.member(EMAIL)["status"] == "unsubscribed"


def test_opt_outs_of_a_campaign_are_listed(api: PlainClient, campaign: str) -> None:
    for name in ("a", "b", "c"):
        api.upsert(f"{name}@example.com")
    api.control.unsubscribe("a@example.com", campaign_id=campaign, reason="Enough")
    api.control.unsubscribe("b@example.com")
    answer = api.get(f"/reports/{campaign}/unsubscribed").json()
    assert [(one["email_address"], one["reason"]) for one in answer["unsubscribes"]] == [
        ("a@example.com", "Enough")
    ]
    assert (answer["total_items"], answer["campaign_id"]) == (1, campaign)


def test_campaigns_are_listed(api: PlainClient, campaign: str) -> None:
    listed = api.get("/campaigns", list_id=api.list_id).json()
    assert campaign in [one["id"] for one in listed["campaigns"]]
    assert api.get("/campaigns", status="save").json()["total_items"] == 0
    later = {"since_send_time": "2100-01-01T00:00:00+00:00"}
    assert api.get("/campaigns", **later).json()["total_items"] == 0
    newest = api.get("/campaigns", sort_field="send_time", sort_dir="DESC", count=1).json()
    assert newest["total_items"] == 2
    assert api.get(f"/campaigns/{campaign}").json()["recipients"]["list_id"] == api.list_id


def test_days_are_counted(api: PlainClient) -> None:
    api.upsert(EMAIL)
    api.control.unsubscribe(EMAIL)
    api.control.advance_clock(86400)
    api.upsert("b@example.com")
    api.control.bounce("b@example.com")
    days = api.get("/lists/{list}/activity").json()["activity"]
    counted = [(day["subs"], day["unsubs"], day["hard_bounce"]) for day in days]
    assert counted == [(1, 0, 1), (1, 1, 0)]
    assert days[0]["day"] > days[1]["day"]


def test_a_list_of_double_opt_in_waits_for_the_person(api: PlainClient) -> None:
    newsletter = next(one["id"] for one in api.get("/lists").json()["lists"] if one["double_optin"])
    api.control.subscribe(EMAIL, newsletter)
    assert api.member(EMAIL, newsletter)["status"] == "pending"
    api.control.confirm(EMAIL, newsletter)
    assert api.member(EMAIL, newsletter)["status"] == "subscribed"
    with pytest.raises(RuntimeError, match="409"):
        api.control.confirm(EMAIL, newsletter)


def test_reports_tell_who_got_a_campaign_and_what_they_did(api: PlainClient) -> None:
    for name in ("a", "b", "c"):
        api.upsert(f"{name}@example.com")
    api.control.unsubscribe("c@example.com")
    campaign = api.control.add_campaign(subject="Pumps")
    for action in ("open", "open", "click"):
        api.control.act(action, "a@example.com", campaign_id=campaign)
    api.control.bounce("b@example.com", campaign_id=campaign)

    emails = api.get(f"/reports/{campaign}/email-activity").json()["emails"]
    told = {one["email_address"]: [line["action"] for line in one["activity"]] for one in emails}
    assert told == {"a@example.com": ["open", "open", "click"], "b@example.com": ["bounce"]}
    assert emails[1]["activity"][0]["type"] == "hard"
    assert len(api.get(f"/reports/{campaign}/email-activity", count=1, offset=1).json()["emails"]) == 1

    report = api.get(f"/reports/{campaign}").json()
    assert (report["emails_sent"], report["campaign_title"]) == (2, "Pumps")
    sums = report["opens"]["opens_total"], report["clicks"]["clicks_total"], report["bounces"]["hard_bounces"]
    assert sums == (2, 1, 1)
    assert campaign in [one["id"] for one in api.get("/reports").json()["reports"]]
    later = {"since_send_time": "2100-01-01T00:00:00+00:00"}
    assert api.get("/reports", **later).json()["reports"] == []
    lines = api.get(f"{member_path('a@example.com')}/activity-feed", activity_filters="open").json()[
        "activity"
    ]
    assert [line["campaign_id"] for line in lines] == [campaign] * 2
