from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

from simulators.common.faults import Effect, Kind, Match
from simulators.epicor.switches import Switches

PAGE = (Path(__file__).parents[4] / "docs" / "simulators-epicor.md").read_text()


def test_the_page_names_every_switch() -> None:
    assert [f.name for f in fields(Switches) if f"`{f.name}`" not in PAGE] == []


def test_the_page_names_every_fault() -> None:
    names = [*get_args(Kind), *(f.name for c in (Match, Effect) for f in fields(c) if f.name != "kind")]
    assert [name for name in names if f"`{name}`" not in PAGE] == []
