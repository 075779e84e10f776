"""The tables of docs/consent.md, played line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import open_items
import pytest
from play import Scene
from tables import differences, expected, lines
from world import World, contact, customer

CONSENT, FIELDS = list(lines("Consent")), list(lines("Fields"))
COLUMN_OF = {"FNAME": (contact(1), "FirstName"), "COMPANY": (customer(1), "Name")}


def marked(table: Iterable[dict[str, str]], still_open: Mapping[str, int]) -> list[Any]:
    """The lines of a table as parameters; what is not mended yet must fail."""
    found = []
    for line in table:
        story = line["What happens"]
        item = still_open.get(story)
        marks = [pytest.mark.xfail(strict=True, reason=f"issue 13, item {item}")] if item else []
        found.append(pytest.param(line, id=story, marks=marks))
    return found


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R7")
@pytest.mark.parametrize("line", marked(CONSENT, open_items.CONSENT))
def test_consent(line: dict[str, str], world: World) -> None:
    scene = Scene(world)
    scene.play(line["What happens"])
    wrong = scene.settle()
    assert differences(scene, *expected(line, audit_lost=False)) + wrong == []


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.parametrize("line", marked(CONSENT, open_items.CONSENT_WITHOUT_THE_AUDIT_DATABASE))
def test_consent_without_the_audit_database(line: dict[str, str], world: World) -> None:
    scene = Scene(world)
    scene.play(line["What happens"])
    world.lose_audit_database()
    scene.settle()
    told = expected(line, audit_lost=True)
    assert differences(scene, *told) + scene.truth.faults == []


@pytest.mark.rule("R8")
@pytest.mark.parametrize("line", marked(FIELDS, open_items.FIELDS))
def test_fields(line: dict[str, str], world: World) -> None:
    scene = Scene(world)
    scene.play(line["What happens"])
    wrong = scene.settle()
    row, column = COLUMN_OF[line["Field"]]
    shown = {
        "Epicor": world.row(row)[column],
        "Mailchimp": world.fields(world.row(row)["EMailAddress"]).get(line["Field"]),
    }
    assert shown == dict.fromkeys(shown, line["Both show"])
    assert wrong == []
