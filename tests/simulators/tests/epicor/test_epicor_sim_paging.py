from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulators.epicor.app import build_world
from simulators.epicor.options import parse_options
from simulators.epicor.reads import SetReader
from simulators.epicor.tables import SERVICES
from simulators.epicor.testing import Row
from simulators.epicor.world import Kinetic

WORLD: list[Kinetic] = []


def world() -> Kinetic:
    if not WORLD:
        WORLD.append(build_world(90, 3, "updated-on"))
    return WORLD[0]


def page(**options: str) -> list[Row]:
    reader = SetReader(world(), "EPIC06", SERVICES["Erp.BO.CustCntSvc"], "CustCnts")
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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.integers(1, 40), cursor=st.sampled_from(["UpdatedOn", "SysRevID"]))
def test_a_keyset_walk_sees_every_row_once_whatever_the_page(size: int, cursor: str) -> None:
    order = f"{cursor},CustNum,ShipToNum,ConNum"
    walked = found = page(orderby=order, top=str(size))
    while found:
        found = page(orderby=order, top=str(size), filter=keyset(cursor, found[-1]))
        walked = walked + found
    assert walked == page(orderby=order, top="100000")
    assert len(walked) == world().store.count(world().table("CustCnt")) - len(other_company())


def other_company() -> list[Row]:
    return [r for r in world().store.select(world().table("CustCnt")) if r["Company"] == "EPIC07"]


def test_ties_of_the_change_column_are_longer_than_a_page() -> None:
    tied = [row["UpdatedOn"] for row in world().store.select(world().table("Customer"))]
    largest = max(tied.count(moment) for moment in set(tied))
    assert largest > 15
