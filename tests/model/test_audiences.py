"""Two companies and two audiences: who feeds whom, where an opt-out counts, and what Epicor shows of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from followed import merged, steps
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.mailchimp import subscriber_hash
from pipelines import FORWARD, REVERSE
from target_epicor_contacts.settings import WriteSettings
from target_mailchimp.settings import load_settings
from target_mailchimp.target import TargetMailchimp
from world import World, contact, customer

ANN, BOB = "ann@example.com", "bob@example.com"
HERE, THERE = 1, 1001
"""A customer of each company."""
Use = Callable[..., None]


@pytest.fixture
def use(world: World) -> Use:
    """Lets EPIC06 feed the main audience and EPIC07 the second; opt-outs of the first count in the second."""

    def configured(by_company: dict[str, list[str]] | None = None, **reverse: Any) -> None:
        main, second = world.vendors.main, world.vendors.second
        fed = {"audiences_by_company": by_company or {"EPIC06": [main], "EPIC07": [second]}}
        reach = {"opt_outs_count_in": reverse.pop("opt_outs_count_in", {main: [second], second: []})}
        world.targets["forward"] = {**fed, **reach}
        world.targets["reverse"] = {**fed, **reach, **reverse}

    return configured


@pytest.fixture
def both(world: World, use: Use) -> World:
    """Ann is a customer of both companies, and a member of both audiences."""
    use()
    world.person(HERE, ANN)
    world.person(THERE, ANN)
    world.forward()
    world.reverse()
    return world


def flags(world: World) -> tuple[bool, bool]:
    """The flags of both companies: each is on the customer and the contact, or on none of them."""
    found = [{world.is_flagged(row(number)) for row in (customer, contact)} for number in (HERE, THERE)]
    assert all(len(each) == 1 for each in found)
    return found[0].pop(), found[1].pop()


def statuses(world: World, address: str = ANN) -> tuple[str, str]:
    return world.status(address), world.status(address, world.vendors.second)


def round_of_both(world: World) -> None:
    world.deliver()
    world.reverse()
    world.forward()
    world.reverse()


def writes_nothing(world: World) -> bool:
    world.settle()
    world.vendors.clear_logs()
    world.forward()
    world.reverse()
    return world.vendors.writes() == []


def test_one_run_loads_each_audience_from_the_companies_that_feed_it(world: World, use: Use) -> None:
    main, second = world.vendors.main, world.vendors.second
    use({"EPIC06": [main, second], "EPIC07": [second]})
    world.person(HERE, ANN)
    world.person(THERE, BOB)
    world.forward()
    assert (statuses(world, ANN), statuses(world, BOB)) == (
        ("subscribed", "subscribed"),
        ("none", "subscribed"),
    )
    targets = sorted(
        (row["subject"], row["targets"]) for row in world.decisions() if row["stream"] == "members"
    )
    assert targets == [(ANN, f"list {one}") for one in sorted((main, second))] + [(BOB, f"list {second}")]
    [run] = world.query("SELECT records_read FROM runs WHERE id = (SELECT max(id) FROM runs)")
    assert run["records_read"] == len(world.last_decisions())
    assert writes_nothing(world)


def test_the_rows_of_a_company_that_feeds_none_are_left_out_and_say_so(world: World, use: Use) -> None:
    use({"EPIC06": [world.vendors.main], "EPIC07": []}, opt_outs_count_in={})
    world.person(HERE, ANN)
    world.person(THERE, BOB)
    world.forward()
    assert (statuses(world, ANN), statuses(world, BOB)) == (("subscribed", "none"), ("none", "none"))
    left_out = f"skipped/company_feeds_no_audience {BOB}"
    assert world.last_decisions().count(left_out) == 2
    assert writes_nothing(world)


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_a_later_row_becomes_a_member_where_no_opt_out_counts_and_nowhere_else(
    world: World, use: Use
) -> None:
    use()
    world.person(HERE, ANN)
    world.person(THERE, BOB)
    world.forward()
    world.leave(ANN)
    world.leave(BOB, world.vendors.second)
    world.deliver()
    world.reverse()
    later = {ANN: THERE + 1, BOB: HERE + 1}
    for address, number in later.items():
        world.person(number, address)
    round_of_both(world)
    assert (statuses(world, ANN), statuses(world, BOB)) == (
        ("unsubscribed", "none"),
        ("subscribed", "unsubscribed"),
    )
    assert world.is_flagged(customer(later[ANN]))
    assert not world.is_flagged(customer(later[BOB]))
    assert writes_nothing(world)


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_an_opt_out_lowers_where_it_counts_and_a_return_raises_nothing_elsewhere(both: World) -> None:
    second = both.vendors.second
    both.leave(ANN)
    round_of_both(both)
    assert statuses(both) == ("unsubscribed", "unsubscribed")
    assert flags(both) == (True, True)
    both.join(ANN)
    round_of_both(both)
    assert statuses(both) == ("subscribed", "unsubscribed")
    assert flags(both) == (False, True)
    both.join(ANN, second)
    round_of_both(both)
    assert statuses(both) == ("subscribed", "subscribed")
    assert flags(both) == (False, False)
    both.leave(ANN)
    round_of_both(both)
    assert (statuses(both), flags(both)) == (("unsubscribed", "unsubscribed"), (True, True))
    assert writes_nothing(both)
    both.targets["forward"]["reconcile"] = True
    both.states["forward"] = [{}]
    both.forward()
    found = {decision.partition(" ")[0] for decision in both.last_decisions()}
    assert found == {"merged/same_address_in_batch", "unchanged/no_field_differs"}


@pytest.mark.rule("R2")
def test_an_opt_out_counts_in_its_audience_alone_where_that_is_set(both: World) -> None:
    both.leave(ANN, both.vendors.second)
    round_of_both(both)
    assert statuses(both) == ("subscribed", "unsubscribed")
    assert flags(both) == (False, True)
    both.join(ANN, both.vendors.second)
    round_of_both(both)
    assert flags(both) == (False, False)
    assert writes_nothing(both)


@pytest.mark.rule("R2")
def test_a_complaint_flags_every_company(both: World) -> None:
    both.act("complain", ANN, both.vendors.second)
    round_of_both(both)
    assert flags(both) == (True, True)


@pytest.mark.rule("R2")
def test_an_opt_out_that_reaches_no_row_says_where_it_counts(world: World, use: Use) -> None:
    use()
    world.person(HERE, ANN)
    world.forward()
    world.join(ANN, world.vendors.second)
    world.deliver()
    world.reverse()
    world.leave(ANN, world.vendors.second)
    world.deliver()
    world.reverse()
    assert world.last_decisions() == [f"skipped/counts_in_other_companies {ANN}"]
    assert not world.is_flagged(contact(HERE))
    assert writes_nothing(world)


@pytest.mark.rule("R1")
def test_no_row_makes_a_member_of_who_left_an_audience_whose_opt_outs_count(world: World, use: Use) -> None:
    use()
    world.person(HERE, ANN)
    world.forward()
    world.leave(ANN)
    round_of_both(world)
    world.person(THERE, ANN)
    round_of_both(world)
    assert statuses(world) == ("unsubscribed", "none")
    assert flags(world) == (True, True)
    assert writes_nothing(world)


@pytest.mark.rule("R1")
def test_who_joins_before_an_older_opt_out_arrives_there_stays(both: World) -> None:
    both.leave(ANN)
    both.join(ANN, both.vendors.second)
    both.deliver()
    both.reverse()
    both.forward()
    assert statuses(both)[0] == "unsubscribed"
    assert both.query("SELECT * FROM ledger_entries WHERE namespace LIKE 'consent/counted/%'") == []


@pytest.mark.rule("R2")
def test_a_dry_run_leaves_the_opt_outs_that_wait_for_the_next_one(both: World) -> None:
    both.leave(ANN)
    both.deliver()
    both.reverse()
    fed = both.targets["forward"]
    both.targets["forward"] = {**fed, "dry_run": True}
    both.forward()
    assert statuses(both) == ("unsubscribed", "subscribed")
    both.targets["forward"] = fed
    both.forward()
    assert statuses(both) == ("unsubscribed", "unsubscribed")


@pytest.mark.rule("R3")
def test_a_run_that_is_killed_carries_the_opt_out_again(both: World) -> None:
    both.leave(ANN)
    both.deliver()
    both.reverse()
    both.begin(FORWARD)
    both.finish(FORWARD, both.after_a_write())
    both.forward()
    assert statuses(both) == ("unsubscribed", "unsubscribed")
    assert writes_nothing(both)


@pytest.mark.rule("R7")
def test_each_audience_has_its_status_in_a_column(world: World, use: Use) -> None:
    main, second = world.vendors.main, world.vendors.second
    use(audience_columns={main: "MC_Campaign_c", second: "MC_StatusReason_c"})
    world.person(HERE, ANN)
    world.person(THERE, ANN)
    world.forward()

    def shown() -> list[tuple[str, str]]:
        rows = [row(number) for number in (HERE, THERE) for row in (customer, contact)]
        return sorted(
            {(world.row(row)["MC_Campaign_c"], world.row(row)["MC_StatusReason_c"]) for row in rows}
        )

    world.leave(ANN, second)
    round_of_both(world)
    assert shown() == [("", "unsubscribed")]
    world.leave(ANN)
    round_of_both(world)
    assert shown() == [("unsubscribed", "unsubscribed")]
    world.join(ANN, second)
    round_of_both(world)
    assert shown() == [("unsubscribed", "subscribed")]
    assert writes_nothing(world)


def test_an_opt_out_that_a_rep_wrote_into_the_column_stays(world: World, use: Use) -> None:
    use(audience_columns={world.vendors.main: "MC_Campaign_c"})
    world.person(HERE, ANN)
    world.forward()
    world.edit(contact(HERE), MC_Campaign_c="unsubscribed")
    world.leave(ANN)
    round_of_both(world)
    world.join(ANN)
    round_of_both(world)
    assert world.row(contact(HERE))["MC_Campaign_c"] == "unsubscribed"
    assert world.row(customer(HERE))["MC_Campaign_c"] == "subscribed"


@pytest.mark.rule("R4")
def test_a_column_that_was_written_before_a_kill_is_ours(world: World, use: Use) -> None:
    use(audience_columns={world.vendors.main: "MC_Campaign_c"})
    world.person(HERE, ANN)
    world.forward()
    world.leave(ANN)
    world.deliver()
    world.begin(REVERSE)
    world.finish(REVERSE, world.after_a_write())
    world.join(ANN)
    round_of_both(world)
    assert {world.row(row(HERE))["MC_Campaign_c"] for row in (customer, contact)} == {"subscribed"}


def test_a_person_is_shown_by_company_and_audience(both: World) -> None:
    both.leave(ANN)
    both.deliver()
    both.reverse()
    assert lines(both, ANN) == [
        "EPIC06 (flagged: left Customers): Customers: subscribed",
        "EPIC07 (flagged: left Customers): Second: subscribed, to be unsubscribed",
    ]
    both.forward()
    assert lines(both, ANN) == [
        "EPIC06 (flagged: left Customers): Customers: unsubscribed",
        "EPIC07 (flagged: left Customers): Second: unsubscribed",
    ]
    both.person(2, BOB)
    both.flag(contact(2))
    both.forward()
    assert lines(both, BOB) == [
        "EPIC06 (no row known): Customers: not a member",
        "EPIC07 (no row known): Second: not a member",
    ]


def test_the_examples_of_the_documentation_fit_together() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/several-companies.md").read_text("utf-8")
    project: Any = {}
    for block in steps(page):
        if isinstance(block, str) and block.startswith("# meltano.yml"):
            project = merged(project, yaml.safe_load(block))
    forward, reverse = (plugin["config"] for plugin in project["plugins"]["loaders"])
    TargetMailchimp(config={**forward, "api_key": "key-us1"}, validate_config=True)
    assert load_settings(forward).audiences_by_company == reverse["audiences_by_company"]
    settings = WriteSettings.from_config(reverse)
    settings.check_matrix_companies(["EPIC06", "EPIC07"])
    assert settings.audience_columns.keys() == settings.opt_outs_count_in.keys() == settings.fed_audiences


def lines(world: World, address: str) -> list[str]:
    with AuditTrail.open(f"sqlite:///{world.audit}") as trail:
        found = read_audiences(trail, address, vendor_hash=subscriber_hash)
    assert found is not None
    return list(found.lines())
