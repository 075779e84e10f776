"""Streams of the configuration: any set of any service, and BAQs."""

from __future__ import annotations

from typing import Any

CALLS = {"name": "crm_calls", "path": "Erp.BO.CRMCallSvc/CRMCalls"}
VENDORS = {"name": "approved_vendors", "path": "Erp.BO.VendorSvc/Vendors", "expand": ["VendCnts"]}


def test_a_set_of_a_service_is_discovered_like_the_others(start_epicor: Any, runner: Any) -> None:
    catalog = runner(start_epicor(customers=2)).catalog(custom_streams=[CALLS])
    entry = catalog["crm_calls"]
    assert entry["key_properties"] == ["Company", "RelatedToFile", "Key1", "Key2", "Key3", "CallSeqNum"]
    assert entry["replication_key"] == "UpdatedOn"
    assert entry["schema"]["properties"]["CallSeqNum"] == {"type": ["integer"]}


def test_filter_and_nested_rows(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=60)
    stream = {**VENDORS, "filter": "Approved eq true"}
    result = runner(epicor).run("approved_vendors", custom_streams=[stream])
    expected = {
        row["VendorNum"]
        for row in epicor.control.rows("Vendor")
        if row["Approved"] and row["Company"] == "EPIC06"
    }
    rows = result.records("approved_vendors")
    assert {row["VendorNum"] for row in rows} == expected
    assert any(row["VendCnts"] for row in rows)
    assert (
        "Name" in result.schema("approved_vendors")["schema"]["properties"]["VendCnts"]["items"]["properties"]
    )


def test_a_baq_with_key_and_cursor_is_read_in_steps(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=60)
    tap = runner(epicor)
    stream = {
        "name": "delta",
        "baq": "Sim-Delta-Customer",
        "keys": ["Customer_CustNum"],
        "cursor": "Customer_SysRevID",
        "parameters": {"SysRevID": 0},
    }
    how = {"custom_streams": [stream], "page_size": 20, "overlap_revisions": 0, "concurrency": 1}
    first = tap.run("delta", **how)
    numbers = [row["Customer_CustNum"] for row in first.records("delta")]
    table = [row for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06"]
    assert sorted(numbers) == sorted(row["CustNum"] for row in table)
    assert {row["Company"] for row in first.records("delta")} == {"EPIC06"}
    assert first.schema("delta")["key_properties"] == ["Company", "Customer_CustNum"]
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": numbers[3]}, Name="Changed")
    second = tap.run("delta", state=first.state, **how)
    assert [row["Customer_Name"] for row in second.records("delta")] == ["Changed"]


def test_a_baq_without_a_key_is_read_whole(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=45)
    stream = {
        "name": "plain",
        "baq": "Sim-Customer",
        "schema": {"Customer_Name": {"type": ["string", "null"]}},
    }
    result = runner(epicor).run("plain", custom_streams=[stream], page_size=10)
    table = [row for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06"]
    assert sorted(row["Customer_Name"] for row in result.records("plain")) == sorted(
        row["Name"] for row in table
    )
    assert set(result.records("plain")[0]) == {"Company", "Customer_Name"}
