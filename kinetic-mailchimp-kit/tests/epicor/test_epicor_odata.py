"""OData expressions: as the server reads them, whatever stands in a value."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import (
    Raw,
    and_,
    eq,
    fits_in_path,
    key_segment,
    literal,
    or_,
    typed_literal,
)

CONTACTS = "Erp.BO.CustCntSvc/CustCnts"
EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3_493_456_999, "3493456999"),
        (Decimal("1.50"), "1.50"),
        ("O'Brien", "'O''Brien'"),
        ("", "''"),
        (Raw("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05Z"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=EAST), "2026-01-02T01:04:05.12Z"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05Z"),  # noqa: DTZ001 (a moment without a zone)
        (dt.date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_a_value_is_written_as_its_type_needs(value: Any, written: str) -> None:
    assert literal(value) == written


@pytest.mark.parametrize(
    ("value", "edm_type", "written"),
    [
        ("2026-01-02T03:04:05.1234567Z", "Edm.DateTimeOffset", "2026-01-02T03:04:05.1234567Z"),
        ("2026-01-02T03:04:05+02:00", "Edm.DateTimeOffset", "2026-01-02T03:04:05+02:00"),
        ("2026-01-02T03:04:05", "Edm.DateTimeOffset", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "Edm.DateTimeOffset", "2026-01-02T00:00:00Z"),
        ("3493456999", "Edm.Int64", "3493456999"),
        ("3493456999", "Edm.String", "'3493456999'"),
        (None, "Edm.DateTimeOffset", "null"),
    ],
)
def test_a_value_out_of_a_row_keeps_every_digit(value: Any, edm_type: str, written: str) -> None:
    assert typed_literal(value, edm_type) == written


def test_conditions_are_put_together() -> None:
    assert and_(eq("A", 1), "", eq("B", "x")) == "(A eq 1) and (B eq 'x')"
    assert or_(eq("A", 1)) == "A eq 1"
    assert or_(eq("A", 1), eq("A", 5), eq("A", 9)) == "(A eq 1) or (A eq 5) or (A eq 9)"
    assert and_() == ""


def test_a_key_has_names_and_is_safe_in_a_path() -> None:
    key: dict[str, Any] = {"Company": "EPIC06", "ShipToNum": "", "ConNum": 3, "PartNum": "O'B é"}
    assert key_segment(key) == "(Company='EPIC06',ShipToNum='',ConNum=3,PartNum='O''B%20%C3%A9')"
    assert fits_in_path(key)
    for character in "/#%":
        assert not fits_in_path({"PartNum": f"A{character}B"})


class Searching:
    """A contact whose name is changed to all kinds of text, and then looked for."""

    def __init__(self, epicor: Any, client: EpicorClient) -> None:
        self.epicor, self.client = epicor, client
        row = epicor.rows(CONTACTS, top=1)[0]
        self.key = {name: row[name] for name in ("Company", "CustNum", "ShipToNum", "ConNum")}


@pytest.fixture
def searching(start_epicor: Any, connect: Any) -> Searching:
    epicor = start_epicor(customers=5)
    return Searching(epicor, connect(epicor))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_the_server_finds_any_text(searching: Searching, name: str) -> None:
    searching.client.patch("EPIC06", CONTACTS, searching.key, {"Name": name})
    found = searching.client.read("EPIC06", CONTACTS, filter=eq("Name", name), select=("ConNum", "CustNum"))
    assert {"CustNum": searching.key["CustNum"], "ConNum": searching.key["ConNum"]} in found
