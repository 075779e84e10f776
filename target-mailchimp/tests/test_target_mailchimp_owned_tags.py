"""Owned tags follow the records of a member, and no other tag is ever taken away."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.mailchimp import MailchimpClient, RefusedError
from simulators.mailchimp.plain_client import PlainClient, member_path

PERSON = "person@example.com"
OTHER = "other@example.com"
OWNED = {"owned_tags": ["ERP *", "key account"]}
_SCHEMA = {
    "properties": {
        "email_address": {"type": "string"},
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        "source_key": {"type": "string"},
        "source_updated_on": {"type": "string"},
        "FNAME": {"type": ["string", "null"]},
        "status": {"type": ["string", "null"]},
    }
}


def row(tags: Sequence[str] | None, key: str = "1", email: str = PERSON, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "tags": tags, "source_key": key, **more}


def load(bench: Any, *rows: dict[str, Any], **settings: Any) -> list[Any]:
    lines = [{"type": "RECORD", "stream": "customers", "record": record} for record in rows]
    schema = {"type": "SCHEMA", "stream": "customers", "schema": _SCHEMA, "key_properties": []}
    found: list[Any] = bench.run_messages([schema, *lines], **{**OWNED, **settings})
    return found


def tags_of(bench: Any, email: str = PERSON) -> set[str]:
    return {tag["name"] for tag in bench.members()[email]["tags"]}


def by_hand(bench: Any, tag: str, status: str, email: str = PERSON) -> None:
    bench.mailchimp.control.advance_clock(60)
    with contextlib.closing(PlainClient(bench.mailchimp.hello)) as api:
        answer = api.post(f"{member_path(email)}/tags", {"tags": [{"name": tag, "status": status}]})
    assert answer.status_code == 204


def test_owned_tags_are_added_and_taken_away_and_others_stay(bench: Any) -> None:
    bench.mailchimp.control.put_members(
        [{"email": PERSON, "state": "subscribed", "tags": ["By hand", "ERP old", "Key Account"]}]
    )
    [added] = load(bench, row(["ERP East", " ERP N30 "]))
    assert tags_of(bench) == {"By hand", "ERP East", "ERP N30"}
    assert added.detail == "Tags added: ERP East, ERP N30. Tags removed: ERP old, Key Account."
    assert added.changes["tags"] == [
        ["By hand", "ERP old", "Key Account"],
        ["By hand", "ERP East", "ERP N30"],
    ]
    [moved] = load(bench, row(["ERP West", "ERP N30"]))
    assert tags_of(bench) == {"By hand", "ERP West", "ERP N30"}
    assert (moved.action, moved.detail) == ("updated", "Tags added: ERP West. Tags removed: ERP East.")
    load(bench, row([]))
    assert tags_of(bench) == {"By hand"}


def test_a_run_in_which_no_tag_changed_writes_nothing(bench: Any) -> None:
    load(bench, row(["ERP East", "Key Account"]), row(["ERP West"], "2", OTHER))
    bench.clear()
    decided = load(bench, row(["erp EAST", "Key account"]), row(["ERP West"], "2", OTHER), row(None))
    assert {entry.action for entry in decided} <= {"unchanged", "merged"}
    assert not [call for call in bench.calls() if not call.startswith("GET")]


def test_removals_of_one_member_are_one_call_and_additions_travel_in_the_batch(bench: Any) -> None:
    emails = [f"p{number}@example.com" for number in range(20)]
    load(bench, *(row(["ERP A", "ERP B"], email, email) for email in emails))
    bench.clear()
    load(
        bench,
        *(
            row(["ERP C"] if email == emails[0] else ["ERP A", "ERP B", "ERP C"], email, email)
            for email in emails
        ),
    )
    writes = {call: count for call, count in bench.calls().items() if call.startswith("POST")}
    assert sorted(writes.values()) == [1, 1]
    assert tags_of(bench, emails[0]) == {"ERP C"}
    assert tags_of(bench, emails[1]) == {"ERP A", "ERP B", "ERP C"}


@pytest.mark.rule("R8")
@pytest.mark.parametrize("first", ["1", "2"])
def test_a_member_has_the_tags_of_all_of_its_rows_in_whatever_order_they_come(bench: Any, first: str) -> None:
    rows = {
        "1": row(["ERP East"], "1", source_updated_on="2026-01-01T00:00:00Z"),
        "2": row(["ERP West", "ERP N30"], "2", source_updated_on="2026-02-01T00:00:00Z"),
    }
    later = rows["2" if first == "1" else "1"]
    load(bench, rows[first])
    load(bench, later)
    assert tags_of(bench) == {"ERP East", "ERP West", "ERP N30"}
    for again in rows.values():
        [decided] = load(bench, again)
        assert decided.action in {"unchanged", "superseded"}
    load(bench, row(["ERP N60"], "2", source_updated_on="2026-03-01T00:00:00Z"))
    assert tags_of(bench) == {"ERP East", "ERP N60"}


@pytest.mark.rule("R8")
@pytest.mark.parametrize(("tag", "status"), [("ERP East", "inactive"), ("ERP Wrong", "active")])
def test_an_owned_tag_that_was_edited_in_mailchimp_is_put_back_without_a_record(
    bench: Any, tag: str, status: str
) -> None:
    load(bench, row(["ERP East"]))
    by_hand(bench, "By hand", "active")
    assert load(bench) == []
    by_hand(bench, tag, status)
    [restored] = load(bench)
    assert (restored.action, restored.reason) == ("updated", "restored")
    assert tags_of(bench) == {"By hand", "ERP East"}
    assert load(bench) == []


def test_the_vendors_case_of_a_tag_is_no_edit(start_bench: Any) -> None:
    bench = start_bench(lower_case_tag_names=True)
    load(bench, row(["ERP East"]))
    by_hand(bench, "Another", "active")
    assert load(bench) == []
    [decided] = load(bench, row(["ERP East"]))
    assert decided.action == "unchanged"


@pytest.mark.rule("R1")
def test_somebody_who_left_or_never_came_gets_no_tag(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "archived", "tags": ["ERP East"]}])
    bench.clear()
    decided = load(bench, row(["ERP West"]), row(["ERP West"], "2", OTHER, status="unsubscribed"))
    assert {entry.action for entry in decided} == {"refused", "skipped"}
    assert not [call for call in bench.calls() if not call.startswith("GET")]


def test_a_dry_run_and_a_comparison_show_tags_and_write_none(bench: Any) -> None:
    load(bench, row(["ERP East"]))
    [planned] = load(bench, row(["ERP West"]), dry_run=True)
    assert planned.changes == {"tags": [["ERP East"], ["ERP West"]]}
    assert planned.detail == "Tags added: ERP West. Tags removed: ERP East."
    [drifted] = load(bench, row(["ERP West"]), reconcile=True)
    assert (drifted.reason, drifted.changes) == ("fields_differ", {"tags": [["ERP East"], ["ERP West"]]})
    assert tags_of(bench) == {"ERP East"}


def test_a_refused_removal_concerns_one_member_and_is_made_again(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bench, row(["ERP East"]), row(["ERP East"], "2", OTHER))
    set_tags = MailchimpClient.set_tags

    def refuse(client: MailchimpClient, list_id: str, member: str, tags: Any) -> Any:
        if client.member(list_id, member, fields=("email_address",))["email_address"] == PERSON:
            raise RefusedError("No tags today.")
        return set_tags(client, list_id, member, tags)

    changed = [row(["ERP West"], FNAME="Ann"), row(["ERP West"], "2", OTHER)]
    with monkeypatch.context() as patched:
        patched.setattr(MailchimpClient, "set_tags", refuse)
        actions = {entry.subject: entry.action for entry in load(bench, *changed)}
    assert actions == {PERSON: "failed", OTHER: "updated"}
    load(bench, *changed)
    assert tags_of(bench) == tags_of(bench, OTHER) == {"ERP West"}


def test_a_tag_that_is_too_long_is_left_out_and_the_member_is_written(bench: Any) -> None:
    [decided] = load(bench, row(["ERP East", "x" * 101, "y" * 100], FNAME="Ann"))
    assert decided.action == "created"
    assert "tag_too_long" in decided.detail
    assert tags_of(bench) == {"ERP East", "y" * 100}


@pytest.mark.parametrize("owned", ["*", "a*b"])
def test_a_setting_that_owns_every_tag_or_is_misread_is_refused(bench: Any, owned: str) -> None:
    with pytest.raises(ConfigurationError):
        load(bench, row([]), owned_tags=[owned])
