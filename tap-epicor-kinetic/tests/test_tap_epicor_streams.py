"""What flows: schemas, selection, the columns that are asked for, activity, nested lines, start dates."""

from __future__ import annotations

from typing import Any

import pytest
from tap_epicor_kinetic.catalog.declarations import STREAMS
from tap_epicor_kinetic.catalog.fallback import fallback_entity

NAMES = [declaration.name for declaration in STREAMS]
KEYS = {declaration.name: list(declaration.key) for declaration in STREAMS}
CUSTOMERS = "Erp.BO.CustomerSvc/Customers"


@pytest.mark.parametrize(("profile", "cursor"), [("updated-on", "UpdatedOn"), ("stock", "SysRevID")])
def test_every_stream_is_discovered_with_key_and_cursor(
    start_epicor: Any, runner: Any, profile: str, cursor: str
) -> None:
    catalog = runner(start_epicor(customers=2, profile=profile)).catalog()
    assert sorted(catalog) == sorted(NAMES)
    for name, entry in catalog.items():
        assert entry["key_properties"] == KEYS[name]
        assert entry["replication_key"] == cursor
        assert entry["replication_method"] == "INCREMENTAL"


def test_types_come_from_the_metadata(start_epicor: Any, runner: Any) -> None:
    properties = runner(start_epicor(customers=2)).catalog()["customers"]["schema"]["properties"]
    assert properties["SysRevID"] == {"type": ["integer", "null"]}
    assert properties["CreditLimit"] == {"type": ["number", "null"]}
    assert properties["UpdatedOn"] == {"type": ["string", "null"], "format": "date-time"}
    assert properties["SysRowID"] == {"type": ["string", "null"], "format": "uuid"}
    assert properties["MC_Status_c"] == {"type": ["string", "null"]}
    assert properties["CustNum"] == {"type": ["integer"]}
    assert properties["Active"]["type"] == ["boolean", "null"]


def test_a_portal_password_is_never_asked_for(start_epicor: Any, runner: Any, queries: Any) -> None:
    epicor = start_epicor(customers=5)
    result = runner(epicor).run("customer_contacts")
    assert "SFPortalPassword" not in result.schema("customer_contacts")["schema"]["properties"]
    assert all("SFPortalPassword" not in row for row in result.records("customer_contacts"))
    asked = [query["$select"] for query in queries(epicor, "CustCnts") if "$select" in query]
    assert asked
    assert all("SFPortalPassword" not in columns for columns in asked)


def test_a_tax_number_comes_only_when_it_is_selected(start_epicor: Any, runner: Any) -> None:
    tap = runner(start_epicor(customers=5))
    assert "TaxPayerID" not in tap.run("vendors").records("vendors")[0]
    chosen = tap.run("vendors", columns=("TaxPayerID",)).records("vendors")[0]
    assert set(chosen) == {"Company", "VendorNum", "TaxPayerID", "UpdatedOn"}


def test_only_the_services_of_selected_streams_are_asked_for_their_metadata(
    start_epicor: Any, runner: Any
) -> None:
    epicor = start_epicor(customers=2)
    tap = runner(epicor)
    catalog = tap.selected("parts")
    epicor.control.clear_requests()
    tap.run(catalog=catalog)
    asked = [request["path"] for request in epicor.control.requests() if "$metadata" in request["path"]]
    assert len(asked) == 1
    assert "Erp.BO.PartSvc" in asked[0]


def test_only_selected_columns_are_asked_for(start_epicor: Any, runner: Any, queries: Any) -> None:
    epicor = start_epicor(customers=5)
    result = runner(epicor).run("customers", columns=("Name", "EMailAddress"))
    assert set(result.records()[0]) == {"Company", "CustNum", "Name", "EMailAddress", "UpdatedOn"}
    pages = [query for query in queries(epicor, CUSTOMERS) if "Name" in query.get("$select", "")]
    assert pages
    for query in pages:
        assert set(query["$select"].split(",")) == {"Company", "CustNum", "Name", "EMailAddress", "UpdatedOn"}
        assert int(query["$top"]) == 1000


def test_active_is_derived_although_inactive_is_not_selected(start_epicor: Any, runner: Any) -> None:
    tap = runner(start_epicor(customers=60))
    rows = tap.run("customers", columns=("Name", "Active"), inactive_customers="flag").records()
    assert {row["Active"] for row in rows} == {True, False}
    assert all("Inactive" not in row for row in rows)
    without = tap.run("customers", columns=("Name",), inactive_customers="flag").records()
    assert len(without) == len(rows)
    assert all("Active" not in row for row in without)


def test_inactive_customers_and_other_types_are_left_out(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=150)
    table = [row for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06"]
    tap = runner(epicor)

    def numbers(**settings: Any) -> set[int]:
        return {row["CustNum"] for row in tap.run("customers", **settings).records()}

    customers = {row["CustNum"]: row for row in table if row["CustomerType"] == "CUS"}
    active = {number for number, row in customers.items() if not row["Inactive"]}
    assert len(active) < len(customers) < len(table)
    assert numbers() == active
    assert numbers(inactive_customers="flag") == set(customers)
    assert numbers(customer_types=[], inactive_customers="flag") == {row["CustNum"] for row in table}
    prospects = {row["CustNum"] for row in table if row["CustomerType"] == "PRO" and not row["Inactive"]}
    assert numbers(customer_types=["PRO"]) == prospects


def test_order_lines_come_nested(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=20)
    result = runner(epicor).run("purchase_orders")
    expected: dict[int, list[int]] = {row["PONum"]: [] for row in result.records("purchase_orders")}
    for line in epicor.control.rows("PODetail"):
        if line["Company"] == "EPIC06":
            expected[line["PONUM"]].append(line["POLine"])
    read = {
        row["PONum"]: [line["POLine"] for line in row["PODetails"]]
        for row in result.records("purchase_orders")
    }
    assert {number: sorted(lines) for number, lines in read.items()} == {
        number: sorted(lines) for number, lines in expected.items()
    }
    items = result.schema("purchase_orders")["schema"]["properties"]["PODetails"]["items"]
    assert items["properties"]["OrderQty"] == {"type": ["number", "null"]}
    without = runner(epicor).run("purchase_orders", columns=("PONum",)).records("purchase_orders")
    assert "PODetails" not in without[0]


@pytest.mark.parametrize(
    ("stream", "lines", "key", "head", "line"),
    [
        ("orders", "OrderDtls", "OrderNum", "OrderHed", "OrderDtl"),
        ("invoices", "InvcDtls", "InvoiceNum", "InvcHead", "InvcDtl"),
    ],
)
def test_orders_and_invoices_come_with_lines_and_own_columns_then_as_they_change(
    start_epicor: Any, runner: Any, stream: str, lines: str, key: str, head: str, line: str
) -> None:
    epicor = start_epicor(customers=30, orders=3)
    tap = runner(epicor)
    first = tap.run(stream)

    def numbers(table: str) -> list[int]:
        return sorted(row[key] for row in epicor.control.rows(table) if row["Company"] == "EPIC06")

    assert sorted(row[key] for row in first.records(stream)) == numbers(head)
    assert sorted(row[key] for row in first.records(stream) for _ in row[lines]) == numbers(line)
    if stream == "orders":
        assert {row["Channel_c"] for row in first.records(stream)} == {"Web", "Phone"}
        assert {row["OpenOrder"] for row in first.records(stream)} == {True, False}
    changed = first.records(stream)[0]
    epicor.control.edit(head, {"Company": "EPIC06", key: changed[key]}, CurrencyCode="EUR")
    again = tap.run(stream, state=first.state, overlap_seconds=0, overlap_revisions=0).records(stream)
    assert (changed[key], "EUR") in {(row[key], row["CurrencyCode"]) for row in again}
    assert len(again) < len(first.records(stream))


def test_meltano_finds_the_columns_of_lines_in_the_catalog(start_epicor: Any, runner: Any) -> None:
    entry = runner(start_epicor(customers=2)).catalog()["orders"]
    lines = entry["schema"]["properties"]["OrderDtls"]
    assert lines["properties"]["ProdCode"] == lines["items"]["properties"]["ProdCode"]
    crumbs = [item["breadcrumb"] for item in entry["metadata"]]
    assert ["properties", "OrderDtls", "properties", "ProdCode"] in crumbs
    assert crumbs.count(["properties", "OrderDtls"]) == 1


def test_only_the_selected_columns_of_lines_are_asked_for(
    start_epicor: Any, runner: Any, queries: Any
) -> None:
    epicor = start_epicor(customers=20, orders=2)
    result = runner(epicor).run("orders", columns=("CustNum", "OrderDtls.ProdCode", "OrderDtls.OrderQty"))
    lines = [line for order in result.records("orders") for line in order["OrderDtls"]]
    assert lines
    assert {name for line in lines for name in line} == {"ProdCode", "OrderQty"}
    pages = [query["$expand"] for query in queries(epicor, "SalesOrders") if "$expand" in query]
    assert {frozenset(page.partition("=")[2].rstrip(")").split(",")) for page in pages} == {
        frozenset({"ProdCode", "OrderQty"})
    }
    whole = runner(epicor).run("orders", columns=("OrderDtls",)).records("orders")
    assert {"OrderLine", "ProdCode", "OrderQty"} <= whole[0]["OrderDtls"][0].keys()


@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_a_start_date_leaves_out_what_changed_earlier(start_epicor: Any, runner: Any, profile: str) -> None:
    epicor = start_epicor(customers=80, profile=profile)
    tap = runner(epicor)
    everything = tap.run("customers").records()
    column = "UpdatedOn" if profile == "updated-on" else "ChangeDate"
    start = sorted(row[column] for row in everything)[len(everything) // 2][:10]
    late = tap.run("customers", start_date=start).records()
    assert 0 < len(late) < len(everything)
    expected = {row["CustNum"] for row in everything if row[column][:10] >= start}
    assert expected <= {row["CustNum"] for row in late}


def test_a_start_date_that_is_none(start_epicor: Any, runner: Any) -> None:
    with pytest.raises(Exception, match="start_date"):
        runner(start_epicor(customers=1)).run("customers", start_date="yesterday")


@pytest.mark.parametrize("name", NAMES)
def test_the_fallback_knows_key_and_cursor_of_every_stream(name: str) -> None:
    entity = fallback_entity(name, tuple(KEYS[name]))
    assert entity is not None
    assert {*KEYS[name], "SysRevID"} <= set(entity.properties)


def test_stream_maps_still_apply(start_epicor: Any, runner: Any) -> None:
    result = runner(start_epicor(customers=9)).run(
        "customers",
        columns=("Name",),
        stream_maps={"customers": {"Upper": "Name.upper()", "__filter__": "CustNum < 4"}},
    )
    rows = result.records()
    assert rows
    assert all(row["Upper"] == row["Name"].upper() and row["CustNum"] < 4 for row in rows)


def test_a_full_table_by_catalog_keeps_no_bookmark(start_epicor: Any, runner: Any) -> None:
    def full_table(catalog: dict[str, Any]) -> None:
        for entry in catalog["streams"]:
            entry["replication_method"] = "FULL_TABLE"

    tap = runner(start_epicor(customers=9))
    first = tap.run("customers", edit_catalog=full_table)
    second = tap.run("customers", state=first.state, edit_catalog=full_table)
    assert first.bookmark() == {"context": {"Company": "EPIC06"}}
    assert len(first.records()) == len(second.records()) > 0


def test_another_cursor_by_setting_or_catalog(start_epicor: Any, runner: Any) -> None:
    def by_change_date(catalog: dict[str, Any]) -> None:
        for entry in catalog["streams"]:
            entry["replication_key"] = "ChangeDate"

    tap = runner(start_epicor(customers=9))
    by_setting = tap.run("customers", cursors={"customers": "SysRevID"})
    assert by_setting.bookmark()["replication_key"] == "SysRevID"
    assert tap.run("customers", edit_catalog=by_change_date).bookmark()["replication_key"] == "ChangeDate"
    with pytest.raises(Exception, match="no column Nothing"):
        tap.run("customers", cursors={"customers": "Nothing"})
    with pytest.raises(Exception, match="not a timestamp or a whole number"):
        tap.run("customers", cursors={"customers": "Name"})
    with pytest.raises(Exception, match="no stream custommers"):
        tap.run("customers", cursors={"custommers": "Name"})


@pytest.mark.parametrize("numbers", ["quoted", "fractions"])
def test_numbers_in_another_form_are_those_of_the_schema(
    start_epicor: Any, runner: Any, numbers: str
) -> None:
    epicor = start_epicor(customers=5)
    tap, columns = runner(epicor), ("CreditLimit", "SysRevID")
    plain = tap.run("customers", columns=columns).records()
    epicor.control.switches(numbers=numbers)
    assert tap.run("customers", columns=columns).records() == plain
    assert {type(row[name]) for row in plain for name in ("CustNum", "SysRevID")} == {int}
