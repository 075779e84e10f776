"""Random histories: either path leaves the same members, nobody is ever raised, and syncs come to rest."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OF_MEMBERS = {"left_behind", "row_that_left_opted_out", "restored"}
PEOPLE = ("ann", "Ann", "bob", "cleo", "dan")
ADDRESSES = [f"{name}@example.com" for name in PEOPLE]

RECORD = st.fixed_dictionaries(
    {"email_address": st.sampled_from(ADDRESSES)},
    optional={
        "FNAME": st.sampled_from(["A", "B", "", None]),
        "COMPANY": st.sampled_from(["Acme", ""]),
        "tags": st.lists(st.sampled_from(["One", "Two"]), unique=True),
        "vip": st.booleans(),
        "language": st.sampled_from(["de", "en"]),
        "status": st.sampled_from(["subscribed", "unsubscribed", None]),
        "status_if_new": st.sampled_from(["subscribed", "pending"]),
        "source_key": st.sampled_from(["1", "2"]),
        "source_updated_on": st.sampled_from(["1", "2", "10"]),
        "source_active": st.booleans(),
    },
)
RECORDS = st.lists(RECORD, min_size=1, max_size=6)
ACT = st.tuples(
    st.sampled_from(
        ["subscribe", "unsubscribe", "complain", "bounce", "archive", "delete_permanently", "edit", "move"]
    ),
    st.sampled_from(ADDRESSES),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "inactive_action": st.sampled_from(["nothing", "tag", "unsubscribe", "archive"]),
        "tags": st.sampled_from(["add", "replace"]),
        "update_only_streams": st.just(["customers"]),
        "batch_size": st.sampled_from([1, 2]),
    },
)
MANY = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def told(bench: Any) -> dict[str, Any]:
    return {
        address: (
            member["state"],
            {tag: value for tag, value in member.get("merge_fields", {}).items() if value != ""},
            sorted(tag["name"] for tag in member.get("tags", ())),
            member.get("vip"),
            member.get("language"),
        )
        for address, member in bench.members().items()
    }


def act(bench: Any, name: str, address: str) -> None:
    """Let somebody do something, if they can."""
    control = bench.mailchimp.control
    with contextlib.suppress(RuntimeError):
        if name == "edit":
            control.edit_profile(address, merge_fields={"FNAME": "Edited"})
        elif name == "move":
            control.change_address(address, "moved@example.com")
        else:
            control.act(name, address)


@pytest.mark.rule("R4")
@settings(MANY, max_examples=12)
@given(runs=st.lists(RECORDS, min_size=1, max_size=3), options=OPTIONS)
def test_batches_and_single_calls_leave_the_same_members(
    two_benches: Any, runs: list[list[dict[str, Any]]], options: dict[str, Any]
) -> None:
    left = []
    for fresh in two_benches:
        bench = fresh()
        bench.mailchimp.control.put_members(
            [
                {"email": "bob@example.com", "state": "unsubscribed_by_contact"},
                {"email": "cleo@example.com", "state": "archived"},
                {"email": "dan@example.com", "state": "subscribed", "tags": ["Old"]},
            ]
        )
        for records in runs:
            bench.run(records, **{"batch_size": 3, "concurrency": 1, **options})
        left.append(told(bench))
    assert left[0] == left[1]


@pytest.mark.rule("R1")
@settings(MANY, max_examples=20)
@given(history=st.lists(st.one_of(ACT, RECORDS), min_size=2, max_size=12), options=OPTIONS)
def test_no_history_raises_anybody(two_benches: Any, history: list[Any], options: dict[str, Any]) -> None:
    bench = two_benches[0]()
    for step in history:
        if isinstance(step, tuple):
            act(bench, *step)
            continue
        bench.run(step, **options)
        run = bench.last_run()
        assert run["status"] == "succeeded"
        decisions = bench.decisions(run["id"])
        assert run["records_read"] == len(decisions)
        assert len([each for each in decisions if each.reason not in OF_MEMBERS]) == len(step)
        assert bench.mailchimp.control.raises("raised") == []


@pytest.mark.rule("R8")
@settings(MANY, max_examples=12)
@given(records=RECORDS, options=OPTIONS)
def test_the_same_records_again_come_to_rest(
    two_benches: Any, records: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    # A source has one value for each row, and each row has one address.
    rows = {record.get("source_key", record["email_address"].lower()): record for record in records}
    bench = two_benches[0]()
    for _ in range(2):
        bench.run(list(rows.values()), **options)
    before = told(bench)
    bench.clear()
    bench.run(list(rows.values()), **options)
    assert {key.split()[0] for key in bench.calls()} == {"GET"}
    assert told(bench) == before


@pytest.mark.rule("R8")
@settings(MANY, max_examples=12)
@given(records=RECORDS, options=OPTIONS)
def test_what_has_come_to_rest_does_not_differ(
    two_benches: Any, records: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    rows = {record.get("source_key", record["email_address"].lower()): record for record in records}
    bench = two_benches[0]()
    for _ in range(2):
        bench.run(list(rows.values()), **options)
    found = bench.run(list(rows.values()), reconcile=True, **options)
    assert len(found) == len(rows)
    assert [(entry.reason, entry.changes) for entry in found if entry.action == "drifted"] == []
