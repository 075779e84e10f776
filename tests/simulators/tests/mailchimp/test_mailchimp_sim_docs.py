"""The page about the simulator names everything that can be switched or done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from simulators.mailchimp.consent import Standing
from simulators.mailchimp.people import ACTS
from simulators.mailchimp.switches import Switches

PAGE = Path(__file__).parents[4] / "docs" / "simulators-mailchimp.md"
NAMES = [
    *(field.name for field in dataclasses.fields(Switches)),
    *ACTS,
    *(standing.name.lower() for standing in Standing),
]


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_the_page_names(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
