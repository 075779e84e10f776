"""Scenes about opt-outs of several audiences, forms that wait for a confirmation, and flaws of customers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from play import Scene, begun
from world import World, customer

ANN, EVE = "ann@example.com", "eve@example.com"


@pytest.fixture
def double_optin(world: World) -> Iterator[Scene]:
    """A scene in an audience that asks people to confirm what they fill in."""
    scene = begun(world)
    world.vendors.audience().double_optin = True
    yield scene
    world.vendors.audience().double_optin = False


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_whoever_is_out_of_another_audience_is_flagged_and_not_made_a_member(world):
    scene = begun(world)
    world.join(EVE, world.vendors.second)
    world.leave(EVE, world.vendors.second)
    scene.play("reverse → forward → a rep adds Eve with eve@ → forward")
    assert "opted_out_of_other_audience" in str(world.last_decisions())
    assert scene.settle() == []
    assert (scene.flag("Eve"), world.status(EVE)) == ("set", "none")
    world.wait(60)
    world.join(EVE, world.vendors.second)
    assert scene.settle() == []
    assert (scene.flag("Eve"), world.status(EVE)) == ("clear", "subscribed")


@pytest.mark.rule("R2")
def test_a_complaint_in_another_audience_reaches_a_row_of_another_company_that_comes_later(world):
    scene = begun(world)
    scene.play("Ann joins the second audience → reverse")
    world.act("complain", ANN, world.vendors.second)
    scene.play("reverse → forward → a rep adds Una with ann@")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Una"), world.status(ANN)) == ("set", "set", "subscribed")


@pytest.mark.rule("R1")
def test_a_form_that_nobody_has_confirmed_takes_no_flag_back(double_optin, world):
    double_optin.play("Ann leaves → reverse → forward")
    world.wait(60)
    double_optin.play("Ann returns → forward → reverse → forward → reverse")
    assert (double_optin.flag("Ann"), world.status(ANN)) == ("set", "pending")
    world.act("confirm", ANN)
    assert double_optin.settle() == []
    assert (double_optin.flag("Ann"), world.status(ANN)) == ("clear", "subscribed")


@pytest.mark.rule("R2")
def test_a_form_that_nobody_has_confirmed_keeps_whose_opt_out_it_was(double_optin, world):
    double_optin.play("a rep flags Ann's contact → forward → reverse → Ann returns → forward → reverse")
    double_optin.play("a rep clears Ann's contact → forward → reverse")
    assert (double_optin.flag("Ann"), world.status(ANN)) == ("clear", "pending")


@pytest.mark.parametrize(("action", "status"), [("unsubscribe", "unsubscribed"), ("archive", "archived")])
def test_the_name_of_a_contact_keeps_no_customer_active(world, action, status):
    world.targets["forward"] = {"inactive_action": action}
    scene = begun(world)
    scene.play("a rep makes Ann inactive → forward → reverse")
    world.edit(customer(1), Inactive=False)
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("clear", status)


@pytest.mark.parametrize(
    ("flaw", "gone", "back"),
    [
        ("a rep adds Eve with ann@", "a rep corrects Eve to eve@", "a rep corrects Eve to ann@"),
        ("Ann bounces", "a rep corrects Ann to anna@", "a rep corrects Ann to ann@"),
    ],
)
def test_a_flaw_that_comes_back_after_it_was_gone_ends_no_run(world, flaw, gone, back):
    scene = begun(world)
    scene.play(f"{flaw} → forward → {gone} → forward → reverse → {back}")
    assert scene.settle() == []
