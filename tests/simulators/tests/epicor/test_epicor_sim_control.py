from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from simulators.epicor.testing import RunningEpicor, StartEpicor, running_epicor
from simulators.epicor.timestamps import from_datetime

CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
ONE = {"Company": "EPIC06", "CustNum": 1}
TWO = {"Company": "EPIC06", "CustNum": 2}


def test_tables_are_dumped_over_all_companies(epicor: RunningEpicor) -> None:
    rows = epicor.control.rows("Customer")
    assert len(rows) == 60
    assert {row["Company"] for row in rows} == set(epicor.companies)
    with pytest.raises(RuntimeError, match="no table Nope"):
        epicor.control.rows("Nope")


def test_a_user_edits_inserts_and_deletes(epicor: RunningEpicor) -> None:
    edited = epicor.control.edit("Customer", ONE, Name="Renamed")
    inserted = epicor.control.insert("CustCnt", Company="EPIC06", CustNum=1, ShipToNum="", Name="New")
    assert epicor.rows(CUSTOMERS, filter="Name eq 'Renamed'") == [edited]
    assert inserted["ConNum"] >= 1
    epicor.control.delete("CustCnt", {n: inserted[n] for n in ("Company", "CustNum", "ShipToNum", "ConNum")})
    assert inserted not in epicor.control.rows("CustCnt")


def test_the_clock_of_answers_and_rows_is_moved(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=1, clock=lambda: from_datetime(datetime(2026, 3, 1, 12, tzinfo=UTC)))
    epicor.control.advance_clock(90)
    edited = epicor.control.edit("Customer", ONE, Name="Renamed")
    assert edited["UpdatedOn"] == "2026-03-01T12:01:30.000Z"
    assert epicor.request("GET", CUSTOMERS).headers["Date"] == "Sun, 01 Mar 2026 12:01:30 GMT"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tables/Customer/edit", {"key": {"Company": "EPIC06", "CustNum": 999}, "changes": {}}),
        ("POST", "/tables/Customer/edit", {"key": ONE, "changes": {"Nope": 1}}),
        ("POST", "/tables/Customer/edit", {"changes": {}}),
        ("POST", "/tables/CustCnt/insert", {"CustNum": 1}),
        ("POST", "/tables/Customer/delete", {"key": {"Company": "EPIC06", "CustNum": 999}}),
        ("PUT", "/switches", {"nope": 1}),
        ("PUT", "/faults", [{"effect": {"kind": "nope"}}]),
    ],
)
def test_what_the_control_api_does_not_understand_it_says(
    epicor: RunningEpicor, method: str, path: str, body: object
) -> None:
    with pytest.raises(RuntimeError, match="422"):
        epicor.control.call(method, path, body)


def test_a_held_write_has_its_revision_and_is_not_seen(epicor: RunningEpicor) -> None:
    held = epicor.control.edit("Customer", ONE, hold=True, Name="Held")
    later = epicor.control.edit("Customer", TWO, Name="Later")
    assert held["SysRevID"] < later["SysRevID"]
    assert epicor.rows(CUSTOMERS, filter="Name eq 'Held'") == []
    assert epicor.control.state()["held"] == 1
    assert epicor.control.commit() == 1
    # It appears below a revision that a reader has seen already.
    assert epicor.rows(CUSTOMERS, filter="Name eq 'Held'") == [held]


def test_a_second_writer_of_a_held_row_waits_for_the_first(epicor: RunningEpicor) -> None:
    epicor.control.edit("Customer", ONE, hold=True, Name="Held")
    epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"City": "Elsewhere"})
    (row,) = epicor.rows(CUSTOMERS, filter="CustNum eq 1")
    assert (row["Name"], row["City"]) == ("Held", "Elsewhere")


def test_every_second_edit_may_commit_late(start_epicor: StartEpicor) -> None:
    epicor = start_epicor(customers=10, late_commit_every=2)
    for number in range(1, 4):
        epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": number}, Name=f"Edit {number}")
        seen = [row["Name"] for row in epicor.rows(CUSTOMERS, filter="startswith(Name,'Edit')")]
        assert seen == {1: ["Edit 1"], 2: ["Edit 1"], 3: ["Edit 1", "Edit 2", "Edit 3"]}[number]


def test_requests_are_logged_and_control_is_not(epicor: RunningEpicor) -> None:
    epicor.control.state()
    epicor.rows(CUSTOMERS, top=1)
    epicor.request("GET", CUSTOMERS, headers={"x-api-key": None})
    first, second = epicor.control.requests()
    assert (first["method"], first["status"], first["query"]) == ("GET", 200, "%24top=1")
    assert first["path"] == f"/kinetic/api/v2/odata/EPIC06/{CUSTOMERS}"
    assert second["status"] == 401
    assert epicor.control.counts() == {"GET 200": 1, "GET 401": 1}
    epicor.control.clear_requests()
    assert epicor.control.requests() == []


def test_credentials_never_reach_the_log(epicor: RunningEpicor) -> None:
    epicor.rows(CUSTOMERS, top=1)
    logged = json.dumps(epicor.control.requests())
    assert epicor.password not in logged
    assert epicor.api_key not in logged


def test_a_test_that_asks_something_unknown_fails_at_its_end() -> None:
    with pytest.raises(AssertionError, match=r"does not know these requests:\n  GET /kinetic/nope"):  # noqa: SIM117 - the inner one must end inside
        with running_epicor(customers=2) as epicor:
            requests.get(f"{epicor.base_url}/nope?x=1", timeout=60)


def test_switches_read_turn_and_reset(epicor: RunningEpicor) -> None:
    assert epicor.control.switches(default_rows=5)["default_rows"] == 5
    assert len(epicor.rows(CUSTOMERS)) == 5
    assert epicor.control.call("DELETE", "/switches")["default_rows"] == 100


def test_faults_reach_kinetic_and_leave_control_alone(epicor: RunningEpicor) -> None:
    epicor.control.faults(
        {"name": "down", "match": {"path": "Customers"}, "effect": {"kind": "status", "status": 503}}
    )
    response = epicor.request("GET", CUSTOMERS)
    assert response.status_code == 503
    assert response.json()["ReasonPhrase"] == "REST API Exception"
    assert epicor.control.faults_struck() == {"down": 1}
    assert epicor.control.requests()[-1]["faults"] == ["down"]
    epicor.control.faults()
    assert epicor.request("GET", CUSTOMERS).status_code == 200


def test_a_write_before_a_reset_is_there(epicor: RunningEpicor) -> None:
    epicor.control.faults({"match": {"method": "PATCH"}, "effect": {"kind": "reset", "applied": True}})
    with pytest.raises(requests.ConnectionError):
        epicor.request("PATCH", f"{CUSTOMERS}('EPIC06',1)", json={"Name": "Applied"})
    assert len(epicor.rows(CUSTOMERS, filter="Name eq 'Applied'")) == 1
    assert epicor.control.counts()["PATCH 0"] == 1


def test_a_skewed_clock_shows_in_the_date_and_in_the_rows(epicor: RunningEpicor) -> None:
    straight = epicor.control.edit("Customer", ONE, Name="Now")["UpdatedOn"]
    epicor.control.faults({"effect": {"kind": "skew", "seconds": 86_400 * 365 * 100}})
    skewed = epicor.control.edit("Customer", ONE, Name="Later")["UpdatedOn"]
    date = epicor.request("GET", CUSTOMERS).headers["date"]
    assert int(skewed[:4]) >= int(straight[:4]) + 99
    assert skewed[:4] in date


def test_the_command_says_what_a_client_needs_and_ends_on_sigterm() -> None:
    command = [str(Path(sys.executable).with_name("simulate-epicor")), "--port", "0", "--customers", "7"]
    with subprocess.Popen(
        [*command, "--seed", "3", "--profile", "stock"], stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None:
            raise AssertionError("no stdout")
        hello = json.loads(process.stdout.readline())
        response = requests.get(
            f"{hello['base_url']}/api/v2/odata/{hello['companies'][0]}/{CUSTOMERS}",
            headers={"x-api-key": hello["api_key"]},
            auth=(hello["username"], hello["password"]),
            timeout=60,
        )
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert hello["base_url"].endswith("/kinetic")
    assert hello["profile"] == "stock"
    assert len(response.json()["value"]) == 6
    assert set(hello) >= {"client_id", "client_secret", "token_url", "control_url"}
