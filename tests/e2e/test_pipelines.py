"""Both pipelines through `meltano run`, between two simulators, held to what the seed says."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, email_key, parse_email
from stage import Stage, set_stage

CUSTOMERS = 300
TYPES = {"CUS"}


@pytest.fixture(params=["updated-on", "stock"])
def stage(plugins, request, tmp_path) -> Iterator[Stage]:
    with set_stage(
        tmp_path / "stage", customers=CUSTOMERS, profile=request.param, plugins=plugins
    ) as running:
        yield running


def customers(stage: Stage) -> list[dict[str, Any]]:
    truth: list[dict[str, Any]] = stage.epicor_control("GET", "/truth")["customers"]
    return truth


def listed(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    """The customers that the audience must have, by address: active ones whom nothing in Epicor keeps out."""
    opted_out = {
        key_of(row["EMailAddress"])
        for table in ("Customer", "CustCnt")
        for row in rows(stage, table)
        if row["NoContact"] and row.get("CustomerType", "CUS") in TYPES
    }
    by_address: dict[str, list[dict[str, Any]]] = {}
    for customer in customers(stage):
        if customer["active"] and customer["customer_type"] in TYPES and customer["address"]:
            by_address.setdefault(customer["address"], []).append(customer)
    return {address: found for address, found in by_address.items() if address not in opted_out}


def rows(stage: Stage, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.epicor_control("GET", f"/tables/{table}")
    return found


def writes(stage: Stage) -> list[dict[str, Any]]:
    requests = stage.mailchimp_control("GET", "/requests")
    return [request for request in requests if request["method"] in {"POST", "PUT", "PATCH", "DELETE"}]


def opted_out_rows(stage: Stage, address: str) -> list[tuple[str, bool]]:
    """Every row of Epicor with an address, and whether it says that the person must not be contacted."""
    return [
        (table, row["NoContact"])
        for table in ("Customer", "CustCnt")
        for row in rows(stage, table)
        if key_of(row["EMailAddress"]) == address
    ]


def key_of(text: str | None) -> str | None:
    with contextlib.suppress(InvalidEmailError):
        return email_key(parse_email(text))
    return None


@pytest.mark.rule("R4")
@pytest.mark.rule("R6")
@pytest.mark.rule("R8")
def test_every_active_customer_is_a_member_and_nothing_is_sent_twice(stage):
    said = stage.forward().splitlines()
    assert "target-mailchimp run 1 succeeded: " in said[-1]
    assert not [line for line in said if "METRIC" in line or "Beginning sync" in line]

    members = stage.members()
    wanted = listed(stage)
    assert members.keys() == wanted.keys()
    check_fields(stage, members, wanted)
    check_skipped(stage)

    stage.mailchimp_control("DELETE", "/requests")
    stage.forward("forward-again")
    assert writes(stage) == []

    one = next(found[0] for found in wanted.values() if len(found) == 1 and not found[0]["no_contact"])
    key = {"Company": one["company"], "CustNum": one["cust_num"]}
    stage.epicor_control(
        "POST", "/tables/Customer/edit", json={"key": key, "changes": {"Name": "A new name", "City": ""}}
    )
    stage.forward("forward-after-an-edit")
    assert len(writes(stage)) == 1
    assert stage.members()[one["address"]]["merge_fields"]["COMPANY"] == "A new name"
    changed = {address: member for address, member in stage.members().items() if member != members[address]}
    assert changed.keys() == {one["address"]}


def check_fields(stage: Stage, members: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    by_key = {(row["Company"], row["CustNum"]): row for row in rows(stage, "Customer")}
    for address, found in wanted.items():
        sources = [by_key[customer["company"], customer["cust_num"]] for customer in found]
        fields = members[address]["merge_fields"]
        shown = (fields["COMPANY"], fields["INDUSTRY"], fields["REGION"])
        # Where several customers share an address, one of them is shown, and that one wholly.
        assert shown in [(row["Name"], row["GroupCode"], row["TerritoryID"]) for row in sources]
        assert members[address]["status"] == "subscribed"


def check_skipped(stage: Stage) -> None:
    skipped = {
        decision["source_key"]: decision["reason"]
        for decision in stage.decisions("--action", "skipped")
        if decision["stream"] == "members"
    }
    wanted = listed(stage)
    expected = {
        f"Customer {customer['company']}/{customer['cust_num']}"
        for customer in customers(stage)
        if customer["customer_type"] in TYPES and customer["address"] not in wanted
    }
    merged = {decision["source_key"] for decision in stage.decisions("--action", "merged")}
    assert skipped.keys() | (merged & expected) == expected
    assert all(skipped.values())


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_opt_outs_reach_epicor_and_survive_a_full_refresh(stage):
    stage.forward()
    addresses = [
        address for address, member in sorted(stage.members().items()) if member["status"] == "subscribed"
    ]
    acts = {"unsubscribe": addresses[:12], "complain": addresses[12:16], "bounce": addresses[16:20]}
    before = {address for address in addresses if any(flag for _, flag in opted_out_rows(stage, address))}
    for act, people in acts.items():
        for address in people:
            stage.person(act, address)
    stage.mailchimp_control("POST", "/webhooks/flush")

    stage.reverse()

    opted_out = {address for people in acts.values() for address in people}
    for address in opted_out:
        flags = opted_out_rows(stage, address)
        assert flags, address
        assert all(flag for _, flag in flags), (address, flags)
    others = [address for address in addresses if address not in opted_out | before]
    assert not any(flag for address in others for _, flag in opted_out_rows(stage, address))
    flagged = Counter(
        decision["reason"] for decision in stage.decisions("--plugin", "target-epicor-contacts")
    )
    assert flagged.total() >= len(opted_out)

    states = {address: member["status"] for address, member in stage.members().items()}
    stage.forward("forward-full-refresh", "--full-refresh")
    assert {address: member["status"] for address, member in stage.members().items()} == states
    assert stage.mailchimp_control("GET", "/raises") == []

    stage.mailchimp_control("DELETE", "/requests")
    stage.epicor_control("DELETE", "/requests")
    stage.reverse("reverse-again")
    assert [r for r in stage.epicor_control("GET", "/requests") if r["method"] in {"POST", "PATCH"}] == []


@pytest.mark.rule("R8")
def test_profile_and_address_changes_reach_epicor(stage):
    stage.forward()
    owners = {key_of(row["EMailAddress"]) for row in rows(stage, "CustCnt")}
    known = [address for address in sorted(stage.members()) if address in owners]
    edited, moved = known[0], known[1]
    stage.person("edit_profile", edited, merge_fields={"FNAME": "Robin"})
    stage.person("change_address", moved, new_email="moved.person@example.com")
    stage.mailchimp_control("POST", "/webhooks/flush")
    held = [row for row in rows(stage, "CustCnt") if key_of(row["EMailAddress"]) == moved]

    stage.reverse()

    names = {r["FirstName"] for r in rows(stage, "CustCnt") if key_of(r["EMailAddress"]) == edited}
    assert names == {"Robin"}
    now = [row for row in rows(stage, "CustCnt") if key_of(row["EMailAddress"]) == "moved.person@example.com"]
    assert {row["SysRowID"] for row in now} == {row["SysRowID"] for row in held}
