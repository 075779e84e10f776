"""Answers with keys that are missing, null or of another type; listings without pages, order or status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings, Refusal
from kinetic_mailchimp.mailchimp.members_walk import walk_members
from kinetic_mailchimp.mailchimp.results import parse_batch_answer
from requests.structures import CaseInsensitiveDict


class AnswersOf:
    """A stand-in for the transport with the JSON answers that it was given, the last one for ever."""

    def __init__(self, *documents: Any) -> None:
        self._documents = list(documents)
        self.requests: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.requests.append(request)
        document = self._documents.pop(0) if len(self._documents) > 1 else self._documents[0]
        headers = CaseInsensitiveDict({"Content-Type": "application/json"})
        return Answer(200, headers, json.dumps(document).encode())


def answered(*documents: Any) -> tuple[MailchimpClient, AnswersOf]:
    client = MailchimpClient(
        MailchimpSettings.from_config({"api_key": "0-us1", "base_url": "http://127.0.0.1:1/3.0"})
    )
    transport = AnswersOf(*documents)
    client.transport = transport  # type: ignore[assignment]
    return client, transport


def member_of(number: int, second: int = 0, **more: Any) -> dict[str, Any]:
    address = f"m{number}@example.com"
    changed = f"2026-01-01T00:00:{second:02d}+00:00"
    return {"id": f"id{number}", "email_address": address, "last_changed": changed, **more}


def test_all_pages_of_webhooks_are_read() -> None:
    hooks = [{"id": f"h{number}", "url": "https://example.com"} for number in range(3)]
    pages = [{"webhooks": part, "total_items": 3} for part in (hooks[:2], hooks[2:])]
    client, transport = answered(*pages)
    assert client.webhooks("l") == hooks
    # The reference names no parameters of this listing.
    assert [request.params for request in transport.requests] == [{}, {"count": 1000, "offset": 2}]


@pytest.mark.parametrize("found", [{}, {"webhooks": {"a": 1}}, {"webhooks": "none"}, {"status": 500}])
def test_an_answer_without_its_listing_is_not_an_empty_one(found: dict[str, Any]) -> None:
    with pytest.raises(TransientError, match="webhooks"):
        answered(found)[0].webhooks("l")


def test_rows_that_name_nothing_are_passed_over() -> None:
    rows = [
        None,
        "text",
        {"id": None, "tag": None},
        {"name": "x"},
        {"merge_id": 1, "tag": "FNAME", "options": None},
    ]
    client, _ = answered({"merge_fields": rows, "total_items": 99}, {"merge_fields": None})
    assert [field["tag"] for field in client.merge_fields("l")] == ["FNAME"]


def test_attributes_of_another_type_are_left_out_of_a_member() -> None:
    odd = member_of(1, contact_id=7, merge_fields=None, interests=[], tags=None, status=None, vip="yes")
    tagged = member_of(
        2, tags=[None, {"id": 1}, {"id": 2, "name": "A"}], status="subscribed", merge_fields={"A": 1}
    )
    client, _ = answered({"members": [odd, None, "text", tagged]}, {"members": []})
    assert list(client.members("l")) == [member_of(1), {**tagged, "tags": [{"id": 2, "name": "A"}]}]


def test_a_member_of_another_status_than_was_asked_for_is_passed_over() -> None:
    rows = [member_of(1, status="subscribed"), member_of(2, status="archived"), member_of(3)]
    client, _ = answered({"members": rows}, {"members": []})
    found = [(member["id"], member["status"]) for member in client.members("l", status="archived")]
    assert found == [("id2", "archived"), ("id3", "archived")]


def test_a_listing_of_members_without_pages_is_read_once() -> None:
    rows = [member_of(number, number) for number in range(5)]
    client, transport = answered({"members": rows})
    assert [member["id"] for member in client.members("l")] == [row["id"] for row in rows]
    assert len(transport.requests) < 8


def test_a_full_page_that_comes_again_and_again_is_told() -> None:
    client, _ = answered({"members": [member_of(number) for number in range(3)]})
    with pytest.raises(TransientError, match="same page"):
        list(client.members("l", page_size=3))


@pytest.mark.rule("R5")
@pytest.mark.parametrize("changed", [None, "", "yesterday", "2026-01-01T00:00:00"])
def test_members_in_no_order_or_without_a_time_are_read_by_count(changed: str | None) -> None:
    rows = [{**member_of(number), "last_changed": changed} for number in range(7)]
    rows[0]["last_changed"] = "2026-01-02T00:00:00+00:00"

    def page(params: Any) -> list[Any]:
        since = params.get("since_last_changed")
        kept = [row for row in rows if since is None or str(row["last_changed"]) > since]
        return kept[params["offset"] : params["offset"] + params["count"]]

    seen = [member["id"] for member in walk_members(page, fields=(), page_size=2, filters={})]
    assert seen == [row["id"] for row in rows]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("cap", [1, 2, 3])
def test_of_members_in_no_order_and_few_at_once_none_is_passed_over(cap: int) -> None:
    days = [3, 1, 2, 5, 4, 6, 9, 7, 8, None]
    rows = [
        {**member_of(number), "last_changed": f"2026-01-0{day}T00:00:00+00:00" if day else ""}
        for number, day in enumerate(days)
    ]

    def page(params: Any) -> list[Any]:
        since, before = params.get("since_last_changed", ""), params.get("before_last_changed", "3")
        kept = [row for row in rows if since <= row["last_changed"] <= before]
        return kept[params["offset"] : params["offset"] + min(cap, params["count"])]

    seen = [member["id"] for member in walk_members(page, fields=(), page_size=100, filters={})]
    assert sorted(seen) == sorted(row["id"] for row in rows)


@pytest.mark.parametrize("shown", ["new_members", "updated_members", "errors"])
def test_the_one_result_under_another_name_is_that_of_the_one_address_without(shown: str) -> None:
    client, _ = answered(
        {
            "new_members": None,
            "errors": [],
            shown: [
                None,
                {"email_address": "info@xn--mller-kva.example", "id": "other", "error": "Unsubscribed."},
            ],
        }
    )
    result = client.upsert_members("l", [{"email_address": "info@müller.example"}])
    [item] = result.items.values()
    assert (item.outcome == "refused") is (shown == "errors")
    assert item.error is None or item.error.reason is Refusal.UNSUBSCRIBED


def test_of_the_answer_of_a_batch_nothing_is_kept_that_is_not_read() -> None:
    shown = member_of(
        1, web_id=7, status="subscribed", merge_fields={"A": 1}, _links=[{"rel": "self"}], stats={"x": 1}
    )
    answer = {"new_members": [shown], "updated_members": [], "errors": [{"error": "x"}], "total_created": 1}
    read = {name: value for name, value in shown.items() if name not in {"_links", "stats"}}
    kept = {"new_members": [read], "updated_members": [], "errors": [{"error": "x"}]}
    assert parse_batch_answer(json.dumps(answer).encode()) == kept


@pytest.mark.parametrize(
    "document",
    [
        {"title": "Invalid Resource", "detail": "No.", "errors": [{"field": "x", "message": "y"}]},
        {"new_members": [None, "text", {"id": "a", "other": 1}], "errors": None},
        {"updated_members": None},
        ["a"],
    ],
)
def test_any_other_answer_to_a_batch_is_read_as_it_is(document: Any) -> None:
    assert parse_batch_answer(json.dumps(document).encode()) == document


def test_half_an_answer_to_a_batch_is_not_json() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_batch_answer(b'{"new_members": [')
