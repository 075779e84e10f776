from __future__ import annotations

import pytest
from simulators.epicor.testing import Row, RunningEpicor, StartEpicor

CONTACT = "Erp.BO.CustCntSvc"
ROWS = {"whereClauseCustCnt": "CustNum < 20 BY SysRevID", "pageSize": "5", "absolutePage": "1"}


def first_contact(epicor: RunningEpicor) -> Row:
    return epicor.rows(f"{CONTACT}/CustCnts", top=1)[0]


def by_id(epicor: RunningEpicor, row: Row) -> Row:
    query = {"custNum": row["CustNum"], "shipToNum": row["ShipToNum"], "conNum": row["ConNum"]}
    (found,) = epicor.request("GET", f"{CONTACT}/GetByID", query).json()["returnObj"]["CustCnt"]
    result: Row = found
    return result


def test_get_by_id_by_get_and_by_post(epicor: RunningEpicor) -> None:
    row = first_contact(epicor)
    key = {"custNum": row["CustNum"], "shipToNum": row["ShipToNum"], "conNum": row["ConNum"]}
    posted = epicor.request("POST", f"{CONTACT}/GetByID", json=key)
    assert by_id(epicor, row) == row
    assert posted.json()["returnObj"]["CustCnt"] == [row]


def test_get_by_id_brings_children_but_no_contacts_of_a_customer(epicor: RunningEpicor) -> None:
    order = epicor.request("GET", "Erp.BO.POSvc/GetByID", {"poNum": 4001}).json()["returnObj"]
    customer = epicor.request("GET", "Erp.BO.CustomerSvc/GetByID", {"custNum": 3}).json()["returnObj"]
    vendor = epicor.request("GET", "Erp.BO.VendorSvc/GetByID", {"vendorNum": 1}).json()["returnObj"]
    assert len(order["PODetail"]) == len(order["PORel"]) >= 1
    assert [row["ShipToNum"] for row in customer["ShipTo"]] == ["SITE1"]
    assert "CustCnt" not in customer
    assert len(vendor["VendCnt"]) == 1


def test_get_by_id_of_a_missing_row_is_404_and_without_a_parameter_400(epicor: RunningEpicor) -> None:
    missing = epicor.request("GET", "Erp.BO.CustomerSvc/GetByID", {"custNum": 99999})
    assert (missing.status_code, missing.json()["ErrorType"]) == (404, "Ice.Common.RecordNotFoundException")
    assert epicor.request("GET", "Erp.BO.CustomerSvc/GetByID").status_code == 400
    assert epicor.request("GET", "Erp.BO.CustomerSvc/GetByID", {"custNum": "x"}).status_code == 400


def test_get_rows_pages_to_the_end_by_more_pages(epicor: RunningEpicor) -> None:
    seen: list[Row] = []
    more, page = True, 1
    while more:
        document = epicor.request("GET", f"{CONTACT}/GetRows", {**ROWS, "absolutePage": page}).json()
        seen += document["returnObj"]["CustCnt"]
        more, page = document["parameters"]["morePages"], page + 1
    assert seen == epicor.rows(f"{CONTACT}/CustCnts", filter="CustNum lt 20", orderby="SysRevID", top=1000)


@pytest.mark.parametrize(
    ("clause", "condition"),
    [
        ("SysRevID > 3000000100 BY SysRevID", "SysRevID gt 3000000100"),
        ("CustCnt.CustNum = 5 OR Name <> ''", "CustNum eq 5 or Name ne ''"),
        ("NoContact = true", "NoContact eq true"),
        ('FirstName = "Alfa" and (CustNum >= 1)', "FirstName eq 'Alfa'"),
        ("", None),
        ("1=0", "CustNum eq -1"),
    ],
)
def test_where_clauses(epicor: RunningEpicor, clause: str, condition: str | None) -> None:
    query = {**ROWS, "whereClauseCustCnt": clause, "pageSize": "1000"}
    found = epicor.request("GET", f"{CONTACT}/GetRows", query).json()["returnObj"]["CustCnt"]
    options = {"filter": condition} if condition else {}
    expected = epicor.rows(f"{CONTACT}/CustCnts", top=1000, **options)
    assert sorted(row["SysRevID"] for row in found) == sorted(row["SysRevID"] for row in expected)


@pytest.mark.parametrize("left_out", ROWS)
def test_get_rows_needs_all_its_parameters(epicor: RunningEpicor, left_out: str) -> None:
    query = {name: value for name, value in ROWS.items() if name != left_out}
    response = epicor.request("GET", f"{CONTACT}/GetRows", query)
    assert (response.status_code, left_out in response.text) == (400, True)


def test_children_are_suppressed_with_a_clause_that_is_never_true(epicor: RunningEpicor) -> None:
    query = {
        "whereClauseCustomer": "CustNum = 3",
        "whereClauseShipTo": "1=0",
        "pageSize": 10,
        "absolutePage": 1,
    }
    found = epicor.request("GET", "Erp.BO.CustomerSvc/GetRows", query).json()["returnObj"]
    assert ([row["CustNum"] for row in found["Customer"]], found["ShipTo"]) == ([3], [])
    del query["whereClauseShipTo"]
    assert epicor.request("GET", "Erp.BO.CustomerSvc/GetRows", query).status_code == 400


def test_children_come_with_their_parents_alone(epicor: RunningEpicor) -> None:
    query = {
        "whereClausePOHeader": "PONum = 4002",
        "whereClausePODetail": "POLine < 2",
        "whereClausePORel": "",
        "pageSize": 10,
        "absolutePage": 1,
    }
    found = epicor.request("GET", "Erp.BO.POSvc/GetRows", query).json()["returnObj"]
    assert [(row["PONUM"], row["POLine"]) for row in found["PODetail"]] == [(4002, 1)]
    assert [(row["PONum"], row["POLine"]) for row in found["PORel"]] == [(4002, 1)]


@pytest.mark.parametrize("clause", ["Name matches 'x*'", "Name ! 'x'", "Nope = 1"])
def test_where_clauses_that_cannot_be_read(epicor: RunningEpicor, clause: str) -> None:
    response = epicor.request("GET", f"{CONTACT}/GetRows", {**ROWS, "whereClauseCustCnt": clause})
    assert response.status_code == 400


def test_page_size_zero_is_refused_or_unlimited(epicor: RunningEpicor) -> None:
    query = {"whereClause": "", "pageSize": 0}
    assert epicor.request("GET", f"{CONTACT}/GetList", query).status_code == 400
    epicor.control.switches(get_rows_page_size_zero="unlimited")
    document = epicor.request("GET", f"{CONTACT}/GetList", query).json()
    assert len(document["returnObj"]["CustCntList"]) == len(epicor.rows(f"{CONTACT}/CustCnts", top=1000))
    assert document["parameters"]["morePages"] is False


def test_update_writes_the_whole_row_and_refuses_a_stale_one(epicor: RunningEpicor) -> None:
    row = by_id(epicor, first_contact(epicor))
    changed = {**row, "Comment": "first", "RowMod": "U"}
    written = epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": [changed]}})
    again = epicor.request(
        "POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": [{**changed, "Comment": "2nd"}]}}
    )
    assert written.json()["parameters"]["ds"]["CustCnt"][0]["Comment"] == "first"
    assert again.status_code == 409
    assert again.json()["ErrorMessage"] == "Row has been modified by another user and couldn't be updated"
    assert by_id(epicor, row)["Comment"] == "first"


def test_update_takes_a_revision_back_as_the_text_that_some_servers_send(epicor: RunningEpicor) -> None:
    row = by_id(epicor, first_contact(epicor))
    changed = {**row, "SysRevID": str(row["SysRevID"]), "Comment": "as text", "RowMod": "U"}
    epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": [changed]}})
    assert by_id(epicor, row)["Comment"] == "as text"


def test_status_and_text_of_a_stale_row_are_switchable(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, stale_status=400, stale_message="Changed meanwhile.")
    row = {**first_contact(epicor), "SysRevID": 1, "RowMod": "U"}
    response = epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": [row]}})
    assert (response.status_code, response.json()["ErrorMessage"]) == (400, "Changed meanwhile.")


def test_update_is_all_or_nothing(epicor: RunningEpicor) -> None:
    first, second = epicor.rows(f"{CONTACT}/CustCnts", top=2)
    rows = [
        {**first, "Comment": "undone", "RowMod": "U"},
        {**second, "SysRevID": 1, "RowMod": "U"},
    ]
    response = epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": rows}})
    assert response.status_code == 409
    assert by_id(epicor, first) == first


def test_rows_without_row_mod_are_left_alone_and_d_deletes(epicor: RunningEpicor) -> None:
    first, second = epicor.rows(f"{CONTACT}/CustCnts", top=2)
    rows = [{**first, "Comment": "ignored"}, {**second, "RowMod": "D"}]
    epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": rows}})
    assert epicor.rows(f"{CONTACT}/CustCnts", top=1) == [first]
    gone = {"custNum": second["CustNum"], "shipToNum": second["ShipToNum"], "conNum": second["ConNum"]}
    assert epicor.request("GET", f"{CONTACT}/GetByID", gone).status_code == 404


def test_get_new_then_update_creates(epicor: RunningEpicor) -> None:
    body: Row = {"ds": {}, "custNum": 12, "shipToNum": ""}
    new = epicor.request("POST", f"{CONTACT}/GetNewCustCnt", json=body).json()["parameters"]["ds"]
    (row,) = new["CustCnt"]
    assert (row["RowMod"], row["CustNum"], row["ConNum"]) == ("A", 12, 0)
    row["Name"] = "New Example"
    written = epicor.request("POST", f"{CONTACT}/Update", json={"ds": new}).json()["parameters"]["ds"]
    assert written["CustCnt"][0]["ConNum"] > 0
    assert by_id(epicor, written["CustCnt"][0])["Name"] == "New Example"


def test_a_memo_on_a_contact(epicor: RunningEpicor) -> None:
    row = first_contact(epicor)
    about = {
        "relatedToSchemaName": "Erp",
        "relatedToFile": "CustCnt",
        "relatedToSysRowID": row["SysRowID"],
    }
    dataset = epicor.request("POST", "Ice.BO.MemoSvc/GetNewMemo", json={"ds": {}, **about}).json()[
        "parameters"
    ]["ds"]
    dataset["Memo"][0].update(MemoDesc="Unsubscribed", MemoText="By the person")
    epicor.request("POST", "Ice.BO.MemoSvc/Update", json={"ds": dataset})
    (memo,) = epicor.rows("Ice.BO.MemoSvc/Memos", filter=f"RelatedToSysRowID eq {row['SysRowID']}")
    assert (memo["MemoDesc"], memo["MemoNum"], memo["RelatedToFile"]) == ("Unsubscribed", 1, "CustCnt")


def test_a_crm_call_on_a_customer(epicor: RunningEpicor) -> None:
    body = {"ds": {}, "relatedToFile": "Customer", "key1": "12", "key2": "", "key3": ""}
    service = "Erp.BO.CRMCallSvc"
    dataset = epicor.request("POST", f"{service}/GetNewCRMCall", json=body).json()["parameters"]["ds"]
    dataset["CRMCall"][0].update(CallDesc="Bounced", CallTypeCode="EMAIL", CallCustNum=12, CallConNum=1)
    written = epicor.request("POST", f"{service}/Update", json={"ds": dataset})
    assert written.status_code == 200
    (call,) = epicor.rows(f"{service}/CRMCalls", filter="RelatedToFile eq 'Customer' and Key1 eq '12'")
    assert (call["CallSeqNum"], call["CallDesc"]) == (1, "Bounced")


def update_ext(epicor: RunningEpicor, rows: list[Row], *, go_on: bool = True) -> Row:
    body = {
        "ds": {"CustCnt": rows},
        "continueProcessingOnError": go_on,
        "rollbackParentOnChildError": True,
    }
    response = epicor.request("POST", f"{CONTACT}/UpdateExt", json=body)
    assert response.status_code == 200
    document: Row = response.json()
    return document


@pytest.mark.parametrize(("go_on", "written"), [(True, 2), (False, 1)])
def test_update_ext_reports_errors_per_row_inside_a_200(
    epicor: RunningEpicor, *, go_on: bool, written: int
) -> None:
    first, second = epicor.rows(f"{CONTACT}/CustCnts", top=2)
    key = ("Company", "CustNum", "ShipToNum", "ConNum")
    rows: list[Row] = [
        {**{name: first[name] for name in key}, "Comment": "stored", "RowMod": "U"},
        {"Company": "EPIC06", "CustNum": 99999, "ShipToNum": "", "ConNum": 1, "Comment": "x", "RowMod": "U"},
        {**{name: second[name] for name in key}, "Comment": "stored", "RowMod": "U"},
    ]
    document = update_ext(epicor, rows, go_on=go_on)
    (error,) = document["returnObj"]["BOUpdError"]
    assert document["parameters"]["errorsOccurred"] is True
    assert len(document["parameters"]["ds"]["CustCnt"]) == written
    assert set(error) == {
        "TableName",
        "ErrorLevel",
        "ErrorType",
        "ErrorText",
        "ErrorSysRowID",
        "SysRowID",
        "RowMod",
    }
    assert (error["TableName"], error["ErrorText"]) == ("CustCnt", "Contact not available")
    assert by_id(epicor, first)["Comment"] == "stored"


def test_change_capture_hears_nothing_of_what_was_undone(epicor: RunningEpicor) -> None:
    service = "Ice.LIB.CdcSubscriberSvc"
    who = epicor.request("POST", f"{service}/Register", json={}).json()["parameters"]
    rule = {"schemaName": "Erp", "tableName": "CustCnt", "changeType": "update"}
    epicor.request("POST", f"{service}/RuleAdd", json={**who, **rule})
    first, second = epicor.rows(f"{CONTACT}/CustCnts", top=2)
    rows = [{**first, "Comment": "undone", "RowMod": "U"}, {**second, "SysRevID": 1, "RowMod": "U"}]
    epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": rows}})
    epicor.request(
        "POST", f"{CONTACT}/Update", json={"ds": {"CustCnt": [{**first, "Fax": 1, "RowMod": "U"}]}}
    )
    pulled = epicor.request("POST", f"{service}/Pull", json=who).json()["returnObj"]
    assert pulled["results"] == []


def test_update_ext_adds_what_is_not_there_and_merges_what_is(epicor: RunningEpicor) -> None:
    row = first_contact(epicor)
    known = {
        "CustNum": row["CustNum"],
        "ShipToNum": row["ShipToNum"],
        "ConNum": row["ConNum"],
        "Comment": "merged",
    }
    document = update_ext(epicor, [known, {"CustNum": 12, "ShipToNum": "", "Name": "New Example"}])
    merged, added = document["parameters"]["ds"]["CustCnt"]
    assert document["parameters"]["errorsOccurred"] is False
    assert (merged["Comment"], merged["Name"]) == ("merged", row["Name"])
    assert (added["Company"], added["Name"], added["ConNum"] > 0) == ("EPIC06", "New Example", True)


def test_update_without_a_dataset_is_refused(epicor: RunningEpicor) -> None:
    assert epicor.request("POST", f"{CONTACT}/Update", json={}).status_code == 400
    assert epicor.request("POST", f"{CONTACT}/Update", json={"ds": {"Nope": [{}]}}).status_code == 400


def test_baq_data_with_named_columns_and_options(epicor: RunningEpicor) -> None:
    query = {"$filter": "Customer_CustNum le 20", "$orderby": "Customer_CustNum desc", "$top": "3"}
    rows = epicor.request("GET", "BaqSvc/Sim-Customer/Data", query).json()["value"]
    assert [row["Customer_CustNum"] for row in rows] == [20, 19, 18]
    assert {row["Customer_Company"] for row in rows} == {"EPIC06"}
    assert all(name.startswith("Customer_") for name in rows[0])


def test_baq_delta_needs_its_parameter(epicor: RunningEpicor) -> None:
    newest = epicor.rows(f"{CONTACT}/CustCnts", orderby="SysRevID desc", top=4)
    query = {"SysRevID": str(newest[-1]["SysRevID"])}
    rows = epicor.request("GET", "BaqSvc/Sim-Delta-CustCnt/Data", query).json()["value"]
    assert [row["CustCnt_SysRevID"] for row in rows] == [row["SysRevID"] for row in reversed(newest)]
    assert epicor.request("GET", "BaqSvc/Sim-Delta-CustCnt/Data").status_code == 400


def test_baq_default_rows_are_switchable(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=160, unknown_requests=True)
    assert len(epicor.rows("BaqSvc/Sim-Customer/Data")) == 100
    epicor.control.switches(baq_default_rows=None)
    assert len(epicor.rows("BaqSvc/Sim-Customer/Data")) == 134
    assert epicor.request("GET", "BaqSvc/Nope/Data").status_code == 404


def test_change_capture_gives_deletes(epicor: RunningEpicor) -> None:
    service = "Ice.LIB.CdcSubscriberSvc"
    row = first_contact(epicor)
    who = epicor.request("POST", f"{service}/Register", json={"mode": "PULL"}).json()["parameters"]
    for kind in ("update", "delete"):
        rule = {"schemaName": "Erp", "tableName": "CustCnt", "changeType": kind}
        epicor.request("POST", f"{service}/RuleAdd", json={**who, **rule})
    key = {name: row[name] for name in ("Company", "CustNum", "ShipToNum", "ConNum")}
    epicor.control.edit("CustCnt", key, Comment="x")
    epicor.control.delete("CustCnt", key)
    pulls = [
        epicor.request("POST", f"{service}/Pull", json={**who, "offset": 0, "pageSize": 1}).json()[
            "returnObj"
        ]
        for _ in range(3)
    ]
    assert [[r["metadata"]["changeType"] for r in p["results"]] for p in pulls] == [
        ["update"],
        ["delete"],
        [],
    ]
    assert pulls[1]["results"][0]["keys"] == key
    assert [p["morePages"] for p in pulls] == [True, False, False]
    assert epicor.request("POST", f"{service}/Pull", json={"subscriberID": "x"}).status_code == 404
