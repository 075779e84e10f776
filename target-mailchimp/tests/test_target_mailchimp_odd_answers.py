"""Answers of Mailchimp that are not what they seem: taken and not stored, refused in words of their own."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from simulators.mailchimp.plain_client import PlainClient

ANN, BOB = "ann@example.com", "bob@example.com"
ROW = {"email_address": ANN, "source_key": "1", "FNAME": "Ann"}
OTHER = {"email_address": BOB, "source_key": "2"}


def answers(bench: Any, method: str, **effect: Any) -> None:
    """Let every call of a method end so from now on; without an effect as it does."""
    match = {"method": method, **effect.pop("match", {})}
    bench.mailchimp.control.set_faults([{"match": match, "effect": effect}] if effect else [])


def rewritten(bench: Any, method: str, pattern: str, text: str) -> None:
    answers(bench, method, kind="rewrite", pattern=pattern, text=text)


@pytest.mark.rule("R1", "R2")
def test_an_opt_out_that_was_taken_and_not_stored_is_a_failure_and_goes_again(bench: Any) -> None:
    bench.run([ROW])
    rewritten(bench, "POST", '"status": ?"unsubscribed"', '"status":"subscribed"')
    opt_out = {**ROW, "status": "unsubscribed"}
    [decided] = bench.run([opt_out])
    assert (decided.action, decided.reason) == ("failed", "not_confirmed")
    assert decided.dead_letter == opt_out
    answers(bench, "POST")
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    assert [entry.action for entry in bench.run([opt_out])] == ["flagged"]
    assert bench.members()[ANN]["status"] == "unsubscribed"


def test_attributes_that_were_taken_and_not_stored_go_again(bench: Any) -> None:
    before = {"language": "en", "vip": False, "email_type": "html"}
    bench.run([{**ROW, **before}])
    shown = json.dumps({"id": "1", "email_address": ANN, "status": "subscribed", **before})
    text = json.dumps({"new_members": [], "updated_members": [json.loads(shown)], "errors": []})
    answers(bench, "POST", kind="answer", status=200, text=text)
    changed = {**ROW, "language": "de", "vip": True, "email_type": "text"}
    [decided] = bench.run([changed])
    assert all(f"{name} (not_stored_by_mailchimp" in decided.detail for name in before)
    answers(bench, "POST")
    assert [entry.action for entry in bench.run([changed])] == ["updated"]
    assert [entry.action for entry in bench.run([changed])] == ["unchanged"]


def test_an_address_that_was_taken_and_not_stored_is_not_taken_for_the_members(bench: Any) -> None:
    bench.run([ROW])
    same = json.dumps({"email_address": ANN, "status": "subscribed"})
    answers(bench, "PATCH", kind="answer", status=200, text=same)
    moved = {**ROW, "email_address": BOB}
    assert [(entry.action, entry.reason) for entry in bench.run([moved])] == [("failed", "not_confirmed")]
    answers(bench, "PATCH")
    assert [entry.action for entry in bench.run([moved])] == ["moved"]
    assert bench.members().keys() == {BOB}


EVERYTHING = {
    **dict.fromkeys(("ip_signup", "ip_opt"), "192.0.2.7"),
    **dict.fromkeys(("timestamp_signup", "timestamp_opt"), "2020-01-01T00:00:00+00:00"),
    "language": "en",
    "email_type": "html",
    "location": {"latitude": 1, "longitude": 2},
    "tags": ["a"],
}
_INVALID = "The resource submitted could not be validated."


COMPLAINTS: list[tuple[dict[str, str], set[str]]] = [
    ({"error": _INVALID, "field": "/ip_opt", "field_message": "bad"}, {"ip_opt"}),
    ({"error": _INVALID, "field": "members[0].ip_opt", "field_message": "bad"}, {"ip_opt"}),
    ({"error": _INVALID, "field": "email type", "field_message": "bad"}, {"email_type"}),
    ({"error": _INVALID, "field": "latitude", "field_message": "out of range"}, {"location"}),
    ({"error": _INVALID, "field": "First Name", "field_message": "bad"}, {"FNAME"}),
    ({"error": "timestamp_opt and timestamp_signup are odd"}, {"timestamp_opt", "timestamp_signup"}),
    ({"error": "Longitude is out of range"}, {"location"}),
    ({"error": "Something is wrong"}, {*EVERYTHING}),
]


def test_whatever_mailchimp_says_is_wrong_costs_no_member(bench: Any) -> None:
    people = [f"p{number}@example.com" for number in range(len(COMPLAINTS))]
    errors = [
        {"email_address": address, "error_code": "ERROR_GENERIC", **complaint}
        for address, (complaint, _) in zip(people, COMPLAINTS, strict=True)
    ]
    text = json.dumps({"new_members": [], "updated_members": [], "errors": errors})
    answers(bench, "POST", match={"nth": 1}, kind="answer", status=200, text=text)
    decided = bench.run([{**ROW, **EVERYTHING, "email_address": one, "source_key": one} for one in people])
    assert {entry.action for entry in decided} == {"created"}
    names = {*EVERYTHING, "FNAME"}
    left_out = {
        entry.source_key: {name for name in names if f"{name} (refused_by_mailchimp" in entry.detail}
        for entry in decided
    }
    assert left_out == {one: wanted for one, (_, wanted) in zip(people, COMPLAINTS, strict=True)}


@pytest.mark.rule("R1")
def test_who_left_is_known_by_the_status_where_nobody_knows_the_words(bench: Any) -> None:
    reasons = {
        "unsubscribed_by_contact": "unsubscribed",
        "cleaned": "bounced",
        "pending": "not_confirmed_by_person",
    }
    bench.mailchimp.control.put_members(
        [{"email": f"{state}@example.com", "state": state} for state in reasons]
    )
    bench.mailchimp.control.switch(refuses_people_who_left="Nope: {email}.")
    records = [{**ROW, "email_address": f"{state}@example.com", "source_key": state} for state in reasons]
    decided = bench.run(records)
    assert {(entry.action, entry.dead_letter) for entry in decided} == {("refused", None)}
    assert {entry.source_key: entry.reason for entry in decided} == reasons
    assert {member["merge_fields"]["FNAME"] for member in bench.members().values()} == {"Ann"}


@pytest.mark.rule("R6")
def test_the_look_after_a_refusal_may_fail(bench: Any) -> None:
    bench.run([OTHER])
    bench.mailchimp.control.put_members([{"email": ANN, "state": "forgotten"}])
    bench.mailchimp.control.switch(refuses_people_who_left="{email} has unsubscribed before.")
    answers(bench, "GET", match={"path": "/members/."}, kind="status", status=500)
    decided = bench.run([ROW, {**OTHER, "FNAME": "Bob"}])
    assert Counter(entry.action for entry in decided) == {"refused": 1, "updated": 1}


@pytest.mark.rule("R6")
def test_who_cannot_be_archived_again_is_a_dead_letter_and_the_others_are_written(bench: Any) -> None:
    bench.run([ROW])
    bench.mailchimp.control.put_members([{"email": ANN, "state": "archived"}])
    bench.mailchimp.control.set_faults(
        [
            {"match": {"method": "DELETE"}, "effect": {"kind": "status", "status": 500}},
            {
                "match": {"method": "GET", "query": "status=archived"},
                "effect": {"kind": "answer", "status": 200, "text": '{"members": []}'},
            },
        ]
    )
    decided = bench.run([{**ROW, "FNAME": "Anne"}, OTHER])
    assert {entry.source_key: entry.action for entry in decided} == {"1": "failed", "2": "created"}
    assert bench.members()[ANN]["status"] == "unsubscribed"


def test_a_405_means_that_a_member_cannot_be_archived_in_any_words(bench: Any) -> None:
    bench.run([ROW])
    text = '{"title": "Method Not Allowed", "status": 405, "detail": "Not this contact."}'
    answers(bench, "DELETE", kind="answer", status=405, text=text)
    [decided] = bench.run([{**ROW, "source_active": False}], inactive_action="archive")
    assert (decided.action, decided.reason, decided.dead_letter) == ("refused", "cannot_archive", None)


@pytest.mark.rule("R2")
def test_an_opt_out_reaches_the_member_of_an_address_that_is_not_valid(bench: Any) -> None:
    odd = {"email_address": "a..b@example.com", "source_key": "3", "status": "unsubscribed"}
    [decided] = bench.run([odd])
    assert (decided.action, decided.reason, decided.dead_letter) == ("quarantined", "not_an_address", odd)
    bench.mailchimp.control.put_members([{"email": "a..b@example.com", "state": "subscribed"}])
    assert [entry.action for entry in bench.run([odd])] == ["flagged"]
    assert bench.states_of_people() == {"a..b@example.com": "unsubscribed_by_admin"}
    assert [entry.action for entry in bench.run([{**odd, "status": None}])] == ["skipped"]


def test_a_bad_record_without_a_key_makes_one_dead_letter(bench: Any) -> None:
    for _ in range(2):
        bench.run(
            [{"email_address": "nonsense"}, {"email_address": "test@test.com"}], on_invalid="dead_letter"
        )
    with AuditTrail.open(bench.database_url) as trail:
        assert len(waiting(trail)) == 2


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/interest-categories", "GET", 500), ("/merge-fields", "POST", 403)]
)
def test_a_field_or_an_interest_that_mailchimp_does_not_give_costs_no_opt_out(
    bench: Any, path: str, method: str, status: int
) -> None:
    bench.run([ROW])
    text = json.dumps({"title": "No", "status": status, "detail": "Not today."})
    answers(bench, method, match={"path": path}, kind="answer", status=status, text=text)
    schema: dict[str, Any] = {"properties": {"LTV": {}, "interests": {}}}
    opt_out = {**ROW, "status": "unsubscribed", "LTV": "7", "interests": ["Tea"]}
    lines = [
        {"type": "SCHEMA", "stream": "customers", "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": "customers", "record": opt_out},
    ]
    [decided] = bench.run_messages(lines, create_merge_fields=True)
    assert decided.action == "flagged"
    assert "Left out: " in decided.detail


def test_names_with_entities_are_found(bench: Any) -> None:
    record = {**ROW, "tags": ["Tea & Cake"]}
    path = "/lists/{list}"
    name = PlainClient(bench.mailchimp.hello).get(path).json()["name"]
    rewritten(bench, "GET", re.escape(f'"{name}"'), '"Nuts &amp; Bolts"')
    assert [entry.action for entry in bench.run([record], list_id="nuts & bolts")] == ["created"]
    rewritten(bench, "GET", "Tea & Cake", "Tea &amp; Cake")
    assert [entry.reason for entry in bench.run([record], reconcile=True)] == ["no_field_differs"]
