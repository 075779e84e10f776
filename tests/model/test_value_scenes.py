"""Scenes about values that are empty, or that Mailchimp fills in by itself."""

from __future__ import annotations

import pytest
from play import begun
from world import HOME, World, contact, customer

ANN = "ann@example.com"


@pytest.mark.rule("R8")
def test_a_reps_edit_of_a_field_that_the_person_emptied_travels(world: World) -> None:
    scene = begun(world)
    world.profile(ANN, LNAME="")
    scene.play("reverse → forward")
    assert world.row(contact(1))["LastName"] == "Example"
    world.edit(contact(1), LastName="Other")
    assert scene.settle() == []
    assert (world.fields(ANN)["LNAME"], world.row(contact(1))["LastName"]) == ("Other", "Other")


@pytest.mark.rule("R8")
def test_a_customers_new_address_reaches_a_person_who_emptied_theirs(world: World) -> None:
    scene = begun(world)
    world.profile(ANN, ADDRESS="")
    scene.play("reverse → forward")
    world.edit(customer(1), Address1="2 Main St")
    assert scene.settle() == []
    assert world.fields(ANN)["ADDRESS"]["addr1"] == "2 Main St"


@pytest.mark.rule("R8")
def test_a_country_that_mailchimp_gives_to_an_address_without_one_does_not_come_back(world: World) -> None:
    scene = begun(world)
    world.edit(customer(1), contact(1), **{**HOME, "Country": ""})
    scene.play("forward → reverse")
    assert world.fields(ANN)["ADDRESS"]["country"] == "US"
    scene.play("Ann writes Cyd")
    assert scene.settle() == []
    assert (world.row(contact(1))["FirstName"], world.row(contact(1))["Country"]) == ("Cyd", "")


@pytest.mark.rule("R8")
@pytest.mark.parametrize(("shown", "signed"), [("filled", True), ("filled", False), ("none", True)])
def test_a_member_that_comes_without_merge_fields_is_not_written_for_ever(
    world: World, shown: str, signed: bool
) -> None:
    world.signed = signed
    scene = begun(world)
    world.vendors.switch(merge_fields_shown=shown)
    world.profile(ANN, FNAME="Other")
    scene.play("reverse → forward")
    world.edit(contact(1), LastName="Rep")
    assert scene.settle() == []
    world.profile(ANN, LNAME="")
    world.edit(contact(1), LastName="Last")
    assert scene.settle() == []
    row, fields = world.row(contact(1)), world.fields(ANN)
    assert (row["LastName"], fields["LNAME"], fields["FNAME"]) == ("Last", "Last", "Other")


@pytest.mark.rule("R8")
@pytest.mark.parametrize(("signed", "name"), [(True, "Cyd"), (False, "Ann")])
def test_an_edit_of_whoever_is_out_reaches_epicor_where_it_is_signed_or_with_the_return(
    world: World, signed: bool, name: str
) -> None:
    world.signed = signed
    scene = begun(world)
    scene.play("Ann leaves → reverse → forward → Ann writes Cyd → reverse → forward")
    assert world.row(contact(1))["FirstName"] == name
    scene.play("Ann returns")
    assert scene.settle() == []
    assert (world.row(contact(1))["FirstName"], world.fields(ANN)["FNAME"]) == ("Cyd", "Cyd")
