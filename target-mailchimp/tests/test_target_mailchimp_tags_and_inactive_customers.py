"""Tags are added or replaced, and a customer who is no longer one has the chosen consequence."""

from __future__ import annotations

from typing import Any

import pytest

PERSON = "person@example.com"


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


def test_tags_are_added_or_are_the_whole_set(bench: Any) -> None:
    def names() -> set[str]:
        return {tag["name"] for tag in bench.members()[PERSON]["tags"]}

    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed", "tags": ["By hand"]}])
    tagged = [schema_line(tags={"type": "array"}), record_line(tags=["A", "B"], source_key="1")]
    bench.run_messages(tagged)
    assert names() == {"By hand", "A", "B"}
    [decided] = bench.run_messages(tagged)
    assert decided.action == "unchanged"
    bench.run_messages(tagged, tags="replace")
    assert names() == {"A", "B"}
    bench.run_messages(
        [schema_line(tags={"type": "array"}), record_line(tags=[], source_key="1")], tags="replace"
    )
    assert names() == set()


def test_tags_in_the_form_of_mailchimp_s_own_records_are_named_by_their_names(bench: Any) -> None:
    bench.run_messages(
        [
            schema_line(tags={"type": "array"}),
            record_line(tags=[{"id": 1, "name": "A"}, "B", {"id": 2}, None]),
        ]
    )
    assert {tag["name"] for tag in bench.members()[PERSON]["tags"]} == {"A", "B"}


def test_a_record_without_tags_keeps_them_beside_one_that_replaces_them(bench: Any) -> None:
    other = "other@example.com"
    bench.mailchimp.control.put_members(
        {"email": email, "state": "subscribed", "tags": ["Old"]} for email in (PERSON, other)
    )
    bench.run_messages(
        [
            schema_line(tags={"type": "array"}, FNAME={"type": "string"}),
            record_line(tags=["New"]),
            {"type": "RECORD", "stream": "customers", "record": {"email_address": other, "FNAME": "O"}},
        ],
        tags="replace",
    )
    tags = {email: [tag["name"] for tag in member["tags"]] for email, member in bench.members().items()}
    assert tags == {PERSON: ["New"], other: ["Old"]}


@pytest.mark.parametrize(
    ("action", "decided", "status", "tags"),
    [
        ("nothing", "unchanged", "subscribed", []),
        ("tag", "updated", "subscribed", ["Gone"]),
        ("unsubscribe", "flagged", "unsubscribed", []),
        ("archive", "archived", "archived", []),
    ],
)
def test_an_inactive_customer(bench: Any, action: str, decided: str, status: str, tags: list[str]) -> None:
    settings = {"inactive_action": action, "inactive_tag": "Gone"}
    customer = {"email_address": PERSON, "FNAME": "A", "source_key": "1"}
    bench.run([{**customer, "source_active": True}], **settings)
    [entry] = bench.run([{**customer, "source_active": False}], **settings)
    assert entry.action == decided
    member = bench.members()[PERSON]
    assert (member["status"], [tag["name"] for tag in member["tags"]]) == (status, tags)
    [again] = bench.run([{**customer, "source_active": False}], **settings)
    assert again.action in {"unchanged", "refused"}
    if action == "tag":
        bench.run([{**customer, "source_active": True}], **settings)
        assert bench.members()[PERSON]["tags"] == []


def test_somebody_is_inactive_only_when_all_their_rows_are(bench: Any) -> None:
    first = {"email_address": PERSON, "source_key": "1"}
    second = {"email_address": PERSON, "source_key": "2"}
    settings = {"inactive_action": "archive"}
    bench.run([first, second], **settings)
    bench.run([{**first, "source_active": False}], **settings)
    assert bench.members()[PERSON]["status"] == "subscribed"
    bench.run([{**second, "source_active": False}], **settings)
    assert bench.members()[PERSON]["status"] == "archived"


@pytest.mark.rule("R1")
def test_an_inactive_customer_is_never_made_a_member(bench: Any) -> None:
    [decided] = bench.run([{"email_address": PERSON, "source_active": False}])
    assert (decided.action, decided.reason) == ("skipped", "inactive_at_source")
