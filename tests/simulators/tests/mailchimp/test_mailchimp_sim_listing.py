"""Reading lists and members: pages, filters, order and the choice of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simulators.mailchimp.plain_client import PlainClient
from simulators.mailchimp.testing import RunningMailchimp

START = 1_700_000_000
"""2023-11-14T22:13:20Z"""
MEMBERS = "/lists/{list}/members"


@pytest.fixture
def crowd(api: PlainClient) -> PlainClient:
    """Twelve members whose changes lie a second apart, and one of each hidden kind."""
    members: list[dict[str, Any]] = [
        {"email": f"p{n}@example.com", "state": "subscribed", "last_changed": START + 11 - n}
        for n in range(12)
    ]
    members += [
        {"email": "gone@example.com", "state": "archived", "last_changed": START},
        {"email": "out@example.com", "state": "unsubscribed_by_contact", "last_changed": START + 20},
        {"email": "erased@example.com", "state": "forgotten"},
    ]
    api.control.put_members(members)
    return api


def emails(api: PlainClient, **query: Any) -> list[str]:
    answer = api.get(MEMBERS, **query)
    assert answer.status_code == 200, answer.text
    return [member["email_address"].partition("@")[0] for member in answer.json()["members"]]


def test_ten_are_shown_and_archived_ones_are_hidden(crowd: PlainClient) -> None:
    answer = crowd.get(MEMBERS).json()
    assert (len(answer["members"]), answer["total_items"]) == (10, 13)
    assert emails(crowd, status="archived") == ["gone"]
    assert emails(crowd, status="unsubscribed") == ["out"]
    assert len(emails(crowd, count=1000)) == 13


def test_pages_follow_each_other(crowd: PlainClient) -> None:
    pages = [emails(crowd, count=5, offset=offset, sort_field="last_changed") for offset in (0, 5, 10)]
    assert [len(page) for page in pages] == [5, 5, 3]
    assert [name for page in pages for name in page] == [f"p{n}" for n in range(11, -1, -1)] + ["out"]


def test_the_order_can_be_turned(crowd: PlainClient) -> None:
    assert emails(crowd, count=2, sort_field="last_changed", sort_dir="DESC") == ["out", "p0"]


def test_a_page_does_not_show_an_order_of_the_past(crowd: PlainClient) -> None:
    assert emails(crowd, count=1, sort_field="last_changed") == ["p11"]
    crowd.patch(f"{MEMBERS}/p11@example.com", {"language": "fr"})
    assert emails(crowd, count=1, sort_field="last_changed") == ["p10"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since_last_changed": "2023-11-14T22:13:30+00:00"}, ["p0", "out"]),
        ({"since_last_changed": "2023-11-14T22:13:30Z"}, ["p0", "out"]),
        ({"since_last_changed": "2023-11-14T22:13:30"}, ["p0", "out"]),
        ({"since_last_changed": "2023-11-14T22:13:29.999+00:00"}, ["p1", "p0", "out"]),
        ({"before_last_changed": "2023-11-14T22:13:21+00:00"}, ["p11"]),
        ({"since_timestamp_opt": "2023-11-14T22:13:31+00:00"}, ["out"]),
        ({"before_timestamp_opt": "2023-11-14T22:13:21+00:00"}, ["p11"]),
        ({"status": "unsubscribed", "unsubscribed_since": "2023-11-14T22:13:31+00:00"}, ["out"]),
    ],
)
def test_both_bounds_of_a_time_are_exclusive(
    crowd: PlainClient, query: dict[str, str], expected: list[str]
) -> None:
    assert emails(crowd, sort_field="last_changed", **query) == expected


def test_the_offset_of_a_time_may_be_ignored(crowd: PlainClient) -> None:
    bound = "2023-11-15T00:13:30+02:00"
    assert emails(crowd, sort_field="last_changed", since_last_changed=bound) == []
    crowd.control.switch(since_offset_ignored=False)
    assert emails(crowd, sort_field="last_changed", since_last_changed=bound) == ["p0", "out"]


def test_further_filters(crowd: PlainClient) -> None:
    crowd.patch(f"{MEMBERS}/p3@example.com", {"vip": True, "email_type": "text"})
    unique = crowd.member("p4@example.com")["unique_email_id"]
    assert emails(crowd, vip_only="true") == ["p3"]
    assert emails(crowd, email_type="text") == ["p3"]
    assert emails(crowd, unique_email_id=unique) == ["p4"]


@pytest.mark.parametrize(
    "query",
    [
        {"unsubscribed_since": "2023-11-14T22:13:31+00:00"},
        {"since_last_campaign": "true"},
        {"count": 1001},
        {"count": "many"},
        {"offset": -1},
        {"status": "happy"},
        {"sort_field": "email_address"},
        {"sort_dir": "up"},
        {"since_last_changed": "yesterday"},
        {"fields": "members.nosuch"},
        {"fields": "nosuch"},
        {"fields": "total_items", "exclude_fields": "members"},
    ],
)
def test_queries_that_are_refused(crowd: PlainClient, query: dict[str, Any]) -> None:
    answer = crowd.get(MEMBERS, **query)
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")


def test_fields_are_chosen_or_left_out(crowd: PlainClient) -> None:
    chosen = crowd.get(
        MEMBERS, fields="total_items,members.email_address,members.merge_fields.FNAME", count=1
    )
    assert chosen.json() == {
        "total_items": 13,
        "members": [{"email_address": "p0@example.com", "merge_fields": {"FNAME": ""}}],
    }
    left = crowd.get(MEMBERS, exclude_fields="_links,members._links,members.merge_fields", count=1).json()
    assert set(left) == {"members", "list_id", "total_items"}
    assert "merge_fields" not in left["members"][0]
    assert "email_address" in left["members"][0]
    reasons = crowd.get(MEMBERS, fields="members.unsubscribe_reason", count=1000).json()["members"]
    assert reasons.count({}) == 12


def test_lists_are_counted(crowd: PlainClient, mailchimp: RunningMailchimp) -> None:
    answer = crowd.get("/lists", fields="lists.id,lists.name,lists.stats.member_count,total_items").json()
    assert {one["name"]: one["id"] for one in answer["lists"]} == dict(mailchimp.lists)
    assert answer["lists"][0]["stats"]["member_count"] == 12
    assert crowd.get("/lists", email="p1@example.com").json()["total_items"] == 1
    stats = crowd.get("/lists/{list}").json()["stats"]
    assert (stats["unsubscribe_count"], stats["merge_field_count"]) == (1, 8)
    assert "total_contacts" not in stats
    stats = crowd.get("/lists/{list}", include_total_contacts="true").json()["stats"]
    assert stats["total_contacts"] == 14


def test_what_is_unknown_is_not_found(api: PlainClient) -> None:
    missing: list[Callable[[], Any]] = [
        lambda: api.get("/lists/0000000000"),
        lambda: api.get("/lists/0000000000/members"),
        lambda: api.get(f"{MEMBERS}/nobody@example.com"),
        lambda: api.get("/lists/{list}/webhooks/0000000000"),
        lambda: api.get("/lists/{list}/merge-fields/99"),
        lambda: api.get("/campaigns/0000000000"),
        lambda: api.get("/reports/0000000000/unsubscribed"),
        lambda: api.get("/batches/0000000000"),
    ]
    for ask in missing:
        answer = ask()
        assert answer.status_code == 404
        assert answer.json()["title"] == "Resource Not Found"
        assert answer.json()["detail"] == "The requested resource could not be found."


def test_the_account_and_the_ping(api: PlainClient) -> None:
    assert api.get("/ping").json() == {"health_status": "Everything's Chimpy!"}
    root = api.get("/").json()
    assert {"account_id", "account_name", "login_id", "email", "role"} <= set(root)
