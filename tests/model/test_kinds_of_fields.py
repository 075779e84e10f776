"""One person with a merge field of every kind, mapped by one line each way: edits, conflicts, refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pipelines
import pytest
from vendors import Vendors, running
from world import World, contact

pytestmark = pytest.mark.rule("R8")

ANN = "ann@example.com"
ROW = contact(1)
UD_COLUMNS = """Text_c Site_c Logo_c Tier_c Size_c Post_c Birth_c Born_c Mobile_c Desk_c Number_c Day_c
    Whole_c:int Amount_c:dec Since_c:when Met_c:when Agreed_c:bool Mailing_c:bool"""
START, PERSON, REP = range(3)
Value = Any


@dataclass(frozen=True)
class Kind:
    """A column with its merge field, and values that mean the same on both sides.

    Attributes:
        type: Of the merge field.
        column: Its type stands in `UD_COLUMNS`.
        values: Of Epicor and of Mailchimp: at the start, as a person writes them, as a rep does.
        options: Of the merge field.
    """

    type: str
    column: str
    values: tuple[tuple[Value, Value], ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def edm_type(self) -> str:
        """The type of the column, as `UD_COLUMNS` writes it; empty for a text."""
        return next(word for word in UD_COLUMNS.split() if word.startswith(self.column))[
            len(self.column) + 1 :
        ]

    @property
    def tag(self) -> str:
        return self.column.removesuffix("_c").upper()

    def same(self, shown: Value, wanted: Value) -> bool:
        """Compare values of Epicor: of a time, Mailchimp tells the day alone."""
        return bool(str(shown)[:10] == str(wanted)[:10] if self.edm_type == "when" else shown == wanted)


def same_on_both(*values: Value) -> tuple[tuple[Value, Value], ...]:
    return tuple((value, value) for value in values)


DAYS = ("2026-01-31", "2026-02-01", "2026-11-02")
DAY_FIRST = {"date_format": "DD/MM/YYYY"}
LEVELS = {"choices": ["Bronze", "Silver & Gold", "Platinum"]}
CASES = (("bronze", "Bronze"), ("Silver & Gold", "Silver & Gold"), ("PLATINUM ", "Platinum"))
SITES = ("http://b.example", "https://c.example/?a=1&b=2")
IMAGES = ("https://example.com/b.png", "https://example.com/c.png")
BIRTHDAYS = (("31/1", "31/01"), ("01/02", "01/02"), ("4/3", "04/03"))
NUMBERS = ("(404) 555-0100", "(404) 555-0101", "(404) 555-0102")
CALLED = tuple(zip(("404-555-0100", NUMBERS[1], "+1 404 555 0102"), NUMBERS, strict=True))
KINDS = (
    Kind("text", "Text_c", (("Smith & Sons ", "Smith & Sons "), ("A", "A"), ("B\r\nC", "B\r\nC"))),
    Kind("text", "Agreed_c", ((False, "false"), (True, "true"), (True, "true"))),
    Kind("number", "Whole_c", same_on_both(5, 6, 7)),
    Kind("number", "Amount_c", same_on_both(5.5, 6, 7.25)),
    Kind("number", "Number_c", (("5.00", 5), ("6", 6), ("7.50", 7.5))),
    Kind("date", "Since_c", tuple((f"{day}T00:00:00-06:00", day) for day in DAYS)),
    Kind("date", "Met_c", tuple((f"{day}T18:30:00-06:00", day) for day in DAYS), DAY_FIRST),
    Kind("date", "Day_c", (("03/04/2026", "2026-04-03"), *same_on_both(*DAYS[1:])), DAY_FIRST),
    Kind("birthday", "Birth_c", (("1/31", "01/31"), ("02/01", "02/01"), ("3/4", "03/04"))),
    Kind("birthday", "Born_c", BIRTHDAYS, {"date_format": "DD/MM"}),
    Kind("dropdown", "Tier_c", CASES, LEVELS),
    Kind("radio", "Size_c", CASES, LEVELS),
    Kind("dropdown", "Mailing_c", ((True, "Yes"), (False, "No"), (False, "No")), {"choices": ["Yes", "No"]}),
    Kind("url", "Site_c", (("www.example.com", "http://www.example.com"), *same_on_both(*SITES))),
    Kind("imageurl", "Logo_c", (("example.com/a", "http://example.com/a"), *same_on_both(*IMAGES))),
    Kind("zip", "Post_c", (("62701-1234", "62701"), ("10001", "10001"), ("02134-0001", "02134"))),
    Kind("phone", "Mobile_c", CALLED, {"phone_format": "US"}),
    Kind("phone", "Desk_c", (("+49 30 12 ", "+49 30 12"), *same_on_both("+49 30 13", "030/14"))),
)
EMPTY = {"int": 0, "dec": 0, "bool": False, "when": None}
HARSH = {"webhook_values": "displayed", "escapes_entities": True, "trims_texts": True}


@pytest.fixture(scope="session")
def tenant() -> Iterator[Vendors]:
    with running(ud_columns={"CustCnt": UD_COLUMNS}) as started:
        yield started


@pytest.fixture
def mapped(
    tenant: Vendors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """Maps columns of contacts to merge fields, both ways, and makes a person with values in them."""

    def made(*kinds: Kind) -> World:
        maps, plugins = copy.deepcopy(pipelines.MAPPINGS), copy.deepcopy(pipelines.PLUGINS)
        contacts = maps["epicor-to-mailchimp"]["stream_maps"]["customer_contacts"]
        for kind in kinds:
            # A day that is emptied is null, which would leave the merge field as it is.
            contacts[kind.tag] = kind.column + (" or ''" if kind.edm_type == "when" else "")
            plugins["tap-epicor-kinetic"]["select"].append(f"customer_contacts.{kind.column}")
            plugins["target-mailchimp"]["config"]["two_way_fields"].append(kind.tag)
            plugins["target-epicor-contacts"]["config"]["merge_fields"][kind.column] = kind.tag
        monkeypatch.setattr(pipelines, "MAPPINGS", maps)
        monkeypatch.setattr(pipelines, "PLUGINS", plugins)
        world = World(tenant, tmp_path)
        world._runner.catalogs = {}
        for kind in kinds:
            tenant.audience().add_merge_field(kind.tag, kind.tag.title(), kind.type, options=kind.options)
        world.person(1, ANN)
        world.edit(ROW, **{kind.column: kind.values[START][0] for kind in kinds})
        world.settle()
        return world

    before = tenant.kinetic.switches
    yield made
    tenant.kinetic.switches = before


@pytest.fixture(params=["as stored", "as displayed"])
def world(request: pytest.FixtureRequest, mapped: Callable[..., World], tenant: Vendors) -> World:
    """A person with all kinds; webhooks tell values as the API does, or as a profile page shows them."""
    made = mapped(*KINDS)
    tenant.kinetic.switches = tenant.kinetic.switches.turned(day_columns=("CustCnt.Since_c",))
    if request.param == "as displayed":
        made.signed = True
        made.vendors.switch(**HARSH)
        for settings in made.targets.values():
            settings["conflict_policy"] = "epicor_wins"
    return made


def rep_writes(world: World, number: int) -> None:
    world.edit(ROW, **{kind.column: kind.values[number][0] for kind in KINDS})


def person_writes(world: World, number: int) -> None:
    world.profile(ANN, **{kind.tag: kind.values[number][1] for kind in KINDS})


def differences(world: World, number: int) -> dict[str, Any]:
    """What both sides show where that is not a value of the table."""
    row, fields = world.row(ROW), world.fields(ANN)
    found = {}
    for kind in KINDS:
        epicor, mailchimp = kind.values[number]
        shown = fields.get(kind.tag, "")
        is_text = isinstance(shown, str) and isinstance(mailchimp, str)
        if not kind.same(row[kind.column], epicor) or (
            shown.strip() != mailchimp.strip() if is_text else shown != mailchimp
        ):
            found[kind.column] = (row[kind.column], shown)
    return found


def third_round(world: World) -> list[str]:
    """The writes of a round after quiet."""
    world.vendors.clear_logs()
    world.settle(rounds=1)
    return world.vendors.writes()


def there_and_back(act: Callable[[World, int], None], number: int) -> Callable[[World], None]:
    def play(world: World) -> None:
        for step in (number, START, number):
            act(world, step)
            world.settle(rounds=1)

    return play


def lose_audit_database(world: World) -> None:
    world.lose_audit_database()
    world.profile(ANN, FNAME="Other")


def write_at_once(world: World, person: int, rep: int) -> None:
    person_writes(world, person)
    rep_writes(world, rep)


STORIES: Mapping[str, tuple[Callable[[World], None], int]] = {
    "nothing": (lambda _: None, START),
    "another field is edited": (lambda world: world.profile(ANN, FNAME="Other"), START),
    "a person edits": (lambda world: person_writes(world, PERSON), PERSON),
    "a rep edits": (lambda world: rep_writes(world, REP), REP),
    "a person edits there and back": (there_and_back(person_writes, PERSON), PERSON),
    "a rep edits there and back": (there_and_back(rep_writes, REP), REP),
    "both edit to the same": (lambda world: write_at_once(world, REP, REP), REP),
    "both edit": (lambda world: write_at_once(world, PERSON, REP), -1),
    "the audit database is lost": (lose_audit_database, START),
}


@pytest.mark.parametrize("story", STORIES)
def test_both_sides_agree_after_two_rounds_and_a_third_one_is_silent(world: World, story: str) -> None:
    play, number = STORIES[story]
    play(world)
    world.settle()
    wins = world.targets["reverse"].get("conflict_policy", "mailchimp_wins")
    number = number if number >= 0 else REP if wins == "epicor_wins" else PERSON
    assert (third_round(world), differences(world, number)) == ([], {})


def test_what_a_rep_empties_is_emptied_in_mailchimp(world: World) -> None:
    world.edit(ROW, **{kind.column: EMPTY.get(kind.edm_type, "") for kind in KINDS})
    world.settle()
    assert third_round(world) == []
    left = {kind.tag: world.fields(ANN).get(kind.tag, "") for kind in KINDS}
    assert {tag: value for tag, value in left.items() if value not in ("", 0, "false", "No")} == {}


@pytest.mark.parametrize("clears", [False, True])
def test_what_a_person_empties_stays_in_epicor_unless_it_may_be_cleared(world: World, clears: bool) -> None:
    world.targets["reverse"]["allow_clear"] = clears
    world.profile(ANN, **{kind.tag: "" for kind in KINDS})
    world.settle()
    assert third_round(world) == []
    row = world.row(ROW)
    for kind in KINDS:
        wanted = EMPTY.get(kind.edm_type, "") if clears else kind.values[START][0]
        assert kind.same(row[kind.column], wanted)
    rep_writes(world, REP)
    world.settle()
    assert (third_round(world), differences(world, REP)) == ([], {})


OVER_LONG = "longer than its column"
REFUSED = {
    OVER_LONG: Kind("text", "Text_c", same_on_both("A", "x" * 60, "B")),
    "not a whole number": Kind("number", "Whole_c", same_on_both(5, 5.5, 7)),
    "beyond 32 bits": Kind("number", "Whole_c", same_on_both(5, 3_000_000_000, 7)),
    "a day without a year": Kind(
        "birthday", "Since_c", (("1980-01-31", "01/31"), ("", "02/01"), ("1980-01-31", "01/31"))
    ),
    "neither yes nor no": Kind("text", "Mailing_c", ((True, "true"), (True, "perhaps"), (False, "false"))),
    "damaged": Kind("text", "Desk_c", same_on_both("A", "B &amp;#38; C", "D")),
}
"""Values of a person that a column does not take."""


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    ("told", "server"),
    [*((told, "tells lengths") for told in REFUSED), (OVER_LONG, "refuses"), (OVER_LONG, "cuts")],
)
def test_what_does_not_fit_is_refused_once_and_keeps_no_other_field(
    mapped: Callable[..., World], tenant: Vendors, told: str, server: str
) -> None:
    kind = REFUSED[told]
    tenant.kinetic.switches = tenant.kinetic.switches.turned(
        column_lengths={"CustCnt.Text_c": 30},
        metadata_max_length=server == "tells lengths",
        over_long="cut" if server == "cuts" else "refused",
    )
    world = mapped(kind)
    world.signed = True
    before = world.row(ROW)[kind.column]
    world.profile(ANN, **{kind.tag: kind.values[PERSON][1]})
    world.settle()
    for name in ("One", "Two"):
        world.profile(ANN, FNAME=name)
        world.settle()
    assert third_round(world) == []
    row = world.row(ROW)
    cut = str(kind.values[PERSON][1])[:30]
    assert (row["FirstName"], row[kind.column] in (before, cut)) == ("Two", True)
    assert [row["action"] for row in world.decisions()].count("failed") == 1
    # Another value that fits is taken.
    world.profile(ANN, **{kind.tag: kind.values[REP][1]})
    world.settle()
    assert third_round(world) == []
    assert kind.same(world.row(ROW)[kind.column], kind.values[REP][0])


LEVEL = Kind("dropdown", "Tier_c", CASES, LEVELS)


def redefine(world: World, **changes: Any) -> None:
    """Change the definition of the merge field, as an admin does."""
    fields = world.vendors.audience().merge_fields
    [old] = [one for one in fields if one.tag == LEVEL.tag]
    fields[fields.index(old)] = replace(old, **changes)
    world.wait()


def require(world: World) -> None:
    redefine(world, required=True)
    world.profile(ANN, TIER="")


def rename(world: World) -> None:
    redefine(world, tag="LEVEL")
    world.vendors.audience().rename_values("TIER", "LEVEL")


def make_again(world: World) -> None:
    audience = world.vendors.audience()
    redefine(world, merge_id=99, type="number", options={})
    audience.rename_values("TIER", None)


def take_choices_away(world: World) -> None:
    redefine(world, options={"choices": ["Bronze"]})


def put_choice_beyond(world: World) -> None:
    world.edit(ROW, Tier_c="Gold")


CHANGED: Mapping[str, tuple[Callable[[World], None], str, str]] = {
    "required, and emptied": (require, "bronze", ""),
    # `create_merge_fields` makes the old one again, as a text.
    "renamed": (rename, "bronze", "bronze"),
    "made again with another type": (make_again, "bronze", ""),
    "with fewer choices": (take_choices_away, "bronze", "Bronze"),
    "given a value that is no choice": (put_choice_beyond, "Gold", "Bronze"),
}
"""What becomes of a field, and its value in Epicor and Mailchimp afterwards."""


@pytest.mark.parametrize("change", CHANGED)
def test_a_field_that_changes_in_mailchimp_loses_no_value_and_stops_no_other(
    mapped: Callable[..., World], change: str
) -> None:
    world = mapped(LEVEL)
    act, epicor, mailchimp = CHANGED[change]
    act(world)
    world.settle()
    world.profile(ANN, LNAME="Person")
    world.edit(ROW, FirstName="Rep")
    world.settle()
    row, fields = world.row(ROW), world.fields(ANN)
    assert third_round(world) == []
    assert (row["FirstName"], row["LastName"], fields["FNAME"], fields["LNAME"]) == ("Rep", "Person") * 2
    assert (row["Tier_c"], fields.get("TIER", "")) == (epicor, mailchimp)
