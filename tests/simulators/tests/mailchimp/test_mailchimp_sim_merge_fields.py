"""Merge fields: what each type takes, how it is read back, and the life of a field."""

from __future__ import annotations

from typing import Any

import pytest
from simulators.mailchimp.merge_fields import LONGEST_TEXT_BYTES, cut_to_bytes
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "ada@example.com"
ADDRESS = {"addr1": "1 Example Street", "city": "Exampleton", "state": "EX", "zip": "00000"}

STORED: list[tuple[str, Any, Any]] = [
    ("FNAME", "Ada", "Ada"),
    ("FNAME", 12, "12"),
    ("FNAME", "x" * 300, "x" * 255),
    ("FNAME", "é" * 200, "é" * 127),
    ("CREDIT", 12, 12),
    ("CREDIT", 12.5, 12.5),
    ("CREDIT", "12.50", 12.5),
    ("CREDIT", "-3", -3),
    ("SINCE", "1980-12-21", "1980-12-21"),
    ("SINCE", "1980/12/21", "1980-12-21"),
    ("SINCE", "21-12-1980", "1980-12-21"),
    ("SINCE", "12/21/1980", "1980-12-21"),
    ("BIRTHDAY", "02/29", "02/29"),
    ("POSTCODE", "01234", "01234"),
    ("WEBSITE", "https://example.com/a?b=c", "https://example.com/a?b=c"),
    ("LOGO", "https://example.com/logo.png", "https://example.com/logo.png"),
    ("TIER", "Gold", "Gold"),
    ("SIZE", "Small", "Small"),
    ("PHONE", "+49 30 123456", "+49 30 123456"),
    ("MOBILE", "555.010.0123", "(555) 010-0123"),
    ("ADDRESS", ADDRESS, {**ADDRESS, "addr2": "", "country": "US"}),
    ("ADDRESS", {**ADDRESS, "country": "DE"}, {**ADDRESS, "addr2": "", "country": "DE"}),
]

REFUSED: list[tuple[str, Any, str]] = [
    ("CREDIT", "much", "Please enter a number"),
    ("CREDIT", "nan", "Please enter a number"),
    ("CREDIT", True, "Please enter a number"),
    ("SINCE", "1980-13-01", "Please enter a valid date"),
    ("BIRTHDAY", "1980-12-21", "Please enter a valid birthday"),
    ("POSTCODE", "1234", "Please enter a valid zip code"),
    ("WEBSITE", "example", "Please enter a valid URL"),
    ("TIER", "Tin", "Please enter a value from the list of choices"),
    ("SIZE", "Medium", "Please enter a value from the list of choices"),
    ("MOBILE", "12", "Please enter a valid phone number"),
    ("ADDRESS", {"addr1": "1 Example Street"}, "Please enter a complete address"),
    ("ADDRESS", "1 Example Street", "Please enter a complete address"),
    ("COMPANY", "", "Please enter a value"),
]


def write(api: PlainClient, list_id: str, values: dict[str, Any]) -> Any:
    return api.upsert(EMAIL, list_id, merge_fields={"COMPANY": "Example", **values})


@pytest.mark.parametrize(("tag", "value", "stored"), STORED)
def test_values_that_are_taken(
    api: PlainClient, mailchimp: RunningMailchimp, tag: str, value: Any, stored: Any
) -> None:
    answer = write(api, mailchimp.lists["Events"], {tag: value})
    assert answer.status_code == 200, answer.text
    assert answer.json()["merge_fields"][tag] == stored
    # Reading back what was read changes nothing.
    assert write(api, mailchimp.lists["Events"], {tag: stored}).json()["merge_fields"][tag] == stored


@pytest.mark.parametrize(("tag", "value", "message"), REFUSED)
def test_values_that_are_refused(
    api: PlainClient, mailchimp: RunningMailchimp, tag: str, value: Any, message: str
) -> None:
    answer = write(api, mailchimp.lists["Events"], {tag: value})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Your merge fields were invalid."
    assert answer.json()["errors"] == [{"field": tag, "message": message}]
    assert api.control.members(mailchimp.lists["Events"]) == {}


def test_the_empty_string_clears_a_value_of_any_type(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    events = mailchimp.lists["Events"]
    values = {"CREDIT": 1, "SINCE": "2026-01-02", "ADDRESS": ADDRESS, "TIER": "Gold", "PHONE": "1"}
    write(api, events, values)
    cleared = api.patch(member_path(EMAIL, events), {"merge_fields": dict.fromkeys(values, "")}).json()
    assert {tag: cleared["merge_fields"][tag] for tag in values} == dict.fromkeys(values, "")


def test_values_that_are_not_named_stay(api: PlainClient) -> None:
    api.upsert(EMAIL, merge_fields={"FNAME": "Ada", "LNAME": "Byron"})
    after = api.upsert(EMAIL, merge_fields={"LNAME": "Lovelace", "NOSUCH": "x"}).json()["merge_fields"]
    assert (after["FNAME"], after["LNAME"]) == ("Ada", "Lovelace")
    assert "NOSUCH" not in after


def test_an_address_may_not_hold_anything_but_text(api: PlainClient) -> None:
    answer = api.upsert(EMAIL, merge_fields={"ADDRESS": {**ADDRESS, "zip": 0}})
    assert (
        answer.json()["errors"][0]["message"] == "Data did not match any of the schemas described in anyOf."
    )


def test_a_required_value_may_be_left_out_on_request(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    path = member_path(EMAIL, mailchimp.lists["Events"])
    body = {"email_address": EMAIL, "status_if_new": "subscribed"}
    assert api.put(path, body).json()["errors"] == [{"field": "COMPANY", "message": "Please enter a value"}]
    assert api.put(path, body, skip_merge_validation="true").status_code == 200


def test_booleans_can_be_refused(api: PlainClient) -> None:
    assert api.upsert(EMAIL, merge_fields={"FNAME": True}).json()["merge_fields"]["FNAME"] == "true"
    api.control.switch(boolean_merge_values="rejected")
    assert api.upsert(EMAIL, merge_fields={"FNAME": False}).status_code == 400


def test_images_that_cannot_be_fetched_are_refused_on_request(
    api: PlainClient, mailchimp: RunningMailchimp
) -> None:
    api.control.switch(image_urls_reachable=False)
    answer = write(api, mailchimp.lists["Events"], {"LOGO": "https://example.com/logo.png"})
    assert answer.json()["errors"][0]["field"] == "LOGO"


def test_a_value_can_be_refused_whatever_its_field_is(api: PlainClient) -> None:
    api.control.switch(refused_merge_value="222")
    assert api.upsert(EMAIL, merge_fields={"PHONE": "222", "FNAME": "Ada"}).json()["errors"] == [
        {"field": "PHONE", "message": "Please enter another value"}
    ]
    assert api.upsert(EMAIL, merge_fields={"PHONE": "111"}).json()["merge_fields"]["PHONE"] == "111"


def test_a_value_can_be_taken_and_not_stored(api: PlainClient) -> None:
    api.control.switch(unstored_merge_value="222")
    assert api.upsert(EMAIL, merge_fields={"PHONE": "111"}).json()["merge_fields"]["PHONE"] == "111"
    fields = api.upsert(EMAIL, merge_fields={"PHONE": "222", "FNAME": "Ada"}).json()["merge_fields"]
    assert (fields["PHONE"], fields["FNAME"]) == ("111", "Ada")


def test_text_is_cut_by_bytes_and_never_inside_a_character() -> None:
    assert cut_to_bytes("a" + "😀" * 100) == "a" + "😀" * 63
    assert len(cut_to_bytes("é" * 300).encode()) <= LONGEST_TEXT_BYTES


def test_a_new_list_has_the_four_default_fields(api: PlainClient) -> None:
    list_id = api.control.add_list("Another")
    answer = api.get(f"/lists/{list_id}/merge-fields").json()
    shown = [(field["tag"], field["type"]) for field in answer["merge_fields"]]
    assert shown == [("FNAME", "text"), ("LNAME", "text"), ("ADDRESS", "address"), ("PHONE", "phone")]


def test_ten_fields_are_shown_unless_more_are_asked_for(
    api: PlainClient, mailchimp: RunningMailchimp
) -> None:
    path = f"/lists/{mailchimp.lists['Events']}/merge-fields"
    short, whole = api.get(path).json(), api.get(path, count=1000).json()
    assert (len(short["merge_fields"]), len(whole["merge_fields"])) == (10, whole["total_items"])
    assert whole["total_items"] == 14
    required = api.get(path, required="true").json()["merge_fields"]
    assert [field["tag"] for field in required] == ["COMPANY"]
    assert [field["tag"] for field in api.get(path, type="number").json()["merge_fields"]] == ["CREDIT"]


def test_a_field_is_made_changed_and_removed(api: PlainClient) -> None:
    made = api.post(
        "/lists/{list}/merge-fields", {"name": "Sales person", "type": "text", "tag": "sales"}
    ).json()
    assert (made["tag"], made["type"], made["required"]) == ("SALES", "text", False)
    api.upsert(EMAIL, merge_fields={"SALES": "Bob"})
    path = f"/lists/{{list}}/merge-fields/{made['merge_id']}"
    assert api.get(path).json()["name"] == "Sales person"
    changed = api.patch(path, {"name": "Agent", "tag": "AGENT"}).json()
    assert (changed["name"], changed["tag"]) == ("Agent", "AGENT")
    assert api.member(EMAIL)["merge_fields"]["AGENT"] == "Bob"
    assert api.delete(path).status_code == 204
    assert "AGENT" not in api.member(EMAIL)["merge_fields"]
    assert api.get(path).status_code == 404


def test_long_tags_are_cut_and_missing_ones_are_numbered(api: PlainClient) -> None:
    path = "/lists/{list}/merge-fields"
    assert api.post(path, {"name": "x", "type": "text", "tag": "ACCOUNTSTATUS"}).json()["tag"] == "ACCOUNTSTA"
    unnamed = api.post(path, {"name": "x", "type": "text"}).json()
    assert unnamed["tag"] == f"MMERGE{unnamed['merge_id']}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"name": "x", "type": "text", "tag": "FNAME"}, 'A Merge Field with the tag "FNAME" already exists'),
        (
            {"name": "x", "type": "text", "tag": "ACCTSTATUSX"},
            'A Merge Field with the tag "ACCTSTATUS" already',
        ),
        ({"name": "x", "type": "text", "tag": "A-B"}, "could not be validated"),
        ({"name": "x", "type": "text", "tag": "EMAIL"}, "could not be validated"),
        ({"name": "x", "type": "boolean"}, "could not be validated"),
        ({"type": "text"}, "could not be validated"),
    ],
)
def test_fields_that_are_refused(api: PlainClient, body: dict[str, Any], text: str) -> None:
    answer = api.post("/lists/{list}/merge-fields", body)
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


def test_a_list_has_thirty_fields_at_most(api: PlainClient) -> None:
    path = "/lists/{list}/merge-fields"
    statuses = [api.post(path, {"name": f"Field {n}", "type": "text"}).status_code for n in range(23)]
    assert statuses == [200] * 22 + [400]
    assert api.get(path).json()["total_items"] == 30
