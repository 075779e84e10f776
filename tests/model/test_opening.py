"""A copy of an opening must be as good as the opening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opening import Opening, surroundings
from play import Scene
from world import World

STORY = "Ann leaves → a rep writes Bea for Bob's contact → reverse → a rep adds Eve with eve@ → forward"


def _end(scene: Scene) -> list[Any]:
    scene.play(STORY)
    assert scene.settle() == []
    world = scene.world
    rows = [(name, world.row(name)) for name in world.rows()]
    decisions = [(row["action"], row["reason"], row["subject"]) for row in world.decisions()]
    return [
        [(name, row["FirstName"] if name[2] else row["Name"], row["NoContact"]) for name, row in rows],
        [world.member(row["EMailAddress"]) for _, row in rows],
        decisions,
    ]


def test_a_story_ends_the_same_after_a_copy_of_its_opening(vendors, tmp_path):
    folders = [tmp_path / name for name in ("opened", "kept", "played", "copied")]
    for folder in folders:
        folder.mkdir()
    opened, kept, played, copied = folders
    opening = Opening.of(Scene(World(vendors, opened)).world, kept)
    assert _end(Scene(World(vendors, copied), opening)) == _end(Scene(World(vendors, played)))


def test_worlds_that_are_set_up_alike_share_an_opening(vendors, tmp_path):
    one, other = (surroundings(World(vendors, tmp_path)) for _ in range(2))
    assert one == other != ""


SET_UPS: dict[str, Callable[[World], object]] = {
    "a target": lambda world: world.targets["forward"].update(batch_size=1),
    "a tap": lambda world: world.settings["reverse"].update(catch_up_scope="all_changes"),
    "a switch": lambda world: world.vendors.switch(sms_events=True),
    "webhooks": lambda world: setattr(world, "signed", True),
    "an audience": lambda world: setattr(world.vendors.audience(), "double_optin", True),
}


@pytest.mark.parametrize("what", SET_UPS)
def test_a_world_that_is_set_up_otherwise_has_an_opening_of_its_own(world: World, what: str) -> None:
    usual = surroundings(world)
    SET_UPS[what](world)
    assert surroundings(world) not in ("", usual)


def test_a_world_in_which_something_happened_copies_nothing(world):
    world.person(1, "ann@example.com")
    assert surroundings(world) == ""
