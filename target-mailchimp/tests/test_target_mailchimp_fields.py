"""Merge fields, attributes, interests and permissions: which travel, and which are left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulators.mailchimp.account import TYPED

PERSON = "person@example.com"
ADDRESS = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


def _interests(bench: Any, groups: dict[str, list[str]]) -> dict[str, str]:
    import requests  # noqa: PLC0415

    ids = {}
    with requests.Session() as session:
        session.auth = ("any", bench.mailchimp.api_key)
        url = f"{bench.mailchimp.base_url}/lists/{bench.mailchimp.list_id}/interest-categories"
        for title, names in groups.items():
            group = session.post(url, json={"title": title, "type": "checkboxes"}, timeout=120).json()
            for name in names:
                made = session.post(f"{url}/{group['id']}/interests", json={"name": name}, timeout=120).json()
                ids[f"{title}/{name}"] = made["id"]
    return ids


def test_missing_merge_fields_are_made_on_request_with_the_value_that_asked_for_them(bench: Any) -> None:
    lines = [
        schema_line(BALANCE={"type": "number"}, SINCE={"type": "string", "format": "date"}),
        record_line(BALANCE=12.5, SINCE="2026-03-01"),
    ]
    [decided] = bench.run_messages(lines)
    assert "BALANCE (no_such_merge_field" in decided.detail
    bench.run_messages(lines, create_merge_fields=True)
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["BALANCE"], fields["SINCE"]) == (12.5, "2026-03-01")


def test_more_fields_than_an_audience_may_have_leave_out_values_and_no_member(bench: Any) -> None:
    names = [f"EXTRA{number}" for number in range(30)]
    lines = [
        schema_line("customers", **{name: {"type": "string"} for name in names}),
        record_line(**dict.fromkeys(names, "x")),
    ]
    [decided] = bench.run_messages(lines, create_merge_fields=True)
    assert decided.action == "created"
    assert "EXTRA29 (no_such_merge_field" in decided.detail
    assert bench.members()[PERSON]["merge_fields"]["EXTRA0"] == "x"


def test_a_value_that_does_not_fit_is_left_out_and_the_member_is_written(bench: Any) -> None:
    [decided] = bench.run_messages(
        [
            schema_line(ADDRESS={"type": "object"}, FNAME={"type": "string"}),
            record_line(ADDRESS={"addr1": "x"}, FNAME="A"),
        ]
    )
    assert decided.action == "created"
    assert "ADDRESS (incomplete_address: the address lacks city, state, zip)" in decided.detail
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "A"


def test_a_value_that_mailchimp_refuses_is_left_out_and_the_member_is_written(start_bench: Any) -> None:
    bench = start_bench(image_urls_reachable=False)
    list_id = bench.mailchimp.control.add_list(
        "Pictures", merge_fields=[{"tag": "LOGO", "name": "Logo", "type": "imageurl"}]
    )
    [decided] = bench.run_messages(
        [
            schema_line(LOGO={"type": "string"}, FNAME={"type": "string"}),
            record_line(LOGO="https://example.com/x.png", FNAME="A"),
        ],
        list_id=list_id,
    )
    assert decided.action == "created"
    assert "LOGO (refused_by_mailchimp" in decided.detail
    assert bench.members(list_id)[PERSON]["status"] == "subscribed"


def test_language_vip_location_and_interests_travel(bench: Any) -> None:
    client_calls = _interests(bench, {"Newsletter": ["Weekly", "Daily"], "Products": ["Daily"]})
    bench.run_messages(
        [
            schema_line(interests={"type": "object"}, location={"type": "object"}),
            record_line(
                language="de",
                vip=True,
                location={"latitude": 52.5, "longitude": 13.4},
                interests={"Weekly": True, "Newsletter/Daily": True, "Daily": True},
            ),
        ]
    )
    member = bench.members()[PERSON]
    assert (member["language"], member["vip"], member["location"]["latitude"]) == ("de", True, 52.5)
    assert {key for key, chosen in member["interests"].items() if chosen} == {
        client_calls["Newsletter/Weekly"],
        client_calls["Newsletter/Daily"],
    }
    [decided] = bench.decisions()
    assert "Daily (no_such_interest" in decided.detail


@pytest.mark.rule("R1")
def test_marketing_permissions_are_given_to_new_people_and_only_taken_from_others(bench: Any) -> None:
    list_id = bench.mailchimp.lists[TYPED]

    def given() -> dict[str, bool]:
        entries = bench.members(list_id)[PERSON]["marketing_permissions"]
        return {entry["text"]: entry["enabled"] for entry in entries}

    def load(**permissions: bool) -> Any:
        lines = [schema_line(marketing_permissions={"type": "object"})]
        lines.append(record_line(marketing_permissions=permissions, source_key="1"))
        [decided] = bench.run_messages(lines, list_id=list_id)
        return decided

    load(email=True, fax=True)
    assert given() == {"Email": True, "Direct mail": False}
    assert "fax" in bench.decisions()[-1].detail
    load(email=False)
    assert given() == {"Email": False, "Direct mail": False}
    assert "only the person can give" in load(email=True).detail
    assert given() == {"Email": False, "Direct mail": False}


def test_a_required_field_is_required_only_by_setting(bench: Any) -> None:
    list_id = bench.mailchimp.control.add_list(
        "Strict", merge_fields=[{"tag": "CODE", "name": "Code", "type": "text", "required": True}]
    )
    [decided] = bench.run([{"email_address": PERSON}], list_id=list_id, skip_merge_validation=False)
    assert (decided.action, decided.reason) == ("failed", "invalid_fields")
    [decided] = bench.run([{"email_address": PERSON}], list_id=list_id)
    assert decided.action == "created"


@pytest.mark.rule("R9")
def test_the_decision_keeps_what_changed_and_nothing_secret(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    [decided] = bench.run([{"email_address": PERSON, "FNAME": "B"}])
    assert decided.changes == {"merge_fields.FNAME": ["A", "B"]}
    assert bench.mailchimp.api_key not in json.dumps([vars(entry) for entry in bench.decisions()])
