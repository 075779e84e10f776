"""The pages on tags and purchases, done to meltano.yml, between both vendors: what their examples promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pipelines
import pytest
import yaml
from followed import merged, steps
from simulators.mailchimp.account import Actor
from world import World, customer

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
DAY = 86_400.0
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds the blocks of pages to meltano.yml, as this process has it."""

    def added(*pages: str) -> None:
        project: Any = pipelines.PROJECT
        for page in pages:
            for block in steps((HOW_TO / f"{page}.md").read_text(encoding="utf-8")):
                if isinstance(block, str):
                    project = merged(project, yaml.safe_load(block))
        [mapper] = project["plugins"]["mappers"]
        maps = {mapping["name"]: mapping["config"] for mapping in mapper["mappings"]}
        plugins = {one["name"]: one for kind in ("extractors", "loaders") for one in project["plugins"][kind]}
        monkeypatch.setattr(pipelines, "MAPPINGS", maps)
        monkeypatch.setattr(pipelines, "PLUGINS", plugins)

    return added


@pytest.fixture
def world(vendors, tmp_path) -> Iterator[World]:
    made = World(vendors, tmp_path)
    made._runner.catalogs = {}
    yield made
    kinetic = vendors.kinetic
    for row in kinetic.store.select(kinetic.table("OrderHed")):
        vendors.delete("OrderHed", row)


def order(world: World, number: int, on: str, *lines: tuple[str, float]) -> dict[str, Any]:
    """Enter an order of a customer as a user does; its key."""
    insert = world.vendors.insert
    total = sum(amount for _, amount in lines)
    made = insert("OrderHed", Company="EPIC06", CustNum=number, OrderDate=f"{on}T00:00:00", OrderAmt=total)
    key = {"Company": "EPIC06", "OrderNum": made["OrderNum"]}
    for group, amount in lines:
        insert("OrderDtl", **key, ProdCode=group, ExtPriceDtl=amount)
    return key


def shown(world: World, address: str) -> tuple[list[Any], set[str]]:
    """The sums and the tags of a member."""
    member, tags = world.member(address), world.vendors.audience().tags
    assert member is not None
    values = [member.merge_values.get(tag) for tag in ("LASTORDER", "ORDERS12", "REVENUE12")]
    return values, {tags[number] for number in member.tags}


def writes_nothing(world: World) -> bool:
    world.vendors.clear_logs()
    world.forward()
    return world.vendors.writes() == []


@pytest.mark.rule("R8")
def test_tags_follow_the_master_data_and_foreign_tags_stay(world: World, follow: Callable[..., None]) -> None:
    follow("tags")
    world.person(1, ANN, TerritoryID="East", SalesRepCode="REP1", TermsCode="N30")
    world.person(2, ANN, TerritoryID="North", GroupCode="MED")
    world.forward()
    both = {"Territory: East", "Rep: REP1", "Terms: N30", "Territory: North", "Group: MED"}
    assert shown(world, ANN)[1] == both
    tag_by_hand(world, ANN, "By hand")
    world.edit(customer(1), TerritoryID="West", SalesRepCode="")
    world.forward()
    assert shown(world, ANN)[1] == {
        "By hand",
        "Territory: West",
        "Terms: N30",
        "Territory: North",
        "Group: MED",
    }
    assert writes_nothing(world)
    tag_by_hand(world, ANN, "Territory: Wrong")
    world.forward()
    assert "Territory: Wrong" not in shown(world, ANN)[1]


@pytest.mark.rule("R8")
def test_orders_become_sums_and_tags_that_time_changes_too(world: World, follow: Callable[..., None]) -> None:
    follow("tags", "purchases")
    world.person(1, ANN, TerritoryID="East")
    world.person(2, BOB)
    old = order(world, 1, "2025-03-20", ("Pumps", 100), ("Seals", 50.5))
    order(world, 1, "2025-12-01", ("Pumps", 10))
    new = order(world, 2, "2026-02-01", ("Valves", 7))
    world.forward()
    assert shown(world, ANN) == (
        ["2025-12-01", 2, 160.5],
        {"Territory: East", "Bought Pumps", "Bought Seals"},
    )
    assert shown(world, BOB) == (["2026-02-01", 1, 7], {"Bought Valves"})
    assert writes_nothing(world)

    world.vendors.edit("OrderHed", new, VoidOrder=True)
    world.vendors.clock.now += 20 * DAY  # and Ann's first order leaves the twelve months
    world.forward()
    assert shown(world, ANN)[0] == ["2025-12-01", 1, 10]
    assert shown(world, BOB) == ([None, 0, 0], set())
    world.vendors.edit("OrderHed", old, OrderAmt=200)
    world.vendors.clock.now += 90 * DAY
    world.forward()
    tags = {"Territory: East", "Bought Pumps", "Bought Seals", "Not for 6 months"}
    assert shown(world, ANN) == (["2025-12-01", 1, 10], tags)
    assert writes_nothing(world)


def tag_by_hand(world: World, address: str, tag: str) -> None:
    """Somebody in marketing tags a member."""
    account, audience, member = (
        world.vendors.mailchimp.account,
        world.vendors.audience(),
        world.member(address),
    )
    assert member is not None
    tags = member.tags | {audience.tag_id(tag)}
    account.save(audience, member, replace(member, tags=tags), Actor("admin"))
    world.wait()


@pytest.mark.rule("R8")
def test_orders_count_as_users_correct_them(
    world: World, follow: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    follow("purchases")
    config = pipelines.PLUGINS["tap-epicor-kinetic"]["config"]
    monkeypatch.setitem(config, "report_deletions", ["orders"])
    monkeypatch.setitem(config, "key_store", str(tmp_path / "keys.sqlite3"))
    world.person(1, ANN)
    world.person(2, "")
    kept = order(world, 1, "2026-01-10", ("Pumps", 100.1), ("Pumps", 0.2))
    wrong = order(world, 1, "9999-12-31", ("Seals", 5))
    undated = order(world, 1, "2026-01-11", ("Belts", 5))
    world.vendors.edit("OrderHed", undated, OrderDate=None)
    elsewhere = order(world, 2, "2026-01-12", ("Valves", 7))
    world.forward()
    assert shown(world, ANN) == (["2026-01-10", 1, 100.3], {"Bought Pumps"})
    assert world.member(BOB) is None

    world.edit(customer(2), EMailAddress=BOB)
    world.vendors.edit("OrderHed", wrong, OrderDate="2026-01-13T00:00:00")
    world.vendors.edit("OrderHed", undated, OrderDate="2026-01-14T00:00:00", OrderAmt=-20)
    world.forward()
    assert shown(world, BOB) == (["2026-01-12", 1, 7], {"Bought Valves"})
    assert shown(world, ANN) == (["2026-01-13", 2, 85.3], {"Bought Pumps", "Bought Seals"})

    # Two customers are merged: the orders of one go to the other.
    world.vendors.edit("OrderHed", elsewhere, CustNum=1)
    world.vendors.delete("OrderHed", kept)
    world.forward()
    assert shown(world, BOB) == ([None, 0, 0], set())
    assert shown(world, ANN) == (["2026-01-13", 2, -8], {"Bought Seals", "Bought Valves"})
    assert writes_nothing(world)
