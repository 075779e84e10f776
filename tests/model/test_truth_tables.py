"""The tables of docs/consent.md, played line by line."""

from __future__ import annotations

import pytest
from play import begun
from tables import differences, expected, lines
from world import World, contact, customer

CONSENT, FIELDS = list(lines("Consent")), list(lines("Fields"))
COLUMN_OF = {"FNAME": (contact(1), "FirstName"), "COMPANY": (customer(1), "Name")}


def told_by(table: list[dict[str, str]]) -> pytest.MarkDecorator:
    """Play a test for each line of a table."""
    return pytest.mark.parametrize("line", table, ids=[line["What happens"] for line in table])


both_kinds = pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R7")
@both_kinds
@told_by(CONSENT)
def test_consent(line: dict[str, str], signed: bool, world: World) -> None:
    world.signed = signed
    scene = begun(world)
    scene.play(line["What happens"])
    wrong = scene.settle()
    assert differences(scene, *expected(line, audit_lost=False)) + wrong == []


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@told_by(CONSENT)
def test_consent_without_the_audit_database(line: dict[str, str], world: World) -> None:
    scene = begun(world)
    scene.play(line["What happens"])
    world.lose_audit_database()
    scene.settle()
    told = expected(line, audit_lost=True)
    assert differences(scene, *told) + scene.truth.faults == []


@pytest.mark.rule("R8")
@both_kinds
@told_by(FIELDS)
def test_fields(line: dict[str, str], signed: bool, world: World) -> None:
    world.signed = signed
    scene = begun(world)
    scene.play(line["What happens"])
    wrong = scene.settle()
    row, column = COLUMN_OF[line["Field"]]
    shown = {
        "Epicor": world.row(row)[column],
        "Mailchimp": world.fields(world.row(row)["EMailAddress"]).get(line["Field"]),
    }
    assert shown == dict.fromkeys(shown, line["Both show"])
    assert wrong == []
