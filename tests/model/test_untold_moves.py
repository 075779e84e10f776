"""Scenes about changes of address of which no event tells, and about rows that come in the place of others.

The catch-up looks for opt-outs alone here, as it does without a setting.
"""

from __future__ import annotations

import pytest
from play import Scene, begun
from world import World

ANN, BOB, ANNA = "ann@example.com", "bob@example.com", "anna@example.com"


def played(world: World, story: str) -> Scene:
    """A scene after a story, both pipelines and quiet, in which all is as it must be."""
    scene = begun(world)
    scene.play(story)
    world.anything_lost = False
    assert scene.settle() == []
    return scene


def addresses(scene: Scene, name: str) -> set[str]:
    """The addresses in the rows of a person."""
    return {scene.world.row(row)["EMailAddress"] for row in scene.rows(name)}


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story",
    [
        "Ann moves to anna@ → Ann leaves → webhooks are lost → reverse → forward",
        "Ann moves to anna@ → Ann leaves → webhooks are lost → forward → reverse",
        "Ann moves to anna@ → webhooks are lost → Ann leaves → reverse",
        "Ann moves to anna@ → webhooks are lost → Ann complains → forward → reverse",
        "Ann moves to anna@ → Ann leaves → webhooks are lost → forward is killed at write 2 → reverse",
        "Ann moves to anna@ → Ann leaves → webhooks are lost → forward → reverse is killed at write 2",
        "a rep adds Una with ann@ → forward → Ann moves to anna@ → Ann leaves → webhooks are lost",
        "Ann moves to info@ → reverse → Ann moves to anna@ → Ann leaves → webhooks are lost",
    ],
)
def test_an_opt_out_under_an_address_that_no_event_told_of_reaches_the_rows(world, story):
    scene = played(world, story)
    assert (scene.flag("Ann"), addresses(scene, "Ann")) == ("set", {ANNA})
    assert world.status(ANNA) == "unsubscribed"


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "end",
    [
        "Ann leaves → an admin deletes Ann for good → reverse",
        "Ann leaves → an admin deletes Ann for good → forward → reverse",
        "Ann complains → reverse → an admin deletes Ann for good",
        "Ann moves to annie@ → webhooks are lost → Ann leaves → an admin archives Ann → reverse",
    ],
)
def test_an_opt_out_under_an_untold_address_reaches_rows_whose_person_is_gone_since(world, end):
    scene = begun(world)
    scene.play(f"Ann moves to anna@ → webhooks are lost → {end}")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Bob")) == ("set", "clear")


@pytest.mark.rule("R1")
def test_whoever_opted_out_under_an_untold_address_may_return_there(world):
    scene = begun(world)
    scene.play("Ann moves to anna@ → webhooks are lost → Ann leaves → reverse")
    assert (scene.flag("Ann"), addresses(scene, "Ann")) == ("set", {ANN})
    scene.play("Ann returns → reverse → forward → reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), addresses(scene, "Ann")) == ("clear", {ANNA})


@pytest.mark.parametrize(
    "story",
    [
        "reverse → a rep clears Ann",
        "reverse → forward → reverse → a rep clears Ann",
        "a rep clears Ann → forward → reverse",
        "reverse → a rep clears Ann's customer → forward → reverse → a rep clears Ann's contact",
        "webhooks are lost → a rep clears Ann → forward → reverse",
    ],
)
def test_a_wish_that_is_withdrawn_after_the_person_moved_takes_its_flags_with_it(world, story):
    scene = played(world, f"a rep flags Ann → forward → reverse → Ann moves to anna@ → {story}")
    assert (scene.flag("Ann"), world.status(ANNA)) == ("clear", "unsubscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize("order", ["forward → reverse", "reverse → forward"])
def test_an_opt_out_under_an_untold_address_reaches_rows_that_a_rep_has_corrected_since(world, order):
    story = "Ann moves to anna@ → Ann leaves → webhooks are lost → a rep corrects Ann to annie@"
    scene = played(world, f"{story} → {order}")
    assert (scene.flag("Ann"), addresses(scene, "Ann")) == ("set", {"annie@example.com"})
    assert world.status("annie@example.com") == "unsubscribed"


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("a rep merges Ann into Bob", "Bob's second contact"),
        ("a rep merges Ann into Bob and deletes the rest", "Bob's second contact"),
        ("a rep moves Ann to the other company", "Ann"),
        ("a rep swaps Ann's and Bob's addresses", "Ann"),
    ],
)
@pytest.mark.parametrize("told", ["Ann leaves → webhooks are lost", "webhooks are lost → Ann leaves"])
def test_an_opt_out_under_an_untold_address_reaches_rows_that_came_in_the_place_of_others(
    world, told, change, name
):
    scene = played(world, f"Ann moves to anna@ → {told} → {change}")
    assert scene.flag(name) == "set"


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.parametrize("verb", ["leaves", "complains"])
@pytest.mark.parametrize("order", ["reverse → forward", "forward → reverse"])
def test_the_opt_out_of_whoever_took_a_left_address_is_theirs_alone(world, verb, order):
    story = f"Ann moves to anna@ → Bob moves to ann@ → Bob {verb} → webhooks are lost → {order}"
    scene = played(world, story)
    assert (scene.flag("Ann"), addresses(scene, "Ann"), world.status(ANNA)) == ("clear", {ANNA}, "subscribed")
    assert (scene.flag("Bob"), addresses(scene, "Bob"), world.status(ANN)) == ("set", {ANN}, "unsubscribed")


@pytest.mark.rule("R1")
def test_the_wish_about_a_row_with_a_left_address_unsubscribes_nobody_who_took_it(world):
    story = "Ann moves to anna@ → Bob moves to ann@ → webhooks are lost → a rep flags Ann → forward"
    scene = played(world, story)
    assert (scene.flag("Ann"), world.status(ANNA)) == ("set", "unsubscribed")
    assert (scene.flag("Bob"), world.status(ANN)) == ("clear", "subscribed")


@pytest.mark.rule("R8")
def test_an_edit_of_a_row_whose_address_was_left_travels_once_the_row_has_the_new_one(world):
    story = "Ann moves to anna@ → webhooks are lost → a rep writes company Acme for Ann's customer → forward"
    scene = played(world, story)
    assert (addresses(scene, "Ann"), world.status(ANN)) == ({ANNA}, "none")
    assert world.fields(ANNA)["COMPANY"] == "Acme"


@pytest.mark.rule("R8")
def test_a_move_that_its_webhook_tells_after_a_listing_has_shown_it_changes_nothing_twice(world):
    scene = begun(world)
    scene.play("Ann moves to anna@ → Bob moves to ann@ → webhooks are held → forward → reverse")
    scene.play("webhooks arrive reversed")
    assert scene.settle() == []
    assert (addresses(scene, "Ann"), addresses(scene, "Bob")) == ({ANNA}, {ANN})


# Rows that come in the place of others


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_another_person_under_the_key_of_a_deleted_row_inherits_no_opt_out(world):
    scene = begun(world)
    scene.play("Ann leaves → reverse → forward → a rep deletes Ann → a rep adds Ann with eve@")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status("eve@example.com")) == ("clear", "subscribed")
    assert world.status(ANN) == "unsubscribed"
    scene.play("a rep flags Ann's contact")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status("eve@example.com")) == ("set", "unsubscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize("order", ["reverse", "forward → reverse"])
def test_an_opt_out_does_not_reach_a_row_that_got_the_key_of_its_own(world, order):
    scene = begun(world)
    scene.play("a rep deletes Ann → a rep adds Ann with eve@")
    world.leave(ANN)
    scene.play(order)
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status("eve@example.com")) == ("clear", "subscribed")
    assert [letter["subject"] for letter in world.dead_letters()] == [ANN]
