"""Batch subscribe: each member has an outcome of its own, and some mistakes sink the whole call."""

from __future__ import annotations

from typing import Any

import pytest
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "ada@example.com"


def person(email: str, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def test_new_and_updated_members_are_told_apart(api: PlainClient) -> None:
    api.upsert(EMAIL)
    answer = api.batch(person(EMAIL, merge_fields={"FNAME": "Ada"}), person("bob@example.com")).json()
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 1, 0)
    assert answer["new_members"][0]["email_address"] == "bob@example.com"
    assert answer["updated_members"][0]["merge_fields"]["FNAME"] == "Ada"
    assert answer["errors"] == []


def test_bad_members_do_not_sink_good_ones(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    answer = api.batch(
        person("good@example.com", merge_fields={"COMPANY": "Example"}),
        person("foo@bar.com"),
        {"email_address": "neither@example.com"},
        person("interest@example.com", interests={"abc": True}),
        person("company@example.com"),
        person("number@example.com", merge_fields={"COMPANY": "Example", "CREDIT": "much"}),
        person("null@example.com", merge_fields={"COMPANY": None}),
        {"status": "subscribed"},
        list_id=mailchimp.lists["Events"],
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["total_created"], body["error_count"]) == (1, 7)
    errors = {error["email_address"]: error for error in body["errors"]}
    assert all(error["error_code"] == "ERROR_GENERIC" for error in body["errors"])
    assert "looks fake or invalid" in errors["foo@bar.com"]["error"]
    assert errors["neither@example.com"]["error"].startswith("The resource submitted could not be validated")
    assert errors["interest@example.com"]["error"] == "Invalid interest ID: 'abc'."
    assert errors["company@example.com"]["error"] == "Your merge fields were invalid."
    assert errors["company@example.com"]["field"] == "COMPANY"
    assert errors["company@example.com"]["field_message"] == "Please enter a value"
    assert errors["number@example.com"]["field_message"] == "Please enter a number"
    assert errors["null@example.com"]["field"] == "merge_fields.COMPANY"
    assert "email_address" in errors[""]["field_message"]


def test_a_call_whose_members_all_fail_is_a_success(api: PlainClient) -> None:
    answer = api.batch(person("foo@bar.com"))
    assert (answer.status_code, answer.json()["error_count"]) == (200, 1)


def test_an_address_that_is_named_twice_sinks_the_call(api: PlainClient) -> None:
    answer = api.batch(person(EMAIL), person("bob@example.com"), person(EMAIL.upper()))
    assert answer.status_code == 400
    assert api.control.members() == {}


def test_without_the_duplicate_check_the_first_appearance_gives_the_status(api: PlainClient) -> None:
    answer = api.batch(
        {"email_address": EMAIL, "status_if_new": "pending"},
        person(EMAIL, merge_fields={"FNAME": "Ada"}),
        skip_duplicate_check="true",
    ).json()
    assert (answer["total_created"], answer["error_count"]) == (1, 0)
    assert api.member(EMAIL)["status"] == "pending"
    assert api.member(EMAIL)["merge_fields"]["FNAME"] == "Ada"


@pytest.mark.parametrize(("count", "status"), [(500, 200), (501, 400)])
def test_five_hundred_members_are_the_most(api: PlainClient, count: int, status: int) -> None:
    assert api.batch(*(person(f"p{number}@example.com") for number in range(count))).status_code == status
    assert len(api.control.members()) == (count if status == 200 else 0)


def test_without_update_existing_nothing_changes(api: PlainClient) -> None:
    api.upsert(EMAIL)
    answer = api.batch(person(EMAIL, merge_fields={"FNAME": "Ada"}), update_existing=False).json()
    assert answer["errors"][0]["error_code"] == "ERROR_CONTACT_EXISTS"
    assert api.member(EMAIL)["merge_fields"]["FNAME"] == ""


def test_required_values_may_be_left_out_on_request(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    answer = api.batch(person(EMAIL), list_id=mailchimp.lists["Events"], skip_merge_validation="true")
    assert answer.json()["total_created"] == 1


def test_tags_are_added_unless_they_are_synced(api: PlainClient) -> None:
    def tags() -> list[str]:
        return [tag["name"] for tag in api.member(EMAIL)["tags"]]

    api.batch(person(EMAIL, tags=["One"]))
    api.batch(person(EMAIL, tags=["two"]))
    assert tags() == ["One", "two"]
    api.batch(person(EMAIL, tags=["Two", "Three"]), sync_tags=True)
    assert tags() == ["two", "Three"]
    api.batch(person(EMAIL), sync_tags=True)
    assert tags() == []


def test_tags_are_synced_only_for_who_may_be_updated(api: PlainClient) -> None:
    api.batch(person(EMAIL, tags=["One"]))
    api.batch(person(EMAIL, tags=["Two"]), sync_tags=True, update_existing=False)
    assert [tag["name"] for tag in api.member(EMAIL)["tags"]] == ["One"]


def test_a_batch_that_changes_nothing_leaves_last_changed(api: PlainClient) -> None:
    api.batch(person(EMAIL, merge_fields={"FNAME": "Ada"}))
    before = api.member(EMAIL)["last_changed"]
    api.control.advance_clock(60)
    answer = api.batch(person(EMAIL, merge_fields={"FNAME": "Ada"})).json()
    assert answer["total_updated"] == 1
    assert api.member(EMAIL)["last_changed"] == before


def test_double_opt_in_is_the_callers_to_respect(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    newsletter = mailchimp.lists["Newsletter"]
    assert api.get(f"/lists/{newsletter}").json()["double_optin"] is True
    api.batch(
        person(EMAIL), {"email_address": "b@example.com", "status_if_new": "pending"}, list_id=newsletter
    )
    assert api.member(EMAIL, newsletter)["status"] == "subscribed"
    assert api.control.members(newsletter)["b@example.com"]["confirmation_mails"] == 1


def test_the_throttle_is_told_per_member(api: PlainClient) -> None:
    api.control.switch(signup_throttle=0)
    api.upsert(EMAIL)
    api.delete(member_path(EMAIL))
    answer = api.batch({"email_address": EMAIL, "status": "subscribed"}).json()
    assert "has signed up to a lot of lists very recently" in answer["errors"][0]["error"]


@pytest.mark.parametrize("body", [{}, {"members": {}}, {"members": [], "sync": True}])
def test_a_body_of_the_wrong_shape_is_refused(api: PlainClient, body: dict[str, Any]) -> None:
    assert api.post("/lists/{list}", body).json()["title"] == "Invalid Resource"
