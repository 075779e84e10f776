"""What people of this trade report of Mailchimp, each kind once."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.kit.errors import TransientError
from simulators.mailchimp.plain_client import PlainClient

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.mark.rule("R1")
def test_who_is_archived_under_another_id_stays_archived(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.mailchimp.control.put_members([{"email": ANN, "state": "archived"}])
    [decided] = bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}])
    assert (decided.action, decided.reason) == ("refused", "archived")
    assert bench.states_of_people() == {ANN: "archived"}


def test_a_member_of_another_id_is_written_tagged_moved_and_archived(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    key = {"source_key": "1"}
    gone = {"source_active": False}
    steps: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"email_address": ANN, "FNAME": "Ann"}, {}, "updated"),
        ({"email_address": ANN, "FNAME": "Ann", **gone}, {"inactive_action": "tag"}, "updated"),
        ({"email_address": BOB, "FNAME": "Ann"}, {}, "moved"),
        ({"email_address": BOB, "FNAME": "Ann", "status": "unsubscribed"}, {}, "flagged"),
        ({"email_address": BOB, "FNAME": "Ann", **gone}, {"inactive_action": "archive"}, "archived"),
    ]
    for record, settings, action in steps:
        assert [entry.action for entry in bench.run([{**record, **key}], **settings)] == [action]
    assert bench.members()[BOB]["state"] == "archived"


def test_a_comparison_knows_members_of_another_id(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}])
    [decided] = bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}], reconcile=True)
    assert (decided.action, decided.reason) == ("unchanged", "no_field_differs")


@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_contacts_without_an_address_end_no_run(
    bench: Any, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    bench.mailchimp.control.switch(contacts_without_address=form)
    records = [{"email_address": ANN, "status": "unsubscribed"}, {"email_address": BOB}]
    with caplog.at_level(logging.WARNING):
        decided = bench.run(records)
    assert Counter(entry.action for entry in decided) == {"flagged": 1, "created": 1}
    assert "Contacts without an e-mail address, passed over: 2." in caplog.text


def group(number: int) -> dict[str, Any]:
    return {"email_address": f"sales{number}@broken.example.com", "source_key": f"G{number}"}


def people(count: int) -> list[dict[str, Any]]:
    return [
        {"email_address": f"p{number}@example.com", "source_key": f"P{number}"} for number in range(count)
    ]


@pytest.mark.rule("R6")
@pytest.mark.parametrize("at", [[0], [3], [0, 11], [2, 3, 4, 5, 6, 7, 8, 9]])
def test_an_address_that_breaks_every_call_becomes_a_dead_letter_and_the_others_are_written(
    bench: Any, at: list[int]
) -> None:
    bench.mailchimp.control.switch(breaking_address="@broken.example.com")
    records = people(12)
    for number in at:
        records[number] = group(number)
    decided = bench.run(records)
    failed = [entry for entry in decided if entry.action == "failed"]
    assert {entry.source_key for entry in failed} == {f"G{number}" for number in at}
    assert {entry.reason for entry in failed} == {"no_answer_about_it"}
    assert all(entry.dead_letter for entry in failed)
    assert len(bench.members()) == 12 - len(at)
    assert bench.last_run()["status"] == "succeeded"


def test_an_address_that_breaks_a_batch_of_its_own_is_isolated_too(
    bench: Any, single_call_target: Any
) -> None:
    bench.mailchimp.control.switch(breaking_address="@broken.example.com")
    assert [entry.reason for entry in bench.run([group(1)])] == ["no_answer_about_it"]
    bench.target_class = single_call_target
    decided = bench.run([group(2), *people(2)])
    assert Counter(entry.action for entry in decided) == {"failed": 1, "created": 2}


PAGE = {"text": "<html>Rejected. Support ID 17</html>", "media_type": "text/html"}


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    "answer",
    [
        *({**PAGE, "status": status} for status in (200, 400, 403, 404, 413)),
        {"status": 200, "text": "{}"},
        {"status": 403, "text": '{"title": "Forbidden", "status": 403, "detail": "Not this one."}'},
        {"status": 422, "text": '{"title": "Unprocessable", "status": 422, "detail": "Not this one."}'},
    ],
    ids=str,
)
def test_a_member_that_something_in_front_refuses_costs_no_other(bench: Any, answer: dict[str, Any]) -> None:
    bench.run(people(1))
    methods = ("POST", "PUT", "PATCH")
    bench.mailchimp.control.set_faults(
        [
            {"match": {"method": method, "body": "broken"}, "effect": {"kind": "answer", **answer}}
            for method in methods
        ]
    )
    records = people(6)
    records[4] = group(1)
    decided = bench.run(records)
    assert [entry.source_key for entry in decided if entry.action == "failed"] == ["G1"]
    assert len(bench.members()) == 5


def test_a_web_page_in_place_of_an_answer_is_asked_for_again(bench: Any) -> None:
    effect = {"kind": "answer", "status": 200, **PAGE}
    bench.mailchimp.control.set_faults(
        [{"match": {"method": m, "nth": 1}, "effect": effect} for m in ("GET", "POST")]
    )
    assert [entry.action for entry in bench.run(people(1))] == ["created"]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_mailchimp_that_answers_nobody_ends_the_run_without_a_dead_letter(bench: Any, count: int) -> None:
    bench.run(people(1))
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST"}, "effect": {"kind": "status", "status": 500}}]
    )
    records = [{**one, "FNAME": "Ann"} for one in people(count)]
    with pytest.raises(TransientError):
        bench.run(records, batch_size=20)
    assert [entry for entry in bench.decisions() if entry.dead_letter] == []


@pytest.mark.rule("R1")
@pytest.mark.parametrize("state", ["unsubscribed_by_contact", "unsubscribed_by_admin", "cleaned", "pending"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_who_left_is_refused_and_has_the_other_fields(bench: Any, state: str, known: bool) -> None:
    if not known:
        bench.run(people(1))
    bench.mailchimp.control.put_members([{"email": ANN, "state": state}])
    bench.mailchimp.control.switch(refuses_people_who_left="{email} has unsubscribed before.")
    record = {"email_address": ANN, "source_key": "1", "FNAME": "Ann"}
    [decided] = bench.run([record])
    assert (decided.action, decided.reason, decided.dead_letter) == ("refused", "unsubscribed", None)
    assert decided.changes == {"merge_fields.FNAME": ["" if known else None, "Ann"]}
    member = bench.members()[ANN]
    assert (member["state"], member["merge_fields"]["FNAME"]) == (state, "Ann")
    assert [entry.action for entry in bench.run([record])] == ["unchanged"]


def test_who_was_deleted_is_refused_in_any_words(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": ANN, "state": "forgotten"}])
    bench.mailchimp.control.switch(refuses_people_who_left="{email} was removed from the list.")
    [decided] = bench.run([{"email_address": ANN}])
    assert (decided.action, decided.reason, decided.dead_letter) == ("refused", "removed", None)


OLD = {"addr1": "1 Elm St", "city": "Springfield", "state": "IL", "zip": "62701", "country": "USA"}
NEW = {"addr1": "Lange Gasse 3", "city": "Berlin", "state": "", "zip": "10115", "country": "Germany"}
LINES = [{"type": "SCHEMA", "stream": "c", "schema": {"properties": {"ADDRESS": {}}}, "key_properties": []}]


def move_to(bench: Any, address: dict[str, str], **settings: Any) -> Any:
    record = {"email_address": ANN, "source_key": "1", "ADDRESS": address}
    lines = [*LINES, {"type": "RECORD", "stream": "c", "record": record}]
    [decided] = bench.run_messages(lines, **settings)
    return decided


@pytest.mark.parametrize("address", [NEW, {**NEW, "zip": ""}, {**NEW, "state": None, "zip": None}])
def test_an_address_without_a_state_has_the_placeholder(bench: Any, address: dict[str, str]) -> None:
    move_to(bench, OLD)
    decided = move_to(bench, address, address_placeholder="-")
    assert decided.action == "updated"
    assert "Filled in: ADDRESS (address_placeholder: the address lacks " in decided.detail
    filled = {name: value or "-" for name, value in address.items()}
    assert bench.members()[ANN]["merge_fields"]["ADDRESS"] == {"addr2": "", **filled}
    assert move_to(bench, address, address_placeholder="-").action == "unchanged"


@pytest.mark.parametrize(
    ("address", "settings"), [(NEW, {}), ({**OLD, "addr1": ""}, {"address_placeholder": "-"})]
)
def test_an_address_that_mailchimp_cannot_take_clears_the_one_before(
    bench: Any, address: dict[str, str], settings: dict[str, str]
) -> None:
    move_to(bench, OLD)
    decided = move_to(bench, address, **settings)
    assert (decided.action, decided.changes["merge_fields.ADDRESS"][1]) == ("updated", "")
    assert "Cleared: ADDRESS (incomplete_address: the address lacks " in decided.detail
    assert bench.members()[ANN]["merge_fields"]["ADDRESS"] == ""


def test_birthdays_have_the_form_of_the_audience_and_names_with_entities_are_found(bench: Any) -> None:
    api = PlainClient(bench.mailchimp.hello)
    trades = {"tag": "TRADE", "name": "Trade", "type": "radio", "options": {"choices": ["Nuts & Bolts"]}}
    birthday = {"tag": "BDAY", "name": "Birthday", "type": "birthday", "options": {"date_format": "DD/MM"}}
    for field in (trades, birthday):
        assert api.post("/lists/{list}/merge-fields", field).status_code == 200
    path = "/lists/{list}/interest-categories"
    group = api.post(path, {"title": "Likes", "type": "checkboxes"}).json()["id"]
    interest = api.post(f"{path}/{group}/interests", {"name": "Tea & Cake"}).json()["id"]
    bench.mailchimp.control.switch(escapes_entities=True)
    values = {"TRADE": "Nuts & Bolts", "BDAY": "1980-12-25", "interests": {"tea & cake": True}}
    schema: dict[str, Any] = {"properties": {name: {} for name in values}}
    lines = [
        {"type": "SCHEMA", "stream": "c", "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": "c", "record": {"email_address": ANN, **values}},
    ]
    [decided] = bench.run_messages(lines)
    assert (decided.action, decided.detail) == ("created", "")
    member = bench.members()[ANN]
    assert (member["merge_fields"]["TRADE"], member["merge_fields"]["BDAY"]) == ("Nuts &amp; Bolts", "25/12")
    assert member["interests"] == {interest: True}
    assert [entry.action for entry in bench.run_messages(lines)] == ["unchanged"]


@pytest.mark.rule("R8")
def test_the_values_of_a_merge_field_that_was_made_anew_travel_again(bench: Any) -> None:
    record = {"email_address": ANN, "source_key": "1", "FNAME": "Ann", "COMPANY": "Baker Ltd"}
    bench.run([record])
    api, path = PlainClient(bench.mailchimp.hello), "/lists/{list}/merge-fields"
    [field] = [
        field for field in api.get(path, count=100).json()["merge_fields"] if field["tag"] == "COMPANY"
    ]
    assert api.delete(f"{path}/{field['merge_id']}").status_code == 204
    for tag in ("OTHER", "COMPANY"):
        assert api.post(path, {"tag": tag, "name": tag, "type": "text"}).status_code == 200
    assert bench.members()[ANN]["merge_fields"]["COMPANY"] == ""
    [decided] = bench.run([record])
    assert decided.changes == {"merge_fields.COMPANY": [None, "Baker Ltd"]}
    assert bench.members()[ANN]["merge_fields"]["COMPANY"] == "Baker Ltd"
    assert [entry.action for entry in bench.run([record])] == ["unchanged"]


def test_one_bad_row_makes_one_dead_letter_until_it_is_written(bench: Any) -> None:
    record = {"email_address": "test@test.com", "source_key": "1"}
    for _ in range(3):
        assert [entry.action for entry in bench.run([record])] == ["failed"]
    assert len(open_letters(bench)) == 1
    bench.run([{**record, "email_address": ANN}])
    assert open_letters(bench) == []


def open_letters(bench: Any) -> list[Any]:
    with AuditTrail.open(bench.database_url) as trail:
        return waiting(trail)
