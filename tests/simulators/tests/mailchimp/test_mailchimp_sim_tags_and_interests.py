"""Tags and interests of members."""

from __future__ import annotations

from typing import Any

import pytest
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.routes.interests import MOST_INTERESTS

EMAIL = "ada@example.com"
TAGS = f"{member_path(EMAIL)}/tags"


def tag(name: str, status: str = "active") -> dict[str, str]:
    return {"name": name, "status": status}


def names(api: PlainClient) -> list[str]:
    return [entry["name"] for entry in api.get(TAGS).json()["tags"]]


def test_tags_are_added_and_taken_away_without_regard_to_case(api: PlainClient) -> None:
    api.upsert(EMAIL)
    answer = api.post(TAGS, {"tags": [tag("Key account"), tag("Late payer")], "is_syncing": True})
    assert (answer.status_code, answer.content) == (204, b"")
    api.post(TAGS, {"tags": [tag("LATE PAYER", "inactive"), tag("key ACCOUNT")]})
    assert names(api) == ["Key account"]
    assert [found["name"] for found in api.get("/lists/{list}/tag-search", name="late").json()["tags"]] == [
        "Late payer"
    ]


def test_tags_of_nobody_are_not_found(api: PlainClient) -> None:
    assert api.post(TAGS, {"tags": [tag("x")]}).status_code == 404


@pytest.mark.parametrize(("tags", "bumps"), [([], 0), ([tag("Known")], 0), ([tag("New")], 60)])
def test_only_a_tag_that_changes_moves_last_changed(
    api: PlainClient, tags: list[dict[str, str]], bumps: int
) -> None:
    api.upsert(EMAIL, tags=["Known"])
    before = api.member(EMAIL)["last_changed"]
    api.control.advance_clock(60)
    assert api.post(TAGS, {"tags": tags}).status_code == 204
    assert (api.member(EMAIL)["last_changed"] > before) is bool(bumps)


@pytest.mark.parametrize("body", [{}, {"tags": [{"name": "x"}]}, {"tags": [tag("x", "on")]}, {"tags": "x"}])
def test_tags_of_the_wrong_shape_are_refused(api: PlainClient, body: dict[str, Any]) -> None:
    api.upsert(EMAIL)
    assert api.post(TAGS, body).status_code == 400


def test_the_vendor_may_change_the_case_of_tags(api: PlainClient) -> None:
    api.control.switch(lower_case_tag_names=True)
    api.upsert(EMAIL, tags=["Key"])
    assert names(api) == ["key"]


def test_fifty_tags_are_shown_in_a_member_and_all_at_their_own_path(api: PlainClient) -> None:
    api.upsert(EMAIL, tags=[f"Tag {number}" for number in range(60)])
    member = api.member(EMAIL)
    assert (len(member["tags"]), member["tags_count"]) == (50, 60)
    assert len(api.get(TAGS, count=100).json()["tags"]) == 60


def category(api: PlainClient) -> str:
    answer = api.post("/lists/{list}/interest-categories", {"title": "Topics", "type": "checkboxes"})
    return f"/lists/{{list}}/interest-categories/{answer.json()['id']}"


def test_interests_are_shown_for_every_member(api: PlainClient) -> None:
    path = category(api)
    steel = api.post(f"{path}/interests", {"name": "Steel"}).json()["id"]
    wood = api.post(f"{path}/interests", {"name": "Wood"}).json()["id"]
    assert api.upsert(EMAIL, interests={steel: True}).json()["interests"] == {steel: True, wood: False}
    assert api.upsert(EMAIL, interests={wood: True}).json()["interests"] == {steel: True, wood: True}
    assert api.upsert(EMAIL, interests={steel: False}).json()["interests"] == {steel: False, wood: True}
    counts = {
        one["name"]: one["subscriber_count"] for one in api.get(f"{path}/interests").json()["interests"]
    }
    assert counts == {"Steel": "0", "Wood": "1"}
    assert api.get("/lists/{list}/members", interest_ids=wood).json()["total_items"] == 1
    assert api.get("/lists/{list}/members", interest_ids=steel).json()["total_items"] == 0


def test_an_unknown_interest_is_refused(api: PlainClient) -> None:
    answer = api.upsert(EMAIL, interests={"abc": True})
    assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid interest ID: 'abc'.")


def test_categories_and_interests_are_changed_and_removed(api: PlainClient) -> None:
    path = category(api)
    interest = api.post(f"{path}/interests", {"name": "Steel"}).json()["id"]
    api.upsert(EMAIL, interests={interest: True})
    assert api.patch(path, {"title": "Themes"}).json()["title"] == "Themes"
    assert api.get(path).json()["title"] == "Themes"
    assert api.patch(f"{path}/interests/{interest}", {"name": "Iron"}).json()["name"] == "Iron"
    assert api.get(f"{path}/interests/{interest}").json()["name"] == "Iron"
    assert api.delete(f"{path}/interests/{interest}").status_code == 204
    assert "interests" not in api.member(EMAIL)
    api.post(f"{path}/interests", {"name": "Wood"})
    assert api.delete(path).status_code == 204
    assert api.get("/lists/{list}/interest-categories").json()["total_items"] == 0
    assert api.get(path).status_code == 404


def test_a_list_has_sixty_interests_at_most(api: PlainClient) -> None:
    path = category(api)
    statuses = {n: api.post(f"{path}/interests", {"name": f"Topic {n}"}).status_code for n in range(61)}
    assert [number for number, status in statuses.items() if status == 400] == [MOST_INTERESTS]
    assert api.post(f"{path}/interests", {"name": "Topic 1"}).status_code == 400
