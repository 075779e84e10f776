"""A copy of an opening must be as good as the opening."""

from __future__ import annotations

from typing import Any

from opening import Opening
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
