"""A run that is cut off anywhere goes on where it was, loses nothing and repeats no more than the overlap."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from kinetic_mailchimp.epicor import EntityType
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.cursor import Cursor, Overlap
from tap_epicor_kinetic.reading.scan_plan import Planner

PAGE = 20
NO_OVERLAP = {"overlap_seconds": 0, "overlap_revisions": 0}


def keys(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["Company"], row["CustNum"]) for row in records]


@pytest.mark.rule("R3")
@pytest.mark.parametrize("profile", ["updated-on", "stock"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_run_cut_off_at_any_page_loses_and_repeats_nothing(
    start_epicor: Any, runner: Any, profile: str, concurrency: int
) -> None:
    tap = runner(start_epicor(customers=160, profile=profile))
    how = {"page_size": PAGE, "concurrency": concurrency, "customer_types": [], **NO_OVERLAP}
    whole = keys(tap.run("customers", **how).records())
    assert len(whole) > 4 * PAGE
    for states in range(len(whole) // PAGE + 1):
        first = tap.run("customers", states=states, **how)
        second = tap.run("customers", state=first.states[-1] if first.states else {}, **how)
        read = keys(first.records()) + keys(second.records())
        assert sorted(read) == sorted(whole), f"cut off after {states} states"


def test_two_companies_resume_each_on_its_own(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=120)
    tap = runner(epicor)
    how = {"page_size": PAGE, "companies": epicor.companies, "concurrency": 1, **NO_OVERLAP}
    whole = sorted(keys(tap.run("customers", **how).records()))
    assert {company for company, _ in whole} == set(epicor.companies)
    for states in range(8):
        first = tap.run("customers", states=states, **how)
        second = tap.run("customers", state=first.state, **how)
        assert sorted(keys(first.records()) + keys(second.records())) == whole


@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_a_second_run_reads_what_changed_and_nothing_else(
    start_epicor: Any, runner: Any, profile: str
) -> None:
    epicor = start_epicor(customers=80, profile=profile)
    tap = runner(epicor)
    first = tap.run("customers", page_size=PAGE, **NO_OVERLAP)
    idle = tap.run("customers", state=first.state, **NO_OVERLAP)
    assert idle.records() == []
    changed = first.records()[7]
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": changed["CustNum"]}, Name="Renamed Ltd")
    third = tap.run("customers", state=idle.state, **NO_OVERLAP)
    assert [(row["CustNum"], row["Name"]) for row in third.records()] == [(changed["CustNum"], "Renamed Ltd")]


@pytest.mark.rule("R5")
@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_the_overlap_finds_what_commits_late(start_epicor: Any, runner: Any, profile: str) -> None:
    epicor = start_epicor(customers=60, profile=profile)
    tap = runner(epicor)
    first = tap.run("customers")
    early, late = first.records()[:2]
    held = {"Company": "EPIC06", "CustNum": late["CustNum"]}
    epicor.control.edit("Customer", held, hold=True, Name="Committed Late")
    epicor.control.edit("Customer", {**held, "CustNum": early["CustNum"]}, Name="Committed First")
    second = tap.run("customers", state=first.state)
    epicor.control.commit()
    third = tap.run("customers", state=second.state)
    assert "Committed First" in {row["Name"] for row in second.records()}
    assert "Committed Late" not in {row["Name"] for row in second.records()}
    assert "Committed Late" in {row["Name"] for row in third.records()}


@pytest.mark.rule("R5")
def test_a_resumed_run_looks_again_at_what_may_have_committed_late(start_epicor: Any, runner: Any) -> None:
    """The row was in flight when the first run began, and appears behind the place where it was cut off."""
    epicor = start_epicor(customers=60, profile="stock")
    tap = runner(epicor)
    before = tap.run("customers", concurrency=1)
    numbers = [row["CustNum"] for row in before.records()]
    for position, number in enumerate(numbers[:20]):
        epicor.control.edit(
            "Customer", {"Company": "EPIC06", "CustNum": number}, hold=position == 0, Name=f"Edit {position}"
        )
    cut = tap.run(
        "customers", state=before.state, page_size=10, states=2, overlap_revisions=30, concurrency=1
    )
    assert "unfinished" in cut.bookmark()
    epicor.control.commit()
    resumed = tap.run("customers", state=cut.state, page_size=10, overlap_revisions=30, concurrency=1)
    assert "Edit 0" in {row["Name"] for row in resumed.records()}


@pytest.mark.rule("R3")
def test_the_state_never_runs_ahead_of_the_records(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=100)
    result = runner(epicor).run("customers", page_size=PAGE, concurrency=1, customer_types=[])
    seen = ""
    for message in result.messages:
        if message["type"] == "RECORD":
            seen = max(seen, message["record"]["UpdatedOn"])
        elif message["type"] == "STATE" and "bookmarks" in message["value"]:
            entry = message["value"]["bookmarks"]["customers"]["partitions"][0]
            if "unfinished" in entry:
                assert entry["replication_key_value"] <= seen


@pytest.mark.rule("R10")
def test_a_changed_cursor_is_an_error_with_the_way_out(start_epicor: Any, runner: Any) -> None:
    state = runner(start_epicor(customers=20)).run("customers").state
    stock = runner(start_epicor(customers=20, profile="stock"))
    with pytest.raises(Exception, match=r"follows UpdatedOn.*now follows SysRevID.*`cursors`"):
        stock.run("customers", state=state)


SUPPLIERS = {"name": "suppliers", "path": "Erp.BO.VendorSvc/Vendors"}


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("stream", "before", "now"),
    [
        ("customers", {}, {"inactive_customers": "flag"}),
        ("customers", {}, {"customer_types": ["CUS", "PRO"]}),
        (
            "suppliers",
            {"custom_streams": [SUPPLIERS]},
            {"custom_streams": [{**SUPPLIERS, "filter": "Approved eq true"}]},
        ),
    ],
)
def test_a_changed_filter_is_an_error_with_the_way_out(
    start_epicor: Any, runner: Any, stream: str, before: dict[str, Any], now: dict[str, Any]
) -> None:
    tap = runner(start_epicor(customers=60))
    first = tap.run(stream, **before)
    with pytest.raises(Exception, match=r"another filter.*`customer_types`.*full refresh"):
        tap.run(stream, state=first.state, **now)
    del first.bookmark(stream)["rows"]
    second = tap.run(stream, state=first.state, **now)
    assert "rows" in second.bookmark(stream)


def test_a_changed_filter_of_an_interrupted_run_is_an_error_too(start_epicor: Any, runner: Any) -> None:
    tap = runner(start_epicor(customers=80))
    cut = tap.run("customers", states=1, page_size=PAGE)
    with pytest.raises(Exception, match="another filter"):
        tap.run("customers", state=cut.state, inactive_customers="flag")


def test_a_full_table_resumes_too(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=120, refused_filter_columns=("UpdatedOn", "SysRevID"))
    tap = runner(epicor)
    how = {"page_size": PAGE, "concurrency": 1}
    whole = keys(tap.run("customers", **how).records())
    first = tap.run("customers", states=2, **how)
    second = tap.run("customers", state=first.state, **how)
    assert sorted(keys(first.records()) + keys(second.records())) == sorted(whole)
    again = tap.run("customers", state=second.state, **how)
    assert sorted(keys(again.records())) == sorted(whole)


@pytest.mark.rule("R5")
def test_rows_without_a_change_time_are_read_in_every_run_and_told(
    start_epicor: Any, runner: Any, caplog: Any
) -> None:
    epicor = start_epicor(customers=60)
    tap = runner(epicor)
    how = {"cursors": {"customers": "EstDate"}, "page_size": PAGE, "customer_types": [], **NO_OVERLAP}
    first = tap.run("customers", **how)
    unstamped = [row["CustNum"] for row in first.records()[:25]]
    assert tap.run("customers", state=first.state, **how).records() == []
    for number in unstamped:
        epicor.control.edit(
            "Customer", {"Company": "EPIC06", "CustNum": number}, EstDate=None, Name="Renamed"
        )

    later = tap.run("customers", state=first.state, **how)

    assert sorted(row["CustNum"] for row in later.records()) == sorted(unstamped)
    assert {row["Name"] for row in later.records()} == {"Renamed"}
    assert later.bookmark()["replication_key_value"] == first.bookmark()["replication_key_value"]
    assert "Follow another column by `cursors`" in caplog.text
    for states in range(3):
        cut = tap.run("customers", state=first.state, states=states, **how)
        rest = tap.run("customers", state=cut.state or first.state, **how)
        assert set(keys(cut.records()) + keys(rest.records())) >= {("EPIC06", number) for number in unstamped}


@pytest.mark.rule("R5")
@pytest.mark.parametrize("column", ["Calc_Number", "UpdatedOn"])
@pytest.mark.parametrize("value", [None, "2026-01-01T00:00:00Z"], ids=["first", "later"])
def test_rows_without_a_change_column_of_any_kind_are_asked_for(column: str, value: str | None) -> None:
    edm_type = "Edm.Int64" if column == "Calc_Number" else "Edm.DateTimeOffset"
    newest: Any = 9 if column == "Calc_Number" else "2026-02-01T00:00:00Z"
    bookmark = Bookmark(column, value and (7 if column == "Calc_Number" else value))
    planner = Planner(EntityType("x"), ("Key",), Cursor(column, edm_type), Overlap(), reads_unstamped=True)
    [query] = planner.queries(planner.begin(bookmark, newest), bookmark)
    assert f"{column} eq null" in query.condition


def test_the_first_run_finds_out_about_numbers_that_are_null(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=5)
    for column, asked in (("CountryNum", True), ("SysRevID", False)):
        epicor.control.clear_requests()
        runner(epicor).run("customers", cursors={"customers": column})
        queries = [unquote(call["query"]) for call in epicor.control.requests()]
        assert any(f"{column} eq null" in query for query in queries) == asked


def test_a_service_that_cannot_tell_of_rows_without_a_change_time_is_told(
    start_epicor: Any, runner: Any, caplog: Any
) -> None:
    epicor = start_epicor(customers=5)
    tap = runner(epicor)
    first = tap.run("customers")
    refusal = {"kind": "answer", "status": 400, "text": '{"ErrorMessage": "No nulls.", "HttpStatus": 400}'}
    epicor.control.faults({"match": {"query": "eq(%20|[+ ])null"}, "effect": refusal})
    tap.run("customers", state=first.state)
    assert "cannot tell whether rows have no UpdatedOn" in caplog.text
