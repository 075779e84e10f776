"""Behaviours that somebody reported, each by a switch."""

from __future__ import annotations

from typing import Any

import pytest
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "ada@example.com"
MEMBERS = "/lists/{list}/members"


def person(email: str, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "status_if_new": "subscribed", **more}


def field_of(api: PlainClient, list_id: str, tag: str, **changes: Any) -> None:
    path = f"/lists/{list_id}/merge-fields"
    [field] = [field for field in api.get(path, count=100).json()["merge_fields"] if field["tag"] == tag]
    assert api.patch(f"{path}/{field['merge_id']}", changes).status_code == 200


@pytest.mark.parametrize(("form", "value"), [("MM/DD", "12/25"), ("DD/MM", "25/12")])
def test_a_birthday_has_the_form_of_its_field(
    api: PlainClient, mailchimp: RunningMailchimp, form: str, value: str
) -> None:
    events = mailchimp.lists["Events"]
    field_of(api, events, "BIRTHDAY", options={"date_format": form})
    taken = api.upsert(EMAIL, events, merge_fields={"BIRTHDAY": value, "COMPANY": "C"})
    refused = api.upsert(
        EMAIL, events, merge_fields={"BIRTHDAY": value[3:] + "/" + value[:2], "COMPANY": "C"}
    )
    assert taken.json()["merge_fields"]["BIRTHDAY"] == value
    assert refused.json()["errors"][0]["field"] == "BIRTHDAY"


def test_a_date_is_read_in_the_form_of_its_field(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    events = mailchimp.lists["Events"]
    field_of(api, events, "SINCE", options={"date_format": "DD/MM/YYYY"})
    stored = api.upsert(EMAIL, events, merge_fields={"SINCE": "02/03/1980", "COMPANY": "C"}).json()
    assert stored["merge_fields"]["SINCE"] == "1980-03-02"


def test_one_address_breaks_every_write_about_it(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(breaking_address="@broken.example.com")
    bad = person("sales@broken.example.com")
    assert api.batch(person(EMAIL), bad).status_code == 500
    assert api.upsert("sales@broken.example.com").status_code == 500
    assert api.batch(person(EMAIL)).json()["total_created"] == 1


@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_contacts_without_an_address_are_listed(
    api: PlainClient, mailchimp: RunningMailchimp, form: str
) -> None:
    api.upsert(EMAIL)
    mailchimp.control.switch(contacts_without_address=form)
    fields = "members.id,members.email_address,members.status"
    first, second, third = api.get(MEMBERS, fields=fields).json()["members"]
    assert (
        first
        == second
        == {"absent": {}, "null": {"id": "", "email_address": None}}.get(
            form, {"id": "", "email_address": ""}
        )
        | {"status": "subscribed"}
    )
    assert third["email_address"] == EMAIL


def test_a_key_of_another_data_centre_is_forbidden(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(wrong_datacenter=True)
    answer = api.get("/ping")
    assert (answer.status_code, answer.json()["title"]) == (403, "Wrong Datacenter")


@pytest.mark.parametrize("moment", ["2020-05-07T10:00:00", "0001-01-01T00:00:00+00:00"])
def test_odd_times_are_refused(api: PlainClient, mailchimp: RunningMailchimp, moment: str) -> None:
    mailchimp.control.switch(odd_times="refused")
    [error] = api.batch(person(EMAIL, timestamp_signup=moment)).json()["errors"]
    assert error["field"] == "timestamp_signup"
    assert api.upsert(EMAIL, timestamp_signup="2020-05-07T10:00:00+00:00").status_code == 200


def test_a_language_that_is_not_listed_is_refused(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    [error] = api.batch(person(EMAIL, language="english")).json()["errors"]
    assert error["field"] == "language"
    mailchimp.control.switch(unknown_languages="accepted")
    assert api.upsert(EMAIL, language="english").json()["language"] == "english"


def test_an_update_is_taken_and_not_stored(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(unstored_updates=True)
    api.upsert(EMAIL, merge_fields={"FNAME": "Ada"})
    answer = api.batch(person(EMAIL, merge_fields={"FNAME": "Bea"})).json()
    assert answer["updated_members"][0]["merge_fields"]["FNAME"] == "Ada"


def test_a_field_is_demanded_though_it_was_not_sent(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(demanded_merge_field="ADDRESS")
    answer = api.upsert(EMAIL, merge_fields={"FNAME": "Ada"})
    assert answer.json()["errors"] == [{"field": "ADDRESS", "message": "Please enter a value"}]


@pytest.mark.parametrize("state", ["unsubscribed_by_contact", "cleaned", "pending", "forgotten"])
def test_a_batch_refuses_who_left_in_the_words_of_the_switch(
    api: PlainClient, mailchimp: RunningMailchimp, state: str
) -> None:
    mailchimp.control.put_members([{"email": EMAIL, "state": state}])
    mailchimp.control.switch(refuses_people_who_left="{email} has left.")
    assert [error["error"] for error in api.batch(person(EMAIL)).json()["errors"]] == [f"{EMAIL} has left."]


def test_the_id_of_a_member_is_not_the_md5_of_its_address(
    api: PlainClient, mailchimp: RunningMailchimp
) -> None:
    mailchimp.control.switch(member_ids="other")
    shown = api.batch(person(EMAIL)).json()["new_members"][0]
    assert api.get(member_path(EMAIL)).status_code == 404
    for key in (shown["id"], shown["contact_id"], EMAIL):
        assert api.get(f"{MEMBERS}/{key}").json()["id"] == shown["id"]


def test_texts_come_with_entities(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(escapes_entities=True)
    category = api.post("/lists/{list}/interest-categories", {"title": "A & B", "type": "radio"}).json()
    interest = api.post(f"/lists/{{list}}/interest-categories/{category['id']}/interests", {"name": "C & D"})
    field = {"name": "Size", "tag": "SIZE", "type": "dropdown", "options": {"choices": ["E & F"]}}
    api.post("/lists/{list}/merge-fields", field)
    stored = api.upsert(EMAIL, merge_fields={"SIZE": "E & F"}).json()
    fields = api.get("/lists/{list}/merge-fields", count=100).json()["merge_fields"]
    [choices] = [field["options"]["choices"] for field in fields if field["tag"] == "SIZE"]
    assert [category["title"], interest.json()["name"], stored["merge_fields"]["SIZE"], *choices] == [
        "A &amp; B",
        "C &amp; D",
        "E &amp; F",
        "E &amp; F",
    ]


def test_pages_are_short_and_their_total_is_wrong(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    api.batch(*(person(f"p{number}@example.com") for number in range(5)))
    mailchimp.control.switch(largest_page=2, total_items="page")
    page = api.get(MEMBERS, count=1000).json()
    assert (len(page["members"]), page["total_items"]) == (2, 2)
    assert len(api.get(MEMBERS, count=1000, offset=4).json()["members"]) == 1
