from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
import requests
from simulators.epicor.errors import APOLOGY
from simulators.epicor.testing import Row, RunningEpicor, StartEpicor

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
CONTACTS = "Erp.BO.CustCntSvc/CustCnts"
SETS = {
    CUSTOMERS: ["Company", "CustNum"],
    CONTACTS: ["Company", "CustNum", "ShipToNum", "ConNum"],
    "Erp.BO.ShipToSvc/ShipToes": ["Company", "CustNum", "ShipToNum"],
    "Erp.BO.PerConSvc/PerCons": ["Company", "PerConID"],
    "Erp.BO.VendorSvc/Vendors": ["Company", "VendorNum"],
    "Erp.BO.PartSvc/Parts": ["Company", "PartNum"],
    "Erp.BO.POSvc/POes": ["Company", "PONum"],
    "Erp.BO.GLAccountSvc/GLAccounts": ["Company", "COACode", "GLAccount1"],
}


def message(response: requests.Response) -> str:
    return str(response.json()["ErrorMessage"])


@pytest.mark.parametrize(("path", "key"), SETS.items(), ids=list(SETS))
def test_every_set_reads_and_names_its_key(shared: RunningEpicor, path: str, key: list[str]) -> None:
    service = path.split("/", maxsplit=1)[0]
    rows = shared.rows(path, top=1000)
    keys = [tuple(row[name] for name in key) for row in rows]
    described = shared.request("GET", f"{service}/$metadata").json()
    types = [t for n in ("Erp", "Ice") for t in described.get(n, {}).values()]
    assert rows
    assert len(set(keys)) == len(rows)
    assert key in [entity["$Key"] for entity in types]


def test_100_rows_without_top_and_no_next_link(shared: RunningEpicor) -> None:
    document = shared.request("GET", CUSTOMERS).json()
    assert len(document["value"]) == 100
    assert set(document) == {"@odata.context", "value"}


def test_top_skip_and_order(shared: RunningEpicor) -> None:
    everything = shared.rows(CUSTOMERS, top=1000, orderby="Name desc,CustNum")
    page = shared.rows(CUSTOMERS, top=7, skip=5, orderby="Name desc,CustNum")
    assert page == everything[5:12]
    assert len(everything) == 200


def test_select_gives_the_named_columns(shared: RunningEpicor) -> None:
    (row,) = shared.rows(CUSTOMERS, top=1, select="CustNum, Name")
    assert list(row) == ["CustNum", "Name"]


def test_caps_of_single_sets_cut_a_larger_top(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=240, set_caps={"Customers": 100})
    assert len(epicor.rows(CUSTOMERS, top=500)) == 100
    assert len(epicor.rows(CONTACTS, top=200)) == 200
    epicor.control.switches(max_top=150)
    assert len(epicor.rows(CONTACTS, top=200)) == 150


def test_count_is_right_or_lies_as_told(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=60)
    honest = epicor.request("GET", CUSTOMERS, {"$count": "true", "$top": "1"}).json()
    epicor.control.switches(count_error=-7)
    lying = epicor.request("GET", CUSTOMERS, {"$count": "true", "$top": "1"}).json()
    plain = epicor.request("GET", f"{CUSTOMERS}/$count", {"$filter": "CustNum le 10"})
    assert (honest["@odata.count"], lying["@odata.count"]) == (50, 43)
    assert (plain.text, plain.headers["content-type"].split(";")[0]) == ("10", "text/plain")


def test_a_next_link_only_when_switched_on(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=240, next_link=True)
    document = epicor.request("GET", CUSTOMERS).json()
    assert document["@odata.nextLink"].endswith("/Customers?$skip=100")
    assert "@odata.nextLink" not in epicor.request("GET", CUSTOMERS, {"$top": "10"}).json()


FILTERS: dict[str, Callable[[Row], bool]] = {
    "CustNum eq 5": lambda r: r["CustNum"] == 5,
    "CustNum ne 5 and CustNum lt 9": lambda r: r["CustNum"] != 5 and r["CustNum"] < 9,
    "CustNum ge 190 or Inactive eq true": lambda r: r["CustNum"] >= 190 or r["Inactive"],
    "not (CustomerType eq 'CUS')": lambda r: r["CustomerType"] != "CUS",
    "CustNum mod 50 eq 0": lambda r: r["CustNum"] % 50 == 0,
    "CustNum mul 2 sub 1 gt 397": lambda r: r["CustNum"] * 2 - 1 > 397,
    "contains(Name,'GEARS')": lambda r: "gears" in r["Name"].lower(),
    "startswith(CustID,'SAMPL')": lambda r: r["CustID"].startswith("SAMPL"),
    "endswith(EMailAddress,'.NET')": lambda r: r["EMailAddress"].lower().endswith(".net"),
    "EMailAddress ne null and EMailAddress ne ''": lambda r: r["EMailAddress"] != "",
    "Name eq 'O''Sample Gears Ltd'": lambda r: r["Name"] == "O'Sample Gears Ltd",
    "UpdatedOn gt 2025-09-03T18:00:00Z": lambda r: r["UpdatedOn"] > "2025-09-03T18:00:00.000Z",
    "UpdatedOn eq 2025-09-03T13:00:00-05:00": lambda r: r["UpdatedOn"] == "2025-09-03T18:00:00.000Z",
    "MC_StatusDate_c eq null": lambda r: r["MC_StatusDate_c"] is None,
    "length(State) eq 0": lambda r: r["State"] == "",
    "SysRevID gt 3000000500": lambda r: r["SysRevID"] > 3_000_000_500,
}


@pytest.mark.parametrize("text", FILTERS)
def test_filters_select_what_they_say(shared: RunningEpicor, text: str) -> None:
    everything = shared.rows(CUSTOMERS, top=1000)
    expected = [row["CustNum"] for row in everything if FILTERS[text](row)]
    assert [row["CustNum"] for row in shared.rows(CUSTOMERS, top=1000, filter=text)] == expected


def test_a_guid_is_compared_unquoted_unless_switched(epicor: RunningEpicor) -> None:
    (row,) = epicor.rows(CUSTOMERS, top=1)
    assert epicor.rows(CUSTOMERS, filter=f"SysRowID eq {row['SysRowID']}") == [row]
    quoted = {"$filter": f"SysRowID eq '{row['SysRowID']}'"}
    assert epicor.request("GET", CUSTOMERS, quoted).status_code == 400
    epicor.control.switches(quoted_guid=True)
    assert epicor.request("GET", CUSTOMERS, quoted).json()["value"] == [row]


def test_strings_compare_without_case_unless_switched(epicor: RunningEpicor) -> None:
    upper = {"$filter": "CustomerType eq 'cus'", "$top": "1"}
    assert len(epicor.request("GET", CUSTOMERS, upper).json()["value"]) == 1
    epicor.control.switches(case_sensitive=True)
    assert epicor.request("GET", CUSTOMERS, upper).json()["value"] == []


def test_in_is_refused_unless_switched(epicor: RunningEpicor) -> None:
    query = {"$filter": "CustNum in (1,2,3)"}
    assert epicor.request("GET", CUSTOMERS, query).status_code == 400
    epicor.control.switches(filter_in=True)
    assert [r["CustNum"] for r in epicor.request("GET", CUSTOMERS, query).json()["value"]] == [1, 2, 3]


REFUSALS = [
    ({"$filter": "Nope eq 1"}, 400, "Could not find a property named 'Nope' on type 'Erp.Customer'"),
    ({"$select": "CustNum,Nope"}, 400, "Could not find a property named 'Nope' on type 'Erp.Customer'"),
    ({"$orderby": "Nope"}, 400, "Could not find a property named 'Nope' on type 'Erp.Customer'"),
    ({"$select": "CustNum,custnum"}, 400, "Could not find a property named 'custnum'"),
    ({"$select": "CustNum,Name,,City"}, 400, "An identifier was expected at position 13."),
    (
        {"$filter": "UpdatedOn gt '2025-01-01T00:00:00Z'"},
        400,
        "incompatible types was detected. Found operand types 'Edm.DateTimeOffset' and 'Edm.String'",
    ),
    ({"$filter": "CustNum eq '5'"}, 400, "incompatible types"),
    ({"$filter": "UpdatedOn gt datetime'2025-01-01'"}, 400, "Syntax error"),
    ({"$filter": "UpdatedOn gt 2025-01-01"}, 500, APOLOGY),
    ({"$filter": "CustNum + 1 eq 2"}, 400, "Syntax error"),
    ({"$filter": "CustNum eq"}, 400, "Syntax error"),
    ({"$filter": "CustNum EQ 1"}, 400, "Syntax error at position 7"),
    ({"$filter": "CustNum eq 1 OR CustNum eq 2"}, 400, "Syntax error at position 12"),
    ({"$filter": "PODetails/all(d:d/POLine eq 1)"}, 400, "Could not find a property named 'PODetails'"),
    ({"$filter": "ShipToes/all(s:s/CustNum eq 1)"}, 500, APOLOGY),
    ({"$filter": "CustNum"}, 400, "single boolean value"),
    ({"$filter": "frobnicate(Name)"}, 400, "unknown function"),
    ({"$orderby": "CustNum add 1"}, 500, APOLOGY),
    ({"$compute": "CustNum as X"}, 400, "'$compute' is not supported"),
    ({"$expand": "Nope"}, 400, "Could not find a property named 'Nope'"),
    ({"$top": "-1"}, 400, "non-negative integer"),
    ({"$count": "yes"}, 400, "'true' or 'false'"),
]


@pytest.mark.parametrize(("query", "status", "text"), REFUSALS)
def test_what_kinetic_refuses(shared: RunningEpicor, query: dict[str, str], status: int, text: str) -> None:
    response = shared.request("GET", CUSTOMERS, query)
    body = response.json()
    assert response.status_code == status
    assert text in message(response)
    assert body["HttpStatus"] == status
    assert body["ReasonPhrase"] == "REST API Exception"
    assert body["CorrelationId"]


def test_apply_is_ignored(shared: RunningEpicor) -> None:
    assert len(shared.rows(CUSTOMERS, apply="groupby((City))", top=3)) == 3


def test_a_switched_column_ends_in_the_generic_500(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, refused_filter_columns=["VendorName"])
    response = epicor.request("GET", "Erp.BO.POSvc/POes", {"$filter": "VendorName eq 'x'"})
    assert (response.status_code, message(response)) == (500, APOLOGY)


def test_errors_in_the_form_of_the_odata_layer_and_as_xml(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, error_shape="odata")
    body = epicor.request("GET", CUSTOMERS, {"$filter": "Nope eq 1"}).json()
    assert body["error"]["message"].startswith("Could not find a property")
    xml = epicor.request("GET", CUSTOMERS, {"$filter": "Nope eq 1"}, headers={"Accept": "application/xml"})
    assert xml.headers["content-type"].startswith("application/xml")
    assert "<ErrorMessage>Could not find" in xml.text
    epicor.control.switches(xml_errors=True)
    anything = epicor.request("GET", CUSTOMERS, {"$filter": "Nope eq 1"}, headers={"Accept": "*/*"})
    assert anything.headers["content-type"].startswith("application/xml")


def test_414_past_8_kb_of_request_line(shared: RunningEpicor) -> None:
    long = " or ".join(f"EMailAddress eq 'person{n}@example.com'" for n in range(250))
    response = shared.request("GET", CUSTOMERS, {"$filter": long})
    shorter = " or ".join(f"CustNum eq {n}" for n in range(100))
    assert response.status_code == 414
    assert response.headers["content-type"].startswith("text/html")
    assert len(shared.rows(CUSTOMERS, filter=shorter)) == 99


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("Erp.BO.CustomerSvc/Nope", "Nope"),
        ("Erp.BO.CustomerSvc/customers", "customers"),
        ("Erp.BO.NopeSvc/Things", "Erp.BO.NopeSvc"),
    ],
)
def test_an_unknown_set_is_404_and_shows_as_unknown(
    start_epicor: StartEpicor, path: str, segment: str
) -> None:
    epicor = start_epicor(customers=10, unknown_requests=True)
    response = epicor.request("GET", path)
    assert response.status_code == 404
    assert message(response) == f"Resource not found for the segment '{segment}'."
    assert [request["path"].rpartition("/EPIC06/")[2] for request in epicor.control.unknown()] == [path]


def test_by_key_named_and_by_position(shared: RunningEpicor) -> None:
    named = shared.request("GET", f"{CUSTOMERS}(Company='EPIC06',CustNum=12)").json()
    positional = shared.request("GET", f"{CUSTOMERS}('EPIC06',12)").json()
    empty_part = shared.rows(CONTACTS, filter="ShipToNum eq ''", top=1)[0]
    key = f"Company='EPIC06',CustNum={empty_part['CustNum']},ShipToNum='',ConNum={empty_part['ConNum']}"
    contact = shared.request("GET", f"{CONTACTS}({key})").json()
    assert named == positional
    assert named["CustNum"] == 12
    assert contact.items() >= empty_part.items()


@pytest.mark.parametrize(
    "key", ["CustNum=12", "'EPIC06'", "Company='EPIC06',CustNum='12'", "'EPIC07',12", "#"]
)
def test_keys_that_are_none(shared: RunningEpicor, key: str) -> None:
    assert shared.request("GET", f"{CUSTOMERS}({quote(key)})").status_code == 400


def test_a_missing_row_is_404(shared: RunningEpicor) -> None:
    response = shared.request("GET", f"{CUSTOMERS}('EPIC06',99999)")
    assert (response.status_code, response.json()["ErrorType"]) == (404, "Ice.Common.RecordNotFoundException")


def test_a_slash_in_a_part_number_breaks_the_url_of_its_key(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=120, unknown_requests=True)
    (part,) = epicor.rows("Erp.BO.PartSvc/Parts", filter="contains(PartNum,'/')", top=1)
    quoted = quote(part["PartNum"], safe="")
    broken = epicor.request("GET", f"Erp.BO.PartSvc/Parts(Company='EPIC06',PartNum='{quoted}')")
    filtered = epicor.rows("Erp.BO.PartSvc/Parts", filter=f"PartNum eq '{part['PartNum']}'")
    assert broken.status_code == 404
    assert filtered == [part]


def test_navigation_and_nested_expand(shared: RunningEpicor) -> None:
    (order,) = shared.rows(
        "Erp.BO.POSvc/POes",
        filter="PONum eq 4001",
        select="PONum",
        expand="PODetails($select=POLine,PartNum;$orderby=POLine desc;$expand=PORels($top=1))",
    )
    lines = [line["POLine"] for line in order["PODetails"]]
    assert set(order) == {"PONum", "PODetails"}
    assert lines == sorted(lines, reverse=True)
    assert set(order["PODetails"][0]) == {"POLine", "PartNum", "PORels"}
    assert len(order["PODetails"][0]["PORels"]) == 1
    by_navigation = shared.request("GET", "Erp.BO.POSvc/POes('EPIC06',4001)/PODetails").json()["value"]
    assert sorted(line["POLine"] for line in by_navigation) == sorted(lines)


def test_a_filter_inside_expand_is_ignored(shared: RunningEpicor) -> None:
    (order,) = shared.rows("Erp.BO.POSvc/POes", top=1, expand="PODetails($filter=POLine eq 99)")
    assert order["PODetails"]


def test_any_looks_into_children(shared: RunningEpicor) -> None:
    part = shared.rows("Erp.BO.POSvc/PODetails", top=1)[0]["PartNum"]
    found = shared.rows(
        "Erp.BO.POSvc/POes", filter=f"PODetails/any(d:d/PartNum eq '{part}')", expand="PODetails"
    )
    everything = shared.rows("Erp.BO.POSvc/POes", top=1000, expand="PODetails")
    expected = [o["PONum"] for o in everything if part in {line["PartNum"] for line in o["PODetails"]}]
    assert [order["PONum"] for order in found] == expected


def test_the_bugs_of_child_sets(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=240, child_set_bug="off")
    path, query = "Erp.BO.POSvc/PODetails", {"$filter": "POLine eq 1", "$top": "5", "$orderby": "SysRevID"}
    last = {"$filter": "PONUM eq 4015", "$top": "5"}
    assert len(epicor.request("GET", path, query).json()["value"]) == 5
    assert epicor.request("GET", path, last).json()["value"]

    epicor.control.switches(child_set_bug="window")
    assert epicor.request("GET", path, query).status_code == 500
    # Order 4015 is not among the first five orders, so its lines are not seen: 200 with nothing in it.
    windowed = epicor.request("GET", path, last)
    assert (windowed.status_code, windowed.json()["value"]) == (200, [])

    epicor.control.switches(child_set_bug="error")
    assert "on type 'Erp.POHeader'" in message(epicor.request("GET", path, last))


def test_rows_of_hidden_territories_are_not_there(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=60, hidden_territories=["EMEA"])
    seen = {row["CustNum"] for row in epicor.rows(CUSTOMERS, top=1000)}
    expected = {
        row["CustNum"]
        for row in epicor.control.rows("Customer")
        if row["Company"] == "EPIC06" and row["TerritoryID"] != "EMEA"
    }
    assert seen == expected


def test_high_skips_are_slow_on_request(start_epicor: StartEpicor) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    epicor = start_epicor(customers=60, wait=wait, skip_seconds_per_thousand=2.0)
    epicor.rows(CUSTOMERS, skip=40)
    epicor.rows(CUSTOMERS)
    assert waited == [pytest.approx(0.08)]


def test_companies_are_apart(shared: RunningEpicor) -> None:
    first = shared.rows(CUSTOMERS, top=1000)
    second = shared.request("GET", CUSTOMERS, {"$top": "1000"}, company="EPIC07").json()["value"]
    assert {row["Company"] for row in first} == {"EPIC06"}
    assert {row["Company"] for row in second} == {"EPIC07"}
    assert len(first) + len(second) == 240


def test_service_document_lists_the_sets(shared: RunningEpicor) -> None:
    document = shared.request("GET", "Erp.BO.POSvc/").json()
    assert [entry["name"] for entry in document["value"]] == ["POes", "PODetails", "PORels"]


def test_metadata_is_the_csdl_that_kinetic_writes(shared: RunningEpicor) -> None:
    customer = shared.request("GET", "Erp.BO.CustomerSvc/$metadata").json()["Erp"]["Customer"]
    assert customer["$Key"] == ["Company", "CustNum"]
    assert customer["Name"] == {}
    assert customer["SysRevID"]["$Type"] == "Edm.Int64"
    assert customer["UpdatedOn"]["$Type"] == "Edm.DateTimeOffset"
    assert {"MC_Status_c", "UD_SysRevID"} <= set(customer)
    assert "MaxLength" not in str(customer)


def test_a_stock_tenant_has_no_updated_on(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, profile="stock")
    for path in SETS:
        described = epicor.request("GET", f"{path.split('/')[0]}/$metadata")
        assert "UpdatedOn" not in described.text
        assert "SysRevID" in described.text
        assert "UpdatedOn" not in epicor.rows(path, top=1)[0]
    assert (
        epicor.request("GET", CUSTOMERS, {"$filter": "UpdatedOn gt 2025-01-01T00:00:00Z"}).status_code == 400
    )


def test_the_native_change_columns_of_each_table(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, profile="stock")

    def columns(path: str) -> set[str]:
        return set(epicor.rows(path, top=1)[0])

    assert {"ChangeDate", "ChangeTime", "ChangedBy"} <= columns(CUSTOMERS)
    assert {"ChangedOn", "CreatedOn"} <= columns("Erp.BO.PartSvc/Parts")
    assert not columns("Erp.BO.PartSvc/Parts") & {"ChangeDate"}
    assert not columns("Erp.BO.VendorSvc/Vendors") & {"ChangeDate", "ChangedOn"}
    assert not columns("Erp.BO.GLAccountSvc/GLAccounts") & {"ChangeDate", "ChangedOn"}
    assert not columns("Erp.BO.PerConSvc/PerCons") & {"ChangeDate", "NoContact", "Inactive"}
