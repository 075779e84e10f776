"""Where an opt-out of one audience counts, and the status of each in a column: rules and settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.audience_matrix import counted_namespace
from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.kit.errors import ConfigurationError
from target_epicor_contacts.contract.contact_update import parse_update
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CUSTOMER, EpicorRow
from target_epicor_contacts.reconcile.comparison import compare
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.plan import plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.person_state import PersonState

Update = Callable[..., dict[str, Any]]
PAT = "pat@example.com"
COMPANIES = {"C1": ("a",), "C2": ("b",), "C3": ("a", "b", "c"), "C4": ()}
COUNTS = {"a": ("b",), "b": (), "c": ("a",)}
COLUMNS = Columns(
    {
        "Customer": {
            "EMailAddress": "Edm.String",
            "NoContact": "Edm.Boolean",
            "A_c": "Edm.String",
            "B_c": "Edm.Boolean",
        }
    }
)


class World:
    """A row of one person in each company."""

    def __init__(self, **rules: Any) -> None:
        self.rules = Rules(columns=COLUMNS, audiences_by_company=COMPANIES, **rules)
        self.states: dict[str, PersonState] = {}
        self.flags: dict[str, FlagState] = {}
        empty = {"EMailAddress": PAT, "NoContact": False, "A_c": "", "B_c": False}
        rows = [EpicorRow(CUSTOMER, {"Company": company, "CustNum": 1, **empty}) for company in COMPANIES]
        self.rows = {row.id: row for row in rows}

    def apply(self, record: Mapping[str, Any]) -> EventPlan:
        update = parse_update("s", record)
        planned = plan([update], self.rows.values(), self.states, self.rules, self.flags)
        for row_id, changes in planned.writes.items():
            self.rows[row_id] = self.rows[row_id].with_changes(changes)
        self.states = {key: PersonState.from_json(state.to_json()) for key, state in planned.states.items()}
        self.flags = dict(planned.flags)
        return planned.events[0]

    def edit(self, company: str, **values: Any) -> None:
        self.rows[f"{company}/Customer/1"] = self.rows[f"{company}/Customer/1"].with_changes(values)

    def having(self, column: str, value: Any) -> set[str]:
        return {row.company for row in self.rows.values() if row.values[column] == value}


def steps(world: World, update: Update, story: str) -> EventPlan:
    """Play a story such as `-a +b !a`: who leaves an audience, joins it, or complains in it."""
    status = {"-": "unsubscribed", "+": "subscribed", "!": "complaint", "~": "cleaned"}
    for second, step in enumerate(story.split()):
        event = world.apply(update(PAT, status[step[0]], second=second, list_id=step[1:]))
    return event


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    ("story", "flagged", "counts_in"),
    [
        ("-a", "C1 C2 C3", "b"),
        ("-b", "C2 C3", ""),
        ("-c", "C1 C2 C3", "a b"),
        ("-a +a", "C2 C3", ""),
        ("-a +a +b", "", ""),
        ("-a +b", "C1 C3", ""),
        ("-b -a", "C1 C2 C3", ""),
        ("-a -b", "C1 C2 C3", ""),
        ("-a +a +b -a", "C1 C2 C3", "b"),
        ("-c +c", "C1 C2 C3", ""),
        ("!b", "C1 C2 C3 C4", ""),
        ("~b", "C1 C2 C3 C4", ""),
        ("~a", "C1 C2 C3 C4", ""),
        ("-elsewhere", "C1 C2 C3 C4", ""),
        ("-", "C1 C2 C3 C4", ""),
    ],
)
def test_an_opt_out_flags_the_companies_in_whose_audiences_it_counts(
    update: Update, story: str, flagged: str, counts_in: str
) -> None:
    world = World(opt_outs_count_in=COUNTS)
    event = steps(world, update, story)
    assert world.having("NoContact", value=True) == set(flagged.split())
    assert event.counts_in == set(counts_in.split())


@pytest.mark.parametrize("story", ["-a", "-b", "-a +b", "-a -b +a"])
def test_without_the_setting_every_company_is_flagged(update: Update, story: str) -> None:
    world = World()
    event = steps(world, update, story)
    assert world.having("NoContact", value=True) == set(COMPANIES)
    assert event.counts_in == frozenset()


@pytest.mark.rule("R1")
def test_a_flag_of_a_rep_stays_where_no_opt_out_of_the_person_reaches(update: Update) -> None:
    world = World(opt_outs_count_in=COUNTS)
    world.edit("C1", NoContact=True)
    steps(world, update, "-a +a +b")
    assert world.having("NoContact", value=True) == {"C1"}


@pytest.mark.rule("R2")
def test_a_repair_and_a_comparison_look_where_the_opt_out_counts(update: Update) -> None:
    world = World(opt_outs_count_in=COUNTS)
    record = update(PAT, "unsubscribed", list_id="b")
    [event] = compare([parse_update("s", record)], world.rows.values(), world.rules.comparing())
    assert {change.row_id for change in event.changes} == {"C2/Customer/1", "C3/Customer/1"}
    world.apply({**record, "occurred_at": "2026-03-01T19:00:00Z"})
    world.rules = replace(world.rules, repair=True)
    world.apply(update(PAT, "unsubscribed", list_id="a"))
    assert world.having("NoContact", value=True) == {"C1", "C2", "C3"}


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("story", "text", "is_out"),
    [
        ("-a", "unsubscribed", False),
        ("-a +a", "subscribed", False),
        ("~a", "cleaned", False),
        ("!a -a", "complaint", False),
        ("!a +a", "subscribed", False),
        ("-b", "", True),
        ("-a -b +a", "subscribed", True),
        ("-b +b", "", False),
        ("+a", "subscribed", False),
    ],
)
def test_each_column_has_the_newest_status_of_its_audience(
    update: Update, story: str, text: str, is_out: bool
) -> None:
    world = World(audience_columns={"a": "A_c", "b": "B_c"})
    steps(world, update, story)
    assert world.having("A_c", text) == world.having("B_c", is_out) == set(COMPANIES)


@pytest.mark.rule("R7")
def test_an_older_event_of_an_audience_changes_its_column_no_more(update: Update) -> None:
    world = World(audience_columns={"a": "A_c", "b": "B_c"})
    world.apply(update(PAT, "subscribed", second=9, list_id="b"))
    late = world.apply(update(PAT, "unsubscribed", second=5, list_id="b"))
    assert (world.having("B_c", value=True), late.superseded["audience_status"]) == (set(), "newer_event")
    world.apply(update(PAT, "unsubscribed", second=5, list_id="a"))
    assert world.having("A_c", "unsubscribed") == set(COMPANIES)


@pytest.mark.rule("R1")
def test_an_opt_out_that_a_rep_wrote_into_a_column_is_not_taken_back(update: Update) -> None:
    world = World(audience_columns={"a": "A_c", "b": "B_c"})
    world.edit("C1", A_c="unsubscribed", B_c=True)
    steps(world, update, "-a -b +a")
    event = steps(world, update, "-a -b +a -b +b")
    assert world.having("A_c", "unsubscribed") == world.having("B_c", value=True) == {"C1"}
    assert event.flag_kept == {"C1/Customer/1"}


def test_a_row_that_comes_later_gets_the_status_with_the_next_event(update: Update) -> None:
    world = World(audience_columns={"a": "A_c"})
    steps(world, update, "-a")
    world.edit("C2", A_c="")
    world.apply(update(PAT, second=9, list_id="a", type="profile"))
    assert world.having("A_c", "unsubscribed") == set(COMPANIES)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"audiences_by_company": {"EPIC06": [], "EPIC07": []}}, "feeds an audience"),
        ({"opt_outs_count_in": {"a": []}}, "`opt_outs_count_in` names audience a.*Known are: none"),
        (
            {
                "audiences_by_company": {"EPIC06": ["audience"]},
                "opt_outs_count_in": {"audience": ["audiense"]},
            },
            "names audience audiense, .* Is audience meant",
        ),
        (
            {"audiences_by_company": {"EPIC06": ["a", "b"]}, "opt_outs_count_in": {"a": ["b"]}},
            r"says nothing about audience b. Write `b: \[\]`",
        ),
        (
            {"audiences_by_company": {"EPIC06": ["a"]}, "audience_columns": {"b": "B_c"}},
            "`audience_columns` names audience b",
        ),
    ],
)
def test_what_contradicts_the_audiences_of_companies_is_said_at_the_start(
    wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        WriteSettings.from_config(wrong)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"EPIC06": ["a"]}, r"says nothing about company EPIC07.*`EPIC07: \[\]`"),
        ({"EPIC06": ["a"], "EPIC7": ["a"]}, "says nothing about company EPIC07.* Is EPIC7 meant"),
        (
            {"EPIC06": ["a"], "EPIC07": [], "EPIC08": ["a"]},
            "names company EPIC08, which `companies` does not",
        ),
    ],
)
def test_companies_and_the_audiences_of_companies_agree(
    bench: Any, update: Update, wrong: dict[str, list[str]], words: str
) -> None:
    _, error = bench.attempt(update(PAT, "unsubscribed"), audiences_by_company=wrong)
    assert error is not None
    with pytest.raises(ConfigurationError, match=words):
        raise error


@pytest.mark.rule("R10")
def test_a_column_that_is_missing_or_of_another_type_is_said_at_the_start(bench: Any, update: Update) -> None:
    for column, words in (("Dealers_c", "there is no such column"), ("MC_StatusDate_c", "column of type")):
        _, error = bench.attempt(update(PAT, "unsubscribed"), audience_columns={"a": column})
        assert error is not None
        with pytest.raises(ConfigurationError, match=f"`audience_columns`.*{words}"):
            raise error


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "settings",
    [
        {"audience_columns": {"a": "NoContact"}},  # who comes back to one audience is out of another
        {"audience_columns": {"a": "MC_Status_c", "b": "MC_Status_c"}},
        {"status_column": "MC_Status_c", "result_columns": {"last_campaign": "MC_Status_c"}},
    ],
)
def test_no_column_is_written_by_two_settings(bench: Any, update: Update, settings: dict[str, Any]) -> None:
    _, error = bench.attempt(update(PAT, "unsubscribed"), **settings)
    assert error is not None
    with pytest.raises(ConfigurationError, match=r"Several settings write `(NoContact|MC_Status_c)`"):
        raise error


@pytest.mark.rule("R2")
def test_an_opt_out_is_handed_over_with_its_decision_and_a_return_takes_it_back(
    bench: Any, update: Update
) -> None:
    settings: dict[str, Any] = {
        "audiences_by_company": {"EPIC06": ["a"], "EPIC07": ["b"]},
        "opt_outs_count_in": {"a": ["b"], "b": []},
    }

    def waiting() -> dict[str, Any]:
        with AuditTrail.open(bench.audit_url) as trail:
            return dict(trail.ledger(counted_namespace("b")).items())

    bench.deliver(update(PAT, "unsubscribed", list_id="a"), dry_run=True, **settings)
    assert waiting() == {}
    bench.deliver(update(PAT, "unsubscribed", list_id="a"), **settings)
    assert waiting() == {PAT: {"address": PAT, "audience": "a", "at": "2026-03-01T18:00:00.000000Z"}}
    bench.deliver(update(PAT, "subscribed", second=9, list_id="b"), **settings)
    assert waiting() == {}


@pytest.mark.rule("R2")
def test_what_a_column_does_not_store_is_a_dead_letter_and_the_flag_is_written(
    bench: Any, update: Update
) -> None:
    row, columns = "EPIC06/CustCnt/1//1", {"a": "MC_Campaign_c"}
    bench.edit(row, EMailAddress=PAT, PerConID=0)
    bench.epicor.control.switches(silent_discard=["CustCnt.MC_Campaign_c"])
    bench.deliver(update(PAT, "unsubscribed", list_id="a"), audience_columns=columns)
    [decision] = bench.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "not_stored")
    assert row in bench.flagged()
    bench.epicor.control.switches(silent_discard=[])
    bench.deliver(json.loads(decision["dead_letter"]), audience_columns=columns)
    assert bench.all_rows()[row]["MC_Campaign_c"] == "unsubscribed"


def test_a_dry_run_writes_no_column(bench: Any, update: Update) -> None:
    row = "EPIC06/CustCnt/1//1"
    bench.edit(row, EMailAddress=PAT, PerConID=0)
    settings: dict[str, Any] = {"audience_columns": {"a": "MC_Campaign_c"}}
    bench.deliver(update(PAT, "unsubscribed", list_id="a"), dry_run=True, **settings)
    assert bench.all_rows()[row]["MC_Campaign_c"] == ""
    bench.deliver(update(PAT, "unsubscribed", list_id="a"), **settings)
    assert bench.all_rows()[row]["MC_Campaign_c"] == "unsubscribed"
