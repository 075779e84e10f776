"""Calls against a simulated Kinetic: rows by query and by key, writes, methods, BAQs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.epicor.errors import UrlTooLongError
from kinetic_mailchimp.epicor.odata import and_, eq, fits_in_path
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    NotFoundError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Request

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
CONTACTS = "Erp.BO.CustCntSvc/CustCnts"
ORDERS = "Erp.BO.POSvc/POes"


def contact_key(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("Company", "CustNum", "ShipToNum", "ConNum")}


def test_rows_by_query(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=30))
    rows = client.read(
        "EPIC06",
        CUSTOMERS,
        filter="CustNum gt 3",
        orderby=("CustNum desc",),
        select=("CustNum", "Name"),
        top=4,
        skip=1,
    )
    numbers = [row["CustNum"] for row in rows]
    assert len(rows) == 4
    assert numbers == sorted(numbers, reverse=True)
    assert set(rows[0]) == {"CustNum", "Name"}


def test_nested_rows_and_a_count(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=10))
    rows = client.read("EPIC06", ORDERS, select=("PONum",), expand="PODetails($select=POLine)", top=3)
    assert all(set(line) == {"POLine"} for row in rows for line in row["PODetails"])
    assert client.count("EPIC06", CUSTOMERS) == len(client.read("EPIC06", CUSTOMERS, top=1000))
    assert client.count("EPIC06", CUSTOMERS, filter=eq("CustNum", -1)) == 0


def row_by_key(client: EpicorClient, path: str, key: dict[str, Any]) -> dict[str, Any]:
    [row] = client.read("EPIC06", path, filter=and_(*(eq(name, value) for name, value in key.items())))
    return row


def test_a_row_by_its_key_is_changed_and_read_back(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=5))
    row = client.read("EPIC06", CONTACTS, top=1)[0]
    key = contact_key(row)
    reply = client.patch("EPIC06", CONTACTS, key, {"NoContact": True, "MC_Status_c": "unsubscribed"})
    assert (reply.call.status, reply.document, (reply.call.seconds or 0) > 0) == (204, {}, True)
    changed = row_by_key(client, CONTACTS, key)
    assert (changed["NoContact"], changed["MC_Status_c"]) == (True, "unsubscribed")
    assert changed["Name"] == row["Name"]
    assert not any(name.startswith("@") for name in changed)


def test_a_row_that_is_not_there(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=5))
    key = {"Company": "EPIC06", "CustNum": 999_999}
    assert client.read("EPIC06", CUSTOMERS, filter="CustNum eq 999999") == []
    with pytest.raises(NotFoundError, match="not available"):
        client.patch("EPIC06", CUSTOMERS, key, {"Name": "x"})


def test_a_row_whose_key_fits_into_no_path_is_found_by_filter(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=5)
    epicor.control.insert("Part", Company="EPIC06", PartNum="A/B #1%", PartDescription="Odd")
    client = connect(epicor)
    key = {"Company": "EPIC06", "PartNum": "A/B #1%"}
    assert row_by_key(client, "Erp.BO.PartSvc/Parts", key)["PartDescription"] == "Odd"
    assert not fits_in_path(key)


def test_a_row_is_added_with_the_number_that_the_server_gives(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=5))
    customer = client.read("EPIC06", CUSTOMERS, top=1)[0]["CustNum"]
    row = {"Company": "EPIC06", "CustNum": customer, "ShipToNum": "", "Name": "New Contact"}
    reply = client.create("EPIC06", CONTACTS, row)
    created = reply.document
    assert (reply.call.status, (reply.call.seconds or 0) > 0) == (201, True)
    assert created["ConNum"] > 0
    assert row_by_key(client, CONTACTS, contact_key(created))["Name"] == "New Contact"


def test_methods_of_business_objects(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=5))
    row = client.read("EPIC06", CONTACTS, top=1)[0]
    parameters = {"custNum": row["CustNum"], "shipToNum": row["ShipToNum"], "conNum": row["ConNum"]}
    answer = client.call("EPIC06", "Erp.BO.CustCntSvc", "GetByID", parameters, get=True)
    assert answer.call.status == 200
    assert answer.document["returnObj"]["CustCnt"][0]["Name"] == row["Name"]
    posted = client.call("EPIC06", "Erp.BO.CustCntSvc", "GetByID", parameters)
    assert posted.document["returnObj"] == answer.document["returnObj"]


def test_a_baq_takes_parameters_and_query_options(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=20))
    rows = client.read(
        "EPIC06",
        "BaqSvc/Sim-Delta-Customer/Data",
        parameters={"SysRevID": 0},
        select=("Customer_CustNum",),
        top=5,
    )
    assert len(rows) == 5
    assert set(rows[0]) == {"Customer_CustNum"}


def test_metadata_is_asked_for_once(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=1)
    client = connect(epicor)
    first = client.metadata("EPIC06", "Erp.BO.PartSvc")
    assert client.metadata("EPIC07", "Erp.BO.PartSvc") is first
    assert sum("$metadata" in request["path"] for request in epicor.control.requests()) == 1


def test_a_space_travels_as_percent_20(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3)
    connect(epicor).read("EPIC06", CUSTOMERS, filter="Name eq 'A + B'", top=1)
    query = epicor.control.requests()[-1]["query"]
    assert "Name%20eq%20'A%20%2B%20B'" in query
    assert "+" not in query


@pytest.mark.parametrize(
    "effect", [{"kind": "status", "status": 429}, {"kind": "truncate"}, {"kind": "reset"}]
)
def test_a_read_is_tried_again(start_epicor: Any, connect: Any, effect: dict[str, Any]) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults({"match": {"path": "Customers", "count": 2}, "effect": effect})
    pauses: list[float] = []
    assert connect(epicor, pauses).read("EPIC06", CUSTOMERS, top=1)
    assert len(pauses) == 2


def test_the_server_may_say_how_long_to_wait(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults(
        {
            "match": {"path": "Customers", "count": 1},
            "effect": {"kind": "status", "status": 429, "retry_after": 17},
        }
    )
    pauses: list[float] = []
    connect(epicor, pauses).read("EPIC06", CUSTOMERS, top=1)
    assert pauses[0] >= 17


@pytest.mark.rule("R4")
def test_no_answer_to_an_addition_leaves_it_open_and_is_not_repeated(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults(
        {"match": {"method": "POST", "count": 1}, "effect": {"kind": "reset", "applied": True}}
    )
    row = {"Company": "EPIC06", "CustNum": 1, "ShipToNum": "", "Name": "Once"}
    with pytest.raises(AmbiguousWriteError, match="look before"):
        connect(epicor).create("EPIC06", CONTACTS, row)
    assert [contact["Name"] for contact in epicor.control.rows("CustCnt")].count("Once") == 1


@pytest.mark.rule("R4")
def test_a_change_is_repeated_because_its_values_are_absolute(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults(
        {"match": {"method": "PATCH", "count": 1}, "effect": {"kind": "reset", "applied": True}}
    )
    client = connect(epicor)
    key = {"Company": "EPIC06", "CustNum": 1}
    client.patch("EPIC06", CUSTOMERS, key, {"Name": "Twice the same"})
    assert row_by_key(client, CUSTOMERS, key)["Name"] == "Twice the same"


def test_a_maintenance_page_is_retried_and_then_reported(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults({"effect": {"kind": "maintenance", "status": 503, "body": "html"}})
    with pytest.raises(TransientError, match="web page"):
        connect(epicor).read("EPIC06", CUSTOMERS, top=1)


def test_a_client_that_is_stopped_waits_no_longer(start_epicor: Any) -> None:
    epicor = start_epicor(customers=3)
    epicor.control.faults({"effect": {"kind": "status", "status": 503, "retry_after": 250}})
    client = EpicorClient(
        EpicorSettings(
            epicor.base_url, ("EPIC06",), epicor.api_key, username=epicor.username, password=epicor.password
        )
    )
    failures: list[Exception] = []

    def read() -> None:
        try:
            client.read("EPIC06", CUSTOMERS, top=1)
        except TransientError as error:
            failures.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    client.stop()
    reading.join(timeout=60)
    assert not reading.is_alive()
    assert "Stopped while waiting" in str(failures[0])
    client.close()


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://erp.example.com/erp", True),
        ("https://erp.example.com/erp", False),
        ("http://127.0.0.1:9/erp", False),
    ],
)
def test_an_address_without_tls_is_warned_about(
    caplog: pytest.LogCaptureFixture,
    url: str,
    warns: bool,
) -> None:
    client = EpicorClient(EpicorSettings(url, ("EPIC06",), "made-up-key"))
    for _ in range(2):
        client.transport._check_origin(Request("GET", f"{url}/api/v2"))
    client.close()
    assert caplog.text.count("travel in clear") == int(warns)


def test_a_path_that_gives_no_rows(start_epicor: Any, connect: Any) -> None:
    with pytest.raises(ConfigurationError, match="holds no rows"):
        connect(start_epicor(customers=3)).read("EPIC06", CUSTOMERS + "(Company='EPIC06',CustNum=1)")


def test_a_page_is_as_large_as_the_server_takes(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=60, top_refused_above=25)
    client = connect(epicor)
    sizes = [len(client.read("EPIC06", CUSTOMERS, orderby=("CustNum",), top=1000)) for _ in range(3)]
    assert sizes == [25, 25, 25]
    # It is told once, and remembered for the run.
    assert [request["status"] for request in epicor.control.requests()] == [400, 200, 200, 200]


def test_no_content_is_no_rows(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=2, empty_is_204=True))
    assert client.read("EPIC06", CUSTOMERS, filter=eq("CustNum", -1)) == []


def test_half_a_surrogate_pair_is_read_as_a_replacement_character(start_epicor: Any, connect: Any) -> None:
    epicor = start_epicor(customers=2)
    client = connect(epicor)
    row = client.read("EPIC06", CONTACTS, top=1)[0]
    client.patch("EPIC06", CONTACTS, contact_key(row), {"FirstName": "Yankee"})
    epicor.control.switches(broken_text={"Yankee": "Yan\\ud83dkee \\ud83d\\ude00"})
    assert row_by_key(client, CONTACTS, contact_key(row))["FirstName"] == "Yan\ufffdkee \U0001f600"


def test_a_query_that_is_too_long_is_remembered(start_epicor: Any, connect: Any) -> None:
    client = connect(start_epicor(customers=2, max_query=2048))
    with pytest.raises(UrlTooLongError, match="`maxQueryString`"):
        client.read("EPIC06", CUSTOMERS, filter=" or ".join(["CustNum eq 1"] * 200))
    assert client.longest_url < 4000
