"""What servers in front of Kinetic, its OData layer and its columns refuse: each a switch."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simulators.epicor.testing import RunningEpicor

CONTACTS = "Erp.BO.CustCntSvc/CustCnts"


def get(
    epicor: RunningEpicor, path: str, *, accept: str = "application/json", **options: Any
) -> requests.Response:
    named = {f"${name}": value for name, value in options.items()}
    return epicor.request("GET", path, named, headers={"Accept": accept})


def patch(epicor: RunningEpicor, path: str, changes: dict[str, Any]) -> requests.Response:
    return epicor.request("PATCH", path, json=changes)


def test_iis_refuses_a_long_query_as_a_web_page(epicor: RunningEpicor) -> None:
    epicor.control.switches(max_query=2048)
    shortly = get(epicor, CONTACTS, filter="ConNum eq 1", top=1)
    long = get(epicor, CONTACTS, filter=" or ".join(["ConNum eq 1"] * 200))
    assert shortly.status_code == 200
    assert (long.status_code, "404.15" in long.text) == (404, True)
    assert long.headers["Content-Type"].startswith("text/html")


def test_a_larger_top_is_refused_and_not_cut(epicor: RunningEpicor) -> None:
    epicor.control.switches(top_refused_above=100)
    assert get(epicor, CONTACTS, top=100).status_code == 200
    refused = get(epicor, CONTACTS, top=101)
    assert refused.status_code == 400
    assert "The limit of '100' for Top query" in refused.json()["ErrorMessage"]


def test_a_filter_may_have_so_many_nodes(epicor: RunningEpicor) -> None:
    epicor.control.switches(max_filter_nodes=7)
    assert get(epicor, CONTACTS, filter="ConNum eq 1 or ConNum eq 2").status_code == 200
    refused = get(epicor, CONTACTS, filter="ConNum eq 1 or ConNum eq 2 or ConNum eq 3")
    assert "node count limit of '7'" in refused.json()["ErrorMessage"]


def test_no_rows_may_be_no_content(epicor: RunningEpicor) -> None:
    epicor.control.switches(empty_is_204=True)
    empty = get(epicor, CONTACTS, filter="ConNum eq -1")
    assert (empty.status_code, empty.content) == (204, b"")


def test_aspnet_refuses_characters_in_a_path(epicor: RunningEpicor) -> None:
    epicor.control.switches(refused_path_characters="<>*:")
    refused = get(epicor, f"{CONTACTS}(Company='EPIC06',CustNum=1,ShipToNum='A:1',ConNum=1)")
    assert (refused.status_code, "Request.Path" in refused.text) == (400, True)


@pytest.mark.parametrize(("ignored", "found"), [(False, 0), (True, 1)])
def test_blanks_at_the_end_may_not_count(epicor: RunningEpicor, ignored: bool, found: int) -> None:
    epicor.control.insert(
        "CustCnt", Company="EPIC06", CustNum=1, Name="Pat", EMailAddress="blank@example.com  "
    )
    epicor.control.switches(ignore_trailing_blanks=ignored)
    rows = get(epicor, CONTACTS, filter="EMailAddress eq 'blank@example.com'").json()["value"]
    assert len(rows) == found


@pytest.mark.parametrize(("by_case", "found"), [(False, 1), (True, 0)])
def test_a_case_sensitive_database_finds_no_other_spelling(
    epicor: RunningEpicor, by_case: bool, found: int
) -> None:
    epicor.control.insert(
        "CustCnt", Company="EPIC06", CustNum=1, Name="Pat", EMailAddress="Pat.Case@Example.com"
    )
    epicor.control.switches(case_sensitive=by_case)
    rows = get(epicor, CONTACTS, filter="contains(EMailAddress,'pat.case@example.com')").json()["value"]
    lowered = get(epicor, CONTACTS, filter="contains(tolower(EMailAddress),'pat.case@')").json()["value"]
    assert (len(rows), len(lowered)) == (found, 1)


def test_a_function_may_fail(epicor: RunningEpicor) -> None:
    epicor.control.switches(refused_functions=["tolower"])
    assert get(epicor, CONTACTS, filter="tolower(Name) eq 'x'").status_code == 500


def _contact(epicor: RunningEpicor) -> str:
    row = epicor.control.insert(
        "CustCnt", Company="EPIC06", CustNum=1, Name="Pat", EMailAddress="p@example.com"
    )
    return f"{CONTACTS}(Company='EPIC06',CustNum=1,ShipToNum='',ConNum={row['ConNum']})"


def test_an_over_long_text_is_refused_or_cut(epicor: RunningEpicor) -> None:
    path = _contact(epicor)
    epicor.control.switches(column_lengths={"CustCnt.FirstName": 5})
    refused = patch(epicor, path, {"FirstName": "Alexandra"})
    epicor.control.switches(over_long="cut")
    cut = patch(epicor, path, {"FirstName": "Alexandra"})
    assert (refused.status_code, cut.status_code) == (400, 204)
    assert get(epicor, path).json()["FirstName"] == "Alexa"


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_metadata_may_tell_lengths(epicor: RunningEpicor, accept: str) -> None:
    epicor.control.switches(column_lengths={"CustCnt.FirstName": 5})
    path = "Erp.BO.CustCntSvc/$metadata"
    assert "MaxLength" not in get(epicor, path, accept=accept).text
    epicor.control.switches(metadata_max_length=True)
    assert "MaxLength" in get(epicor, path, accept=accept).text


def test_a_bare_date_may_be_refused(epicor: RunningEpicor) -> None:
    path = _contact(epicor)
    assert patch(epicor, path, {"MC_StatusDate_c": "2026-01-31"}).status_code == 204
    epicor.control.switches(bare_date_refused=True)
    assert patch(epicor, path, {"MC_StatusDate_c": "2026-01-31"}).status_code == 400
    assert patch(epicor, path, {"MC_StatusDate_c": "2026-01-31T00:00:00Z"}).status_code == 204


def test_half_a_surrogate_pair_is_refused_and_may_be_stored_already(epicor: RunningEpicor) -> None:
    path = _contact(epicor)
    assert patch(epicor, path, {"FirstName": "Yan\ud83dkee"}).status_code == 400
    patch(epicor, path, {"FirstName": "Yankee"})
    epicor.control.switches(broken_text={"Yankee": "Yan\\ud83dkee"})
    assert get(epicor, path).json()["FirstName"] == "Yan\ud83dkee"


def test_a_large_body_is_refused_by_the_gateway(epicor: RunningEpicor) -> None:
    path = _contact(epicor)
    epicor.control.switches(max_body=100)
    assert patch(epicor, path, {"FirstName": "x" * 200}).status_code == 413


def test_answers_tell_the_version_of_odata(epicor: RunningEpicor) -> None:
    assert get(epicor, CONTACTS, top=1).headers["OData-Version"] == "4.0"
    epicor.control.switches(odata_version="")
    assert "OData-Version" not in get(epicor, CONTACTS, top=1).headers
