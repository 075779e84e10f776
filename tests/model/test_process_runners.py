"""One story as processes; `MODEL_RUNS` plays random ones so, or through `meltano run`."""

from __future__ import annotations

from pathlib import Path

import pytest
from play import told
from vendors import Vendors
from world import World, contact

STORY = (
    "Ann leaves → the pipelines' clocks are off by 2 h → reverse is killed after its first write →"
    " a rep writes Bea for Bob's contact → forward, and after its first write: Bob writes Cyd"
)


@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
def test_a_story_holds_as_processes(vendors: Vendors, tmp_path: Path) -> None:
    world = World(vendors, tmp_path, runs_as="processes")
    assert told(world, STORY) == []
    assert world.is_flagged(contact(1))
