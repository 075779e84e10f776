"""One member: identity, what changes its time, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "Ada@Example.com"


def test_a_member_has_the_ids_and_parts_of_the_vendor(api: PlainClient) -> None:
    body = api.upsert(EMAIL, merge_fields={"FNAME": "Ada", "LNAME": "Byron"}, tags=["Key"]).json()
    assert body["id"] == subscriber_hash("ada@example.com")
    assert body["email_address"] == EMAIL
    assert (len(body["unique_email_id"]), len(body["contact_id"])) == (10, 32)
    assert isinstance(body["web_id"], int)
    assert body["full_name"] == "Ada Byron"
    assert body["status"] == "subscribed"
    assert "unsubscribe_reason" not in body
    assert body["timestamp_signup"] == ""
    assert body["timestamp_opt"].endswith("+00:00")
    assert (body["tags_count"], [tag["name"] for tag in body["tags"]]) == (1, ["Key"])
    assert body["list_id"] == api.list_id


@pytest.mark.parametrize("key", ["hash", "address", "contact_id"])
def test_a_member_is_found_by_hash_address_and_contact_id(api: PlainClient, key: str) -> None:
    created = api.upsert(EMAIL).json()
    name = {"hash": created["id"], "address": EMAIL.upper(), "contact_id": created["contact_id"]}[key]
    assert api.get(f"/lists/{{list}}/members/{name}").json()["id"] == created["id"]


def test_a_new_address_keeps_the_contact_and_leaves_the_old_hash_empty(api: PlainClient) -> None:
    before = api.upsert(EMAIL).json()
    after = api.patch(member_path(EMAIL), {"email_address": "lovelace@example.com"}).json()
    assert (after["contact_id"], after["web_id"]) == (before["contact_id"], before["web_id"])
    assert after["id"] != before["id"]
    assert after["unique_email_id"] != before["unique_email_id"]
    assert api.get(member_path(EMAIL)).status_code == 404
    assert api.get(f"/lists/{{list}}/members/{before['contact_id']}").json()["id"] == after["id"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_address_that_is_taken_is_refused(api: PlainClient, method: str) -> None:
    api.upsert(EMAIL)
    api.upsert("taken@example.com")
    answer = api.call(method, member_path(EMAIL), {"email_address": "taken@example.com"})
    assert answer.status_code == 400
    assert "type" not in answer.json()
    assert answer.json()["detail"] == (
        "taken@example.com is already a list member. Use PUT to insert or update list members."
    )


def test_a_put_under_an_unknown_hash_does_not_take_over_a_member(api: PlainClient) -> None:
    api.upsert(EMAIL)
    answer = api.put(
        member_path("other@example.com"), {"email_address": EMAIL, "status_if_new": "subscribed"}
    )
    assert answer.json()["title"] == "Member Exists"


def test_an_address_that_was_deleted_for_good_cannot_be_moved_to(api: PlainClient) -> None:
    api.upsert(EMAIL)
    api.control.put_members([{"email": "gone@example.com", "state": "forgotten"}])
    answer = api.patch(member_path(EMAIL), {"email_address": "gone@example.com"})
    assert answer.json()["title"] == "Forgotten Email Not Subscribed"


CHANGES: list[tuple[str, dict[str, Any], bool]] = [
    ("status", {"status": "unsubscribed"}, True),
    ("merge value", {"merge_fields": {"FNAME": "Augusta"}}, True),
    ("address", {"email_address": "lovelace@example.com"}, True),
    ("language", {"language": "fr"}, True),
    ("nothing", {}, False),
    ("same values", {"status": "subscribed", "merge_fields": {"FNAME": "Ada"}}, False),
    ("unknown merge tag", {"merge_fields": {"NOSUCH": "x"}}, False),
    ("tags of an existing member", {"tags": ["Ignored"]}, False),
]


@pytest.mark.parametrize(("body", "bumps"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_only_a_change_moves_last_changed(api: PlainClient, body: dict[str, Any], *, bumps: bool) -> None:
    before = api.upsert(EMAIL, merge_fields={"FNAME": "Ada"}).json()
    api.control.advance_clock(60)
    after = api.patch(member_path(EMAIL), body).json()
    assert (after["last_changed"] > before["last_changed"]) is bumps


def test_archiving_hides_a_member_and_moves_last_changed(api: PlainClient) -> None:
    before = api.upsert(EMAIL).json()
    api.control.advance_clock(60)
    assert api.delete(member_path(EMAIL)).status_code == 204
    after = api.member(EMAIL)
    assert after["status"] == "archived"
    assert after["last_changed"] > before["last_changed"]
    assert api.get("/lists/{list}/members").json()["total_items"] == 0


@pytest.mark.parametrize("state", ["archived", "cleaned", "pending"])
def test_who_is_bounced_pending_or_archived_cannot_be_archived(api: PlainClient, state: str) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    answer = api.delete(member_path(EMAIL))
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, PUT"
    assert answer.json()["detail"].startswith("This list member cannot be removed.")


def test_deleting_for_good_forgets_the_address_until_the_person_comes_back(api: PlainClient) -> None:
    api.upsert(EMAIL)
    assert api.post(f"{member_path(EMAIL)}/actions/delete-permanent").status_code == 204
    assert api.get(member_path(EMAIL)).status_code == 404
    assert api.upsert(EMAIL).json()["detail"] == (
        f"{EMAIL} was permanently deleted and cannot be re-imported. "
        "The contact must re-subscribe to get back on the list."
    )
    api.control.subscribe(EMAIL)
    assert api.control.members()[EMAIL.lower()]["state"] == "subscribed"


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("", "Please provide a valid email address."),
        ("nobody", "Please provide a valid email address."),
        ("a@b@example.com", "An email address must contain a single @"),
        (
            "two words@example.com",
            "The username portion of the email address is invalid (the portion before the @: two words)",
        ),
        (
            "a@example",
            "The domain portion of the email address is invalid (the portion after the @: example)",
        ),
        ("a@-x.com", "The domain portion of the email address is invalid (the portion after the @: -x.com)"),
        ("foo@bar.com", "foo@bar.com looks fake or invalid, please enter a real email address."),
    ],
)
def test_bad_addresses_are_refused_in_the_vendors_words(api: PlainClient, address: str, detail: str) -> None:
    answer = api.post("/lists/{list}/members", {"email_address": address, "status": "subscribed"})
    assert answer.status_code == 400
    assert (answer.json()["title"], answer.json()["detail"]) == ("Invalid Resource", detail)


def test_example_domains_are_refused_on_request(api: PlainClient) -> None:
    api.control.switch(reject_example_addresses=True)
    assert "looks fake or invalid" in api.upsert(EMAIL).json()["detail"]


BAD_BODIES: list[tuple[dict[str, Any], str, str]] = [
    ({"status": "happy"}, "status", "Data presented is not one of the accepted values"),
    ({"status": "archived"}, "status", "Data presented is not one of the accepted values"),
    ({"vip": "yes"}, "vip", "Schema describes boolean, string found instead"),
    ({"email_address": None}, "email_address", "Schema describes string, NULL found instead"),
    ({"merge_fields": []}, "merge_fields", "Schema describes object, array found instead"),
    (
        {"merge_fields": {"FNAME": None}},
        "merge_fields.FNAME",
        "Data did not match any of the schemas described in anyOf.",
    ),
    ({"ip_signup": "1.2.3"}, "ip_signup", "This value is not a valid IP address."),
    ({"timestamp_opt": "yesterday"}, "timestamp_opt", "This value is not a valid datetime."),
    ({"tags": [1]}, "tags", "Schema describes string, integer found instead"),
    ({"location": {"latitude": "1"}}, "location", "Schema describes number, string found instead"),
    ({"nickname": "A"}, "nickname", "This field is not described by the schema of the resource."),
]


@pytest.mark.parametrize(("body", "field", "message"), BAD_BODIES)
def test_bodies_of_the_wrong_shape_are_refused(
    api: PlainClient, body: dict[str, Any], field: str, message: str
) -> None:
    api.upsert(EMAIL)
    answer = api.patch(member_path(EMAIL), body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert answer.headers["X-Request-Id"] == answer.json()["instance"]
    assert answer.json()["detail"].startswith("The resource submitted could not be validated.")
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["message"].startswith(message)


def test_unknown_keys_can_be_let_through(api: PlainClient) -> None:
    api.control.switch(strict_bodies=False)
    assert api.upsert(EMAIL, nickname="A").status_code == 200


def test_required_keys_are_named(api: PlainClient) -> None:
    answer = api.post("/lists/{list}/members", {})
    assert answer.json()["errors"][0]["message"] == "Required fields were not provided: email_address, status"
    answer = api.put(member_path(EMAIL), {"status_if_new": "subscribed"})
    assert answer.json()["errors"][0]["message"] == "Required fields were not provided: email_address"


def test_a_body_that_is_no_json_is_refused(api: PlainClient) -> None:
    url = f"{api.base_url}/lists/{api.list_id}/members"
    answer = api.session.post(url, data="{", timeout=120)
    assert (answer.status_code, answer.json()["title"]) == (400, "JSON Parse Error")


def test_plain_fields_are_stored(api: PlainClient) -> None:
    body: dict[str, Any] = {
        "email_type": "text",
        "language": "de",
        "vip": True,
        "location": {"latitude": 52.5, "longitude": 13.4},
        "ip_signup": "192.0.2.1",
        "timestamp_signup": "2026-01-02T03:04:05+00:00",
        "ip_opt": "2001:db8::1",
        "timestamp_opt": "2026-01-02 03:04:06",
    }
    stored = api.upsert(EMAIL, **body).json()
    assert stored["location"]["latitude"] == 52.5
    assert stored["timestamp_opt"] == "2026-01-02T03:04:06+00:00"
    same = ("email_type", "language", "vip", "ip_signup", "timestamp_signup", "ip_opt")
    assert {name: stored[name] for name in same} == {name: body[name] for name in same}


def test_marketing_permissions_are_those_of_the_list(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    events = mailchimp.lists["Events"]
    created = api.upsert(EMAIL, events, merge_fields={"COMPANY": "Example"}).json()
    permissions = created["marketing_permissions"]
    assert [permission["enabled"] for permission in permissions] == [False, False]
    chosen = [{"marketing_permission_id": permissions[0]["marketing_permission_id"], "enabled": True}]
    after = api.patch(member_path(EMAIL, events), {"marketing_permissions": chosen}).json()
    assert [permission["enabled"] for permission in after["marketing_permissions"]] == [True, False]
    wrong = [{"marketing_permission_id": "nosuch", "enabled": True}]
    assert api.patch(member_path(EMAIL, events), {"marketing_permissions": wrong}).status_code == 400


def test_an_address_that_is_added_again_and_again_is_throttled(api: PlainClient) -> None:
    api.control.switch(signup_throttle=2)
    api.upsert(EMAIL)
    for _ in range(2):
        api.delete(member_path(EMAIL))
        assert api.patch(member_path(EMAIL), {"status": "subscribed"}).status_code == 200
    api.delete(member_path(EMAIL))
    answer = api.patch(member_path(EMAIL), {"status": "subscribed"})
    assert answer.json()["detail"] == (
        f"{EMAIL} has signed up to a lot of lists very recently; we're not allowing more signups for now"
    )


def test_tags_in_a_put_of_an_existing_member_count_on_request(api: PlainClient) -> None:
    api.upsert(EMAIL)
    api.control.switch(put_applies_tags_to_existing=True)
    assert [tag["name"] for tag in api.upsert(EMAIL, tags=["Key"]).json()["tags"]] == ["Key"]


def test_an_override_of_the_method_works_on_post_only(api: PlainClient) -> None:
    api.upsert(EMAIL)
    url = api.base_url + member_path(EMAIL).replace("{list}", api.list_id)
    headers = {"X-HTTP-Method-Override": "PATCH"}
    answer = api.session.post(url, json={"language": "fr"}, headers=headers, timeout=120)
    assert answer.json()["language"] == "fr"
    assert api.session.get(url, headers=headers, timeout=120).json()["language"] == "fr"
