"""The first load reads key ranges side by side; its bookmark is right afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.epicor import EntityType, Property
from tap_epicor_kinetic.reading.bookmark import Bookmark, KeyRange, Scan
from tap_epicor_kinetic.reading.cursor import Cursor, Overlap
from tap_epicor_kinetic.reading.scan_plan import Planner

ENTITY = EntityType(
    "Erp.Customer",
    ("Company", "CustNum"),
    {
        "Company": Property("Company"),
        "CustNum": Property("CustNum", "Edm.Int32"),
        "SysRevID": Property("SysRevID", "Edm.Int64"),
    },
)
PLANNER = Planner(ENTITY, ENTITY.key, Cursor("SysRevID", "Edm.Int64"), Overlap())


@given(st.integers(-5, 5000), st.integers(0, 5000), st.integers(1, 16))
def test_ranges_cover_every_key_once(low: int, width: int, parts: int) -> None:
    whole = Scan(("SysRevID", "CustNum"), 9, is_first=True, ranges=(KeyRange(),))
    cut = PLANNER.cut(whole, low, low + width, parts)
    ends = [(int(part.low or 0), int(part.high or 0)) for part in cut.ranges]
    covered = [key for first, last in ends for key in range(first, last + 1)]
    assert covered == list(range(low, low + width + 1))
    assert len(cut.ranges) <= parts
    assert cut.through == 9


def test_a_bookmark_survives_its_state() -> None:
    unfinished = Scan(
        ("CustNum",), 7, is_first=True, ranges=(KeyRange(1, 5, after=(3,)), KeyRange(6, 9, done=True))
    )
    for bookmark in (Bookmark(), Bookmark("SysRevID", 7), Bookmark("SysRevID", None, unfinished)):
        entry = {"context": {"Company": "EPIC06"}, **bookmark.to_state()}
        assert Bookmark.from_state(entry) == bookmark


def test_a_state_that_is_stored_already_is_understood() -> None:
    entry = {
        "context": {"Company": "EPIC06"},
        "replication_key": "SysRevID",
        "replication_key_value": 7,
        "rows": "e3b0c44298fc1c14",
        "unfinished": {
            "replication_key": "SysRevID",
            "order": ["CustNum"],
            "through": 9,
            "is_first": True,
            "ranges": [{"low": 1, "high": 5, "after": [3]}, {"done": True, "low": 6, "high": 9}],
        },
    }
    ranges = (KeyRange(1, 5, after=(3,)), KeyRange(6, 9, done=True))
    unfinished = Scan(("CustNum",), 9, is_first=True, ranges=ranges)
    bookmark = Bookmark("SysRevID", 7, unfinished, "e3b0c44298fc1c14")
    assert Bookmark.from_state(entry) == bookmark
    assert {"context": entry["context"], **bookmark.to_state()} == entry


@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_ranges_are_read_concurrently_and_whole(
    start_epicor: Any, runner: Any, queries: Any, profile: str
) -> None:
    epicor = start_epicor(customers=150, profile=profile)
    result = runner(epicor).run("customers", page_size=10, concurrency=4, customer_types=[])
    table = [row for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06"]
    active = [row["CustNum"] for row in table if not row["Inactive"]]
    assert sorted(row["CustNum"] for row in result.records()) == sorted(active)
    windows = {query["$filter"].split("CustNum le ")[1] for query in queries(epicor, "Customers")
               if "CustNum le " in query.get("$filter", "")}  # fmt: skip
    assert len(windows) >= 4


@pytest.mark.rule("R5")
@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_what_changes_during_the_first_load_is_read_again_after_it(
    start_epicor: Any, runner: Any, profile: str
) -> None:
    """The bookmark is the highest value from before the load, not of what the load has seen."""
    epicor = start_epicor(customers=150, profile=profile)
    tap = runner(epicor)
    how = {"page_size": 10, "concurrency": 3, "overlap_seconds": 0, "overlap_revisions": 0}
    edited: list[int] = []

    def edit_what_was_read(message: Any) -> None:
        if message["type"] == "RECORD" and message["record"]["CustNum"] % 7 == 0:
            number = message["record"]["CustNum"]
            epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": number}, Name="Edited meanwhile")
            edited.append(number)

    first = tap.run("customers", on_message=edit_what_was_read, **how)
    second = tap.run("customers", state=first.state, **how)
    assert edited
    assert {row["CustNum"] for row in second.records()} == set(edited)
    assert {row["Name"] for row in second.records()} == {"Edited meanwhile"}


def test_a_text_key_is_read_in_one_range(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=80)
    result = runner(epicor).run("parts", page_size=3, concurrency=4)
    parts = [row["PartNum"] for row in epicor.control.rows("Part") if row["Company"] == "EPIC06"]
    assert sorted(row["PartNum"] for row in result.records("parts")) == sorted(parts)
