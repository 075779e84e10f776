from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulators.epicor.app import build_world
from simulators.epicor.options import parse_options
from simulators.epicor.reads import SetReader
from simulators.epicor.tables import SERVICES
from simulators.epicor.testing import Row
from simulators.epicor.world import Kinetic


@pytest.fixture(scope="module")
def world() -> Iterator[Kinetic]:
    built = build_world(90, 3, "updated-on")
    yield built
    built.store.close()


def page(world: Kinetic, **options: str) -> list[Row]:
    reader = SetReader(world, "EPIC06", SERVICES["Erp.BO.CustCntSvc"], "CustCnts")
    rows: list[Row] = reader.page(parse_options([(f"${k}", v) for k, v in options.items()]), "")["value"]
    return rows


def keyset(cursor: str, row: Row) -> str:
    """`cursor gt c or (cursor eq c and key gt k)`, for the three columns of a contact's key."""
    literals = {
        "CustNum": str(row["CustNum"]),
        "ShipToNum": f"'{row['ShipToNum']}'",
        "ConNum": str(row["ConNum"]),
    }
    equal = f"{cursor} eq {row[cursor]}"
    parts = [f"{cursor} gt {row[cursor]}"]
    for name, literal in literals.items():
        parts.append(f"({equal} and {name} gt {literal})")
        equal += f" and {name} eq {literal}"
    return " or ".join(parts)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 40), cursor=st.sampled_from(["UpdatedOn", "SysRevID"]))
def test_a_keyset_walk_sees_every_row_once_whatever_the_page(world: Kinetic, size: int, cursor: str) -> None:
    order = f"{cursor},CustNum,ShipToNum,ConNum"
    walked = found = page(world, orderby=order, top=str(size))
    while found:
        found = page(world, orderby=order, top=str(size), filter=keyset(cursor, found[-1]))
        walked = walked + found
    stored = [row for row in world.store.select(world.table("CustCnt")) if row["Company"] == "EPIC06"]
    assert walked == page(world, orderby=order, top="100000")
    assert len(walked) == len(stored)


COMPARISONS = st.builds(
    "{} {} {}".format,
    st.sampled_from(["CustNum", "ConNum", "PerConID"]),
    st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
    st.integers(-2, 80),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(condition=FILTERS, order=st.sampled_from(["CustNum", "ConNum", "PerConID", "PerConID desc"]))
def test_the_bound_that_speeds_up_a_page_changes_no_result(
    world: Kinetic, condition: str, order: str
) -> None:
    plain = page(world, filter=condition, top="100000")
    ordered = page(world, filter=condition, top="100000", orderby=order)
    assert sorted(row["SysRevID"] for row in ordered) == sorted(row["SysRevID"] for row in plain)


def test_ties_of_the_change_column_are_longer_than_a_page(world: Kinetic) -> None:
    tied = [row["UpdatedOn"] for row in world.store.select(world.table("Customer"))]
    largest = max(tied.count(time) for time in set(tied))
    assert largest > 15
