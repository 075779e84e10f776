"""Rows with typed columns make the same lines as dictionaries, whatever the server sends."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.epicor import Rows
from kinetic_mailchimp.epicor.row_values import normalize_values
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from singer_sdk.singerlib import RecordMessage
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.records.rows import RowShaper
from tap_epicor_kinetic.records.typed_rows import RowParser, can_be_typed

NOW = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
TYPES = {
    "Company": "Edm.String",
    "CustNum": "Edm.Int32",
    "Name": "Edm.String",
    "CreditLimit": "Edm.Decimal",
    "Inactive": "Edm.Boolean",
    "UpdatedOn": "Edm.DateTimeOffset",
}
SHAPER = RowShaper(
    columns=[name for name in TYPES if name != "Inactive"],
    company="EPIC06",
    hidden=["Inactive"],
    derives_active=True,
)
PARSER = RowParser(tuple(TYPES), TYPES, {"Company": "EPIC06", "Active": True})
ROW = {
    "Company": "epic06",
    "CustNum": 1,
    "Name": "Ex",
    "CreditLimit": 1.5,
    "Inactive": True,
    "UpdatedOn": "2026-01-01T00:00:00Z",
}


def lines_of(rows: Any) -> list[bytes]:
    output = io.BytesIO()
    writer = BlockWriter(output)
    writer.write_records("customers", SHAPER.records(rows), NOW)
    writer.flush()
    return output.getvalue().splitlines()


def lines_by_dictionaries(body: bytes) -> list[bytes]:
    """The same page the long way: one message after the other."""
    output = io.BytesIO()
    writer = BlockWriter(output)
    rows = parse_json(body)["value"]
    normalize_values(rows, TYPES)
    for record in SHAPER.records(rows):
        writer.write_message(RecordMessage("customers", record, time_extracted=NOW))
    writer.flush()
    return output.getvalue().splitlines()


def read(body: bytes) -> Any:
    found = PARSER(body)
    rows = found if isinstance(found, Rows) else found["value"]
    normalize_values(rows, TYPES)
    return rows


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.none() | st.booleans() | numbers | st.text() | st.just("12") | st.just("/Date(0)/")
fitting = st.fixed_dictionaries(
    {
        "Company": st.just("EPIC06"),
        "CustNum": st.integers(-(2**63), 2**63),
        "Name": st.none() | st.text(),
        "CreditLimit": st.none() | st.integers(0, 9) | st.floats(allow_nan=False, allow_infinity=False),
        "Inactive": st.none() | st.booleans(),
        "UpdatedOn": st.none()
        | st.sampled_from(["2026-01-01T00:00:00", "2026-01-01T00:00:00.5+02:00", "2026-01-01", ""]),
    },
    optional={"@odata.etag": st.text(), "RowMod": anything},
)
odd = st.dictionaries(st.sampled_from([*TYPES, "Other"]), anything)


@given(st.lists(fitting, min_size=1, max_size=5))
def test_a_page_of_the_types_makes_the_same_lines(rows: list[dict[str, Any]]) -> None:
    body = json.dumps({"value": rows}).encode()
    assert isinstance(PARSER(body), Rows)
    assert lines_of(read(body)) == lines_by_dictionaries(body)


@given(st.lists(fitting | odd, min_size=1, max_size=5), st.booleans())
def test_any_page_makes_the_same_lines(rows: list[dict[str, Any]], is_ascii: bool) -> None:
    body = json.dumps({"value": rows}, ensure_ascii=is_ascii).encode("utf-8", "replace")
    try:
        expected = lines_by_dictionaries(body)
    except OverflowError:  # an integer that no JSON writer takes, either way
        return
    assert lines_of(read(body)) == expected


@pytest.mark.parametrize(
    ("change", "is_typed"),
    [
        ({}, True),
        ({"CustNum": "1"}, False),
        ({"Name": 5}, False),
        ({"CreditLimit": "1.50"}, False),
        ({"CreditLimit": 10**30}, True),
        ({"Surplus": [{"deep": 1}]}, True),
    ],
)
def test_a_value_of_another_type_takes_the_page_the_long_way(change: dict[str, Any], is_typed: bool) -> None:
    assert isinstance(PARSER(json.dumps({"value": [{**ROW, **change}]}).encode()), Rows) is is_typed


def test_a_column_that_no_row_brings_is_left_out_and_one_that_some_lack_is_null() -> None:
    without = {name: value for name, value in ROW.items() if name != "Name"}
    assert "Name" not in json.loads(lines_of(read(json.dumps({"value": [without]}).encode()))[0])["record"]
    both = lines_of(read(json.dumps({"value": [without, ROW]}).encode()))
    assert [json.loads(line)["record"]["Name"] for line in both] == [None, "Ex"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"value": [{"CustNum": 1',
        b'{"value": [{"X": ' + b"[" * 100_000,
        b'{"value": [{"CustNum": 1}]} trailing',
    ],
)
def test_a_body_that_is_cut_off_is_no_page(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        PARSER(body)


def test_a_refusal_and_other_documents_come_as_they_are() -> None:
    assert PARSER(b'{"HttpStatus":400,"ErrorMessage":"no"}')["ErrorMessage"] == "no"
    assert PARSER(b'{"d":{"results":[]}}') == {"d": {"results": []}}


def test_a_half_pair_and_bytes_that_are_not_text_become_the_replacement() -> None:
    row = json.dumps({"value": [ROW]}).encode()
    assert read(row.replace(b"Ex", b"\\ud800"))[0]["Name"] == "\ufffd"
    assert read(row.replace(b"Ex", b"\xff"))[0]["Name"] == "\ufffd"


@pytest.mark.parametrize("name", ["get", "hide", "class", "_x", "a-b", "a.b"])
def test_a_name_that_python_cannot_have_is_not_typed(name: str) -> None:
    assert not can_be_typed([name], {name: "Edm.String"})


def test_the_time_and_the_version_are_those_of_a_message() -> None:
    output = io.BytesIO()
    writer = BlockWriter(output)
    assert writer.write_records('of "us"', [{"a": 1}, {"a": 2}], NOW, version=7) == 2
    writer.write_message(RecordMessage('of "us"', {"a": 3}, version=7, time_extracted=NOW))
    writer.flush()
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert lines[2] == {**lines[0], "record": {"a": 3}}
    assert list(lines[0]) == list(lines[2])


@pytest.mark.rule("R5")
def test_a_page_that_ends_in_an_error_is_no_page() -> None:
    page = {"value": [ROW], "error": {"message": "Execution Timeout Expired."}}
    assert PARSER(json.dumps(page).encode()) == page
