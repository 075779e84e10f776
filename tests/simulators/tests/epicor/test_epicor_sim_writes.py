from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import requests
from simulators.epicor import timestamps
from simulators.epicor.testing import Row, RunningEpicor, StartEpicor

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
CONTACTS = "Erp.BO.CustCntSvc/CustCnts"


def contact_path(row: Row) -> str:
    return (
        f"{CONTACTS}(Company='{row['Company']}',CustNum={row['CustNum']},"
        f"ShipToNum='{row['ShipToNum']}',ConNum={row['ConNum']})"
    )


def read(epicor: RunningEpicor, path: str) -> Row:
    row: Row = epicor.request("GET", path).json()
    row.pop("@odata.context")
    return row


def message(response: requests.Response) -> str:
    return str(response.json()["ErrorMessage"])


@pytest.fixture
def contact(epicor: RunningEpicor) -> Row:
    return epicor.rows(CONTACTS, filter="EMailAddress ne ''", top=1)[0]


def test_patch_merges_answers_204_and_moves_the_revision(epicor: RunningEpicor, contact: Row) -> None:
    before = epicor.control.state()["revision"]
    response = epicor.request(
        "PATCH", contact_path(contact), json={"NoContact": True, "MC_Status_c": "cleaned"}
    )
    after = read(epicor, contact_path(contact))
    changed = {name for name in after if after[name] != contact[name]}
    assert (response.status_code, response.content) == (204, b"")
    assert (after["NoContact"], after["MC_Status_c"]) == (True, "cleaned")
    assert after["SysRevID"] == before + 1
    assert changed == {"NoContact", "MC_Status_c", "SysRevID", "UD_SysRevID", "UpdatedOn"}


def test_patch_may_answer_200_with_the_row(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, patch_status=200)
    response = epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"Name": "New"})
    assert (response.status_code, response.json()["Name"]) == (200, "New")


def test_patch_of_a_missing_row_is_400(epicor: RunningEpicor) -> None:
    response = epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',99999)", json={"Name": "New"})
    body = response.json()
    assert response.status_code == 400
    assert body["ErrorMessage"] == "Customer not available"
    assert body["ErrorType"] == "Ice.Common.BusinessObjectException"
    assert (
        body["ErrorDetails"][0].items() >= {"Table": "Customer", "Field": "CustNum", "Type": "Error"}.items()
    )


@pytest.mark.parametrize(
    "body", [{"Nope": 1}, {"NoContact": "yes"}, {"CustNum": True}, {"MC_StatusDate_c": "soon"}]
)
def test_input_that_does_not_fit(epicor: RunningEpicor, contact: Row, body: Row) -> None:
    response = epicor.request("PATCH", contact_path(contact), json=body)
    if set(body) == {"CustNum"}:
        # Key columns in the body are tolerated.
        assert response.status_code == 204
    else:
        assert (response.status_code, message(response)) == (
            400,
            "Unable to deserialize entity. Input data is not in correct format.",
        )


def test_a_body_that_is_no_row(epicor: RunningEpicor, contact: Row) -> None:
    assert epicor.request("PATCH", contact_path(contact), json=[1]).status_code == 400
    assert epicor.request("PATCH", contact_path(contact), data="{").status_code == 400


def test_create_assigns_con_num_and_answers_201(epicor: RunningEpicor) -> None:
    largest = max(
        [r["ConNum"] for r in epicor.rows(CONTACTS, filter="CustNum eq 7 and ShipToNum eq ''")], default=0
    )
    response = epicor.request("POST", CONTACTS, json={"CustNum": 7, "ShipToNum": "", "Name": "New Example"})
    again = epicor.request("POST", CONTACTS, json={"CustNum": 7, "ShipToNum": "", "Name": "New Example"})
    assert response.status_code == 201
    assert response.json()["ConNum"] == largest + 1
    assert response.json()["SyncEmailToPerCon"] is True
    # Not idempotent: the same request makes a second contact.
    assert again.json()["ConNum"] == largest + 2


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (CONTACTS, {"CustNum": 7, "FirstName": "A", "LastName": "B"}, "Name is required."),
        (CONTACTS, {"CustNum": 99999, "Name": "A"}, "Customer not available"),
        (CUSTOMERS, {"Name": "A"}, "Customer ID is required."),
        ("Erp.BO.ShipToSvc/ShipToes", {"CustNum": 7, "Name": "A"}, "Ship To is required."),
        ("Erp.BO.CRMCallSvc/CRMCalls", {"CallDesc": "A", "CallTypeCode": "NOPE"}, "Call Type is invalid."),
    ],
)
def test_creates_that_are_refused(epicor: RunningEpicor, path: str, body: Row, text: str) -> None:
    response = epicor.request("POST", path, json=body)
    assert (response.status_code, message(response)) == (400, text)


def test_a_duplicate_key_is_409(epicor: RunningEpicor) -> None:
    body = {"CustNum": 3, "ShipToNum": "SITE1", "Name": "Again"}
    response = epicor.request("POST", "Erp.BO.ShipToSvc/ShipToes", json=body)
    assert (response.status_code, response.json()["ErrorType"]) == (
        409,
        "Ice.Common.DuplicateRecordException",
    )


def test_clearing_a_required_column_is_refused(epicor: RunningEpicor, contact: Row) -> None:
    assert message(epicor.request("PATCH", contact_path(contact), json={"Name": ""})) == "Name is required."


def test_delete(epicor: RunningEpicor, contact: Row) -> None:
    assert epicor.request("DELETE", contact_path(contact)).status_code == 204
    assert epicor.request("GET", contact_path(contact)).status_code == 404
    assert epicor.request("DELETE", contact_path(contact)).status_code == 400


def test_deleting_an_order_takes_its_lines(epicor: RunningEpicor) -> None:
    epicor.control.delete("POHeader", {"Company": "EPIC06", "PONum": 4001})
    left = [r for t in ("PODetail", "PORel") for r in epicor.control.rows(t) if r["Company"] == "EPIC06"]
    assert 4001 not in {row.get("PONUM", row.get("PONum")) for row in left}


def test_one_counter_for_all_tables(epicor: RunningEpicor, contact: Row) -> None:
    first = epicor.control.state()["revision"]
    epicor.request("PATCH", contact_path(contact), json={"Comment": "x"})
    epicor.request("PATCH", "Erp.BO.VendorSvc/Vendors('EPIC06',1)", json={"Comment": "x"})
    vendor = read(epicor, "Erp.BO.VendorSvc/Vendors('EPIC06',1)")
    assert vendor["SysRevID"] == first + 2
    assert first > 2**31


def test_change_columns_that_are_maintained_and_one_that_is_not(start_epicor: StartEpicor) -> None:
    now = [timestamps.parse("2026-07-04T03:30:00Z")]
    epicor = start_epicor(customers=60, clock=lambda: now[0])
    contact = epicor.rows(CONTACTS, top=1)[0]
    epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"City": "Elsewhere"})
    epicor.request("PATCH", contact_path(contact), json={"City": "Elsewhere"})
    epicor.request("PATCH", "Erp.BO.PartSvc/Parts('EPIC06','P00001')", json={"InActive": True})
    customer = read(epicor, f"{CUSTOMERS}('EPIC06',1)")
    part = read(epicor, "Erp.BO.PartSvc/Parts('EPIC06','P00001')")
    # Local midnight of the day before, with the summer offset, and the seconds since.
    assert customer["ChangeDate"] == "2026-07-03T00:00:00-05:00"
    assert customer["ChangeTime"] == 22 * 3600 + 1800
    assert read(epicor, contact_path(contact))["ChangeDate"] == contact["ChangeDate"]
    assert part["ChangedOn"] == "2026-07-04T03:30:00Z"
    assert customer["UpdatedOn"] == "2026-07-04T03:30:00.000Z"

    now[0] = timestamps.parse("2026-12-24T12:00:00.1234567Z")
    epicor.control.switches(updated_on_decimals=7, maintain_contact_change_date=True)
    epicor.request("PATCH", contact_path(contact), json={"City": "Again"})
    after = read(epicor, contact_path(contact))
    assert after["UpdatedOn"] == "2026-12-24T12:00:00.1234567Z"
    assert after["ChangeDate"] == "2026-12-24T00:00:00-06:00"


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_change_date_plus_change_time_is_the_instant_when_clocks_change(
    start_epicor: StartEpicor, day: str
) -> None:
    instant = f"{day}T20:15:00Z"
    epicor = start_epicor(customers=10, clock=lambda: timestamps.parse(instant))
    epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"City": "Elsewhere"})
    row = read(epicor, f"{CUSTOMERS}('EPIC06',1)")
    told = datetime.fromisoformat(row["ChangeDate"]) + timedelta(seconds=row["ChangeTime"])
    assert told == datetime.fromisoformat(f"{day}T20:15:00+00:00")


def test_custom_columns_alone_may_leave_the_revision(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, custom_only_bumps_revision=False)
    path = f"{CUSTOMERS}('EPIC06',1)"
    before = read(epicor, path)
    epicor.request("PATCH", path, json={"Industry_c": "Other"})
    after = read(epicor, path)
    assert (after["SysRevID"], after["UpdatedOn"]) == (before["SysRevID"], before["UpdatedOn"])
    assert int(after["UD_SysRevID"]) > int(before["UD_SysRevID"])
    epicor.request("PATCH", path, json={"City": "Elsewhere"})
    assert read(epicor, path)["SysRevID"] > int(after["UD_SysRevID"])


def test_columns_that_are_accepted_and_not_stored(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=60, silent_discard=["CustCnt.NoContact"], keep_cleared_email=True)
    contact = epicor.rows(CONTACTS, filter="NoContact eq false and EMailAddress ne ''", top=1)[0]
    body = {"NoContact": True, "EMailAddress": "", "Comment": "stored"}
    assert epicor.request("PATCH", contact_path(contact), json=body).status_code == 204
    after = read(epicor, contact_path(contact))
    assert (after["NoContact"], after["EMailAddress"]) == (False, contact["EMailAddress"])
    assert after["Comment"] == "stored"


def shared_person(epicor: RunningEpicor) -> list[Row]:
    """The contacts of a person who buys for several customers."""
    by_person: dict[int, list[Row]] = {}
    for row in epicor.rows(CONTACTS, top=1000):
        by_person.setdefault(row["PerConID"], []).append(row)
    return max(by_person.values(), key=len)


def test_an_address_travels_through_the_person_and_no_contact_does_not(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=120)
    first, second, *rest = shared_person(epicor)
    epicor.control.edit("CustCnt", {n: second[n] for n in KEY}, SyncEmailToPerCon=False)
    body = {"EMailAddress": "moved@example.com", "NoContact": not first["NoContact"]}
    epicor.request("PATCH", contact_path(first), json=body)
    person = read(epicor, f"Erp.BO.PerConSvc/PerCons('EPIC06',{first['PerConID']})")
    assert person["EMailAddress"] == "moved@example.com"
    assert read(epicor, contact_path(second))["EMailAddress"] == second["EMailAddress"]
    for other in rest:
        after = read(epicor, contact_path(other))
        assert after["EMailAddress"] == "moved@example.com"
        assert after["NoContact"] == other["NoContact"]
        assert after["SysRevID"] > other["SysRevID"]


KEY = ("Company", "CustNum", "ShipToNum", "ConNum")


def test_a_change_of_the_person_reaches_the_contacts(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=120)
    contacts = shared_person(epicor)
    path = f"Erp.BO.PerConSvc/PerCons('EPIC06',{contacts[0]['PerConID']})"
    epicor.request("PATCH", path, json={"FirstName": "New"})
    assert {read(epicor, contact_path(contact))["FirstName"] for contact in contacts} == {"New"}


@pytest.mark.parametrize("bumps", [False, True])
def test_whether_a_line_moves_its_order(start_epicor: StartEpicor, *, bumps: bool) -> None:
    epicor = start_epicor(customers=10, line_bumps_header=bumps)
    path = "Erp.BO.POSvc/POes('EPIC06',4001)"
    before = read(epicor, path)["SysRevID"]
    epicor.request("PATCH", "Erp.BO.POSvc/PODetails('EPIC06',4001,1)", json={"LineDesc": "New"})
    assert (read(epicor, path)["SysRevID"] > before) is bumps


def test_locked_rows_refuse_when_switched(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=60, locked_rejects=True)
    customer = epicor.rows(CUSTOMERS, filter="Inactive eq true", top=1)[0]
    path = f"{CUSTOMERS}('EPIC06',{customer['CustNum']})"
    assert epicor.request("PATCH", path, json={"City": "Elsewhere"}).status_code == 400
    # A user at the screen is not stopped by what stops the interface.
    assert epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": customer["CustNum"]}, City="Here")
    epicor.control.switches(locked_rejects=False)
    assert epicor.request("PATCH", path, json={"City": "Elsewhere"}).status_code == 204


def test_a_method_that_is_not_there_is_unknown(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, unknown_requests=True)
    assert epicor.request("PUT", f"{CUSTOMERS}('EPIC06',1)", json={}).status_code == 405
    assert len(epicor.control.unknown()) == 1
