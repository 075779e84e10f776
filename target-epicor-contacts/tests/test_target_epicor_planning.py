"""The plan of a batch of events: pure, without a server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy
from target_epicor_contacts.contract.contact_update import ContactUpdate, parse_update, value_of
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, Entity, EpicorRow
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import LinkedPeople
from target_epicor_contacts.rules.plan import plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.state.person_state import PersonState

Update = Callable[..., dict[str, Any]]

TEXTS = (
    "Name",
    "Address1",
    "City",
    "Zip",
    "Country",
    "PhoneNum",
    "EMailAddress",
    "MC_Status_c",
    "MC_Campaign_c",
)
COLUMNS = Columns(
    {
        "CustCnt": {
            **dict.fromkeys((*TEXTS, "FirstName", "MiddleName", "LastName"), "Edm.String"),
            "NoContact": "Edm.Boolean",
            "MC_Score_c": "Edm.Int32",
        },
        "Customer": {**dict.fromkeys(TEXTS, "Edm.String"), "NoContact": "Edm.Boolean"},
    },
    countries=frozenset({"Country"}),
)
PAT, NEW = "pat@example.com", "pat@example.net"


def row(entity: Entity = CONTACT, number: int = 1, **values: Any) -> EpicorRow:
    key = {"Company": "A", "CustNum": number, "ShipToNum": "", "ConNum": 1}
    empty: dict[str, Any] = dict.fromkeys(COLUMNS.types[entity.name], "")
    return EpicorRow(
        entity,
        {
            **empty,
            **{name: key[name] for name in entity.key},
            "NoContact": False,
            "EMailAddress": PAT,
            **values,
        },
    )


class World:
    """Rows and person states that plans are carried out on."""

    def __init__(self, *rows: EpicorRow, **rules: Any) -> None:
        self.rows = {row.id: row for row in rows}
        self.states: dict[str, PersonState] = {}
        self.flags: dict[str, FlagState] = {}
        self.rules = Rules(columns=COLUMNS, **rules)
        self.writes: Mapping[str, Mapping[str, Any]] = {}

    def apply(self, *records: Mapping[str, Any], sent: Mapping[str, Any] | None = None) -> list[EventPlan]:
        updates: list[ContactUpdate] = [
            replace(parse_update("s", record, self.rules.merge_fields), sent=sent or {}) for record in records
        ]
        planned = plan(updates, self.rows.values(), self.states, self.rules, self.flags)
        for row_id, changes in planned.writes.items():
            self.rows[row_id] = self.rows[row_id].with_changes(changes)
        # As the ledger keeps them: only what survives storage counts.
        self.states = {key: PersonState.from_json(state.to_json()) for key, state in planned.states.items()}
        self.flags = {name: FlagState.from_json(flag.to_json()) for name, flag in planned.flags.items()}
        self.writes = planned.writes
        return list(planned.events)

    def values(self, column: str) -> list[Any]:
        return [row.values[column] for row in self.rows.values()]

    def edit(self, column: str, value: Any) -> None:
        self.rows = {row_id: row.with_changes({column: value}) for row_id, row in self.rows.items()}


# Status


@pytest.mark.rule("R2")
@pytest.mark.parametrize("status", ["unsubscribed", "complaint", "cleaned"])
def test_every_opt_out_sets_the_flag(update: Update, status: str) -> None:
    world = World(row(), row(CUSTOMER))
    world.apply(update(PAT, status))
    assert world.values("NoContact") == [True, True]


def test_a_status_without_the_flag_is_a_setting(update: Update) -> None:
    world = World(row(), flag_statuses=(), status_column="MC_Status_c")
    world.apply(update(PAT, "cleaned"))
    assert world.writes == {"A/CustCnt/1//1": {"MC_Status_c": "cleaned"}}


def test_a_consent_column_holds_the_opposite(update: Update) -> None:
    world = World(row(NoContact=True), flag_value=False)
    world.apply(update(PAT, "unsubscribed"))
    assert world.values("NoContact") == [False]


def test_events_of_one_batch_are_applied_by_time_and_only_the_last_state_is_written(update: Update) -> None:
    world = World(row())
    came_back, left = world.apply(update(PAT, "subscribed", second=9), update(PAT, "unsubscribed", second=3))
    assert world.writes == {}
    assert (left.overtaken, left.changes, came_back.overtaken) == (1, (), 0)


@pytest.mark.rule("R7")
def test_equal_times_are_decided_by_the_sequence(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, "unsubscribed", sequence=8))
    [late] = world.apply(update(PAT, "subscribed", sequence=7))
    assert (world.values("NoContact"), late.superseded) == ([True], {"status": "newer_event"})
    world.apply(update(PAT, "subscribed", sequence=9))
    assert world.values("NoContact") == [False]


@pytest.mark.rule("R7")
@pytest.mark.parametrize("order", list(itertools.permutations(["subscribed", "cleaned", "complaint"])))
def test_at_equal_times_without_a_sequence_the_lowest_consent_holds(
    update: Update, order: Sequence[str]
) -> None:
    world = World(row(), status_column="MC_Status_c")
    for status in order:
        world.apply(update(PAT, status))
    assert (world.values("NoContact"), world.values("MC_Status_c")) == ([True], ["complaint"])


@pytest.mark.rule("R1")
def test_a_complaint_stays_a_complaint_under_later_weaker_opt_outs(update: Update) -> None:
    world = World(row(), status_column="MC_Status_c")
    world.apply(update(PAT, "complaint", second=1))
    [weaker] = world.apply(update(PAT, "unsubscribed", second=5))
    [between] = world.apply(update(PAT, "subscribed", second=3))
    assert world.values("MC_Status_c") == ["complaint"]
    assert (weaker.superseded, between.superseded) == (
        {"status": "complaint_outranks"},
        {"status": "newer_event"},
    )
    world.apply(update(PAT, "subscribed", second=6))
    assert (world.values("NoContact"), world.values("MC_Status_c")) == ([False], ["subscribed"])


def test_a_later_profile_event_changes_nothing_about_a_complaint(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, "complaint"))
    world.apply(update(PAT, "subscribed", second=5, type="profile", PhoneNum="1"))
    assert (world.values("NoContact"), world.values("PhoneNum")) == ([True], ["1"])


@pytest.mark.rule("R1")
def test_a_flag_set_by_a_user_is_kept_and_one_of_ours_is_cleared(update: Update) -> None:
    world = World(row(number=1, NoContact=True), row(number=2))
    world.apply(update(PAT, "unsubscribed"))
    [back] = world.apply(update(PAT, "subscribed", second=1))
    assert world.values("NoContact") == [True, False]
    assert back.flag_kept == {"A/CustCnt/1//1"}


@pytest.mark.rule("R1")
def test_a_flag_that_a_user_took_back_and_set_again_is_not_ours_any_more(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, "unsubscribed"))
    world.edit("NoContact", value=False)
    world.apply(update(PAT, "subscribed", second=1))
    world.edit("NoContact", value=True)
    world.apply(update(PAT, "subscribed", second=2))
    assert world.values("NoContact") == [True]


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    ("left", "joined", "flagged"),
    [
        (["news"], ["news"], False),
        (["news"], ["shop"], True),
        (["news", "shop"], ["shop"], True),
        (["news", "shop"], ["shop", "news"], False),
        (["news"], [None], False),
        ([None], ["shop"], False),
    ],
)
def test_a_person_who_joins_an_audience_stays_opted_out_of_the_one_they_left(
    update: Update, left: list[str | None], joined: list[str | None], *, flagged: bool
) -> None:
    world = World(row())
    for second, audience in enumerate(left):
        world.apply(update(PAT, "unsubscribed", second=second, list_id=audience))
    for second, audience in enumerate(joined, start=10):
        [event] = world.apply(update(PAT, "subscribed", second=second, list_id=audience))
        superseded = event.superseded.get("status")
    assert world.values("NoContact") == [flagged]
    assert superseded == ("opted_out_of_other_audience" if flagged else None)


def test_a_complaint_stays_until_the_person_comes_back_to_its_audience(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, "complaint", list_id="news"))
    world.apply(update(PAT, "unsubscribed", second=1, list_id="shop"))
    world.apply(update(PAT, "subscribed", second=2, list_id="shop"))
    assert world.values("NoContact") == [True]
    world.apply(update(PAT, "subscribed", second=3, list_id="news"))
    assert world.values("NoContact") == [False]


def test_clearing_can_be_turned_off(update: Update) -> None:
    world = World(row(), clear_on_subscribe=False)
    world.apply(update(PAT, "unsubscribed"), update(PAT, "subscribed", second=1))
    assert world.values("NoContact") == [True]


@pytest.mark.rule("R1")
@pytest.mark.parametrize("fields", [{"NoContact": False}, {"merges": {"OUT": "no"}}])
def test_no_field_of_a_profile_takes_an_opt_out_back(update: Update, fields: dict[str, Any]) -> None:
    world = World(row(), row(CUSTOMER), merge_fields={"NoContact": "OUT"}, write_customer_columns=True)
    world.apply(update(PAT, "unsubscribed"))
    [event] = world.apply(update(PAT, FirstName="Eda", **fields))
    assert world.values("NoContact") == [True, True]
    assert event.withheld == {"NoContact": "flag_is_consent"}
    assert world.writes == {"A/CustCnt/1//1": {"FirstName": "Eda", "Name": "Eda"}}


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_a_row_shared_by_two_people_is_flagged_by_each_and_cleared_by_neither(update: Update) -> None:
    world = World(row(EMailAddress=f"{PAT}; sam@example.com"))
    world.apply(update(PAT, "unsubscribed"))
    assert world.values("NoContact") == [True]
    world.apply(update(PAT, "subscribed", second=1))
    assert world.values("NoContact") == [True]


def test_a_subscribe_clears_the_linked_rows_without_an_address_too(update: Update) -> None:
    world = World(
        row(number=1, PerConID=7),
        row(number=2, PerConID=7, EMailAddress=""),
        row(number=3, PerConID=7, EMailAddress="other@example.com"),
        linked_people=LinkedPeople.ALL,
    )
    world.apply(update(PAT, "unsubscribed"))
    assert world.values("NoContact") == [True, True, True]
    world.apply(update("other@example.com", "unsubscribed"))
    world.apply(update(PAT, "subscribed", second=1))
    assert world.values("NoContact") == [False, False, True]


@pytest.mark.rule("R2")
def test_an_opt_out_without_a_row_reaches_the_row_that_appears_later(update: Update) -> None:
    world = World()
    [unmatched] = world.apply(update(PAT, "unsubscribed"))
    assert unmatched.matched == ()
    world.rows = {row().id: row()}
    world.apply(update(PAT, second=5, type="profile", PhoneNum="1"))
    assert world.values("NoContact") == [True]


# Address


def test_a_new_address_goes_to_exactly_the_rows_that_had_the_old_one(update: Update) -> None:
    world = World(
        row(number=1),
        row(CUSTOMER, 2, EMailAddress="mailto:PAT@example.com"),
        row(number=3, EMailAddress=f"{PAT}; sam@example.com"),
        row(number=4, EMailAddress="sam@example.com"),
    )
    world.apply(update(PAT, new_email="Pat@Example.net", type="upemail"))
    assert world.values("EMailAddress") == [
        "Pat@Example.net",
        "Pat@Example.net",
        f"{PAT}; sam@example.com",
        "sam@example.com",
    ]


def test_an_opt_out_from_before_the_move_reaches_the_row_after_it(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, new_email=NEW, second=9))
    [late] = world.apply(update(PAT, "unsubscribed", second=3))
    assert (world.values("NoContact"), late.person) == ([True], NEW)


def test_an_opt_out_of_the_new_address_that_overtakes_the_move_reaches_the_row(update: Update) -> None:
    world = World(row())
    world.apply(update(NEW, "unsubscribed", second=9))
    assert world.values("NoContact") == [False]
    world.apply(update(PAT, new_email=NEW, second=3))
    assert (world.values("NoContact"), world.values("EMailAddress")) == ([True], [NEW])


def test_an_event_of_a_given_up_address_after_the_move_is_of_another_person(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, new_email=NEW, second=1))
    world.apply(update(PAT, "unsubscribed", second=5))
    assert world.values("NoContact") == [False]


def test_a_flag_of_ours_stays_ours_under_the_new_address(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, "unsubscribed", second=1))
    world.apply(update(PAT, new_email=NEW, second=2))
    world.apply(update(NEW, "subscribed", second=3))
    assert world.values("NoContact") == [False]


def test_moving_there_and_back_ends_at_the_first_address(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, new_email=NEW, second=1), update(NEW, new_email=PAT, second=2))
    world.apply(update(PAT, "unsubscribed", second=3))
    assert (world.values("EMailAddress"), world.values("NoContact")) == ([PAT], [True])


def test_a_move_that_is_repeated_changes_nothing(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, new_email=NEW, second=1))
    [again] = world.apply(update(PAT, new_email=NEW, second=1))
    assert (world.writes, again.matched) == ({}, ("A/CustCnt/1//1",))


# Profile


def test_first_and_last_name_travel_with_the_whole_name_and_to_contacts_only(update: Update) -> None:
    world = World(row(FirstName="Pat", MiddleName="Q.", LastName="Old", Name="Pat Q. Old"), row(CUSTOMER))
    world.apply(update(PAT, FirstName="Pat", LastName="New"))
    assert world.writes == {"A/CustCnt/1//1": {"LastName": "New", "Name": "Pat Q. New"}}


def test_a_name_that_comes_along_is_not_derived(update: Update) -> None:
    world = World(row(FirstName="Pat"))
    world.apply(update(PAT, LastName="New", Name="Dr. New"))
    assert world.values("Name") == ["Dr. New"]


@pytest.mark.rule("R8")
def test_a_field_that_did_not_change_in_mailchimp_never_travels(update: Update) -> None:
    world = World(row(PhoneNum="1", Address1="a"))
    world.apply(update(PAT, PhoneNum="1", Address1="a"))
    world.edit("Address1", "edited in Epicor")
    world.apply(update(PAT, second=5, PhoneNum="2", Address1="a"))
    assert world.writes == {"A/CustCnt/1//1": {"PhoneNum": "2"}}


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("policy", "after"),
    [(ConflictPolicy.MAILCHIMP_WINS, "theirs"), (ConflictPolicy.EPICOR_WINS, "ours")],
)
def test_a_conflict_follows_the_policy(update: Update, policy: ConflictPolicy, after: str) -> None:
    world = World(row(PhoneNum="1"), conflict_policy=policy)
    world.apply(update(PAT, PhoneNum="1"))
    world.edit("PhoneNum", "ours")
    world.apply(update(PAT, second=5, PhoneNum="theirs"))
    assert world.values("PhoneNum") == [after]


def test_after_a_conflict_that_epicor_won_the_next_edit_in_mailchimp_travels(update: Update) -> None:
    world = World(row(PhoneNum="1"), conflict_policy=ConflictPolicy.EPICOR_WINS)
    world.apply(update(PAT, PhoneNum="1"))
    world.edit("PhoneNum", "ours")
    world.apply(update(PAT, second=5, PhoneNum="theirs"))
    world.apply(update(PAT, second=6, PhoneNum="next"))
    assert world.values("PhoneNum") == ["next"]


@pytest.mark.parametrize(("changed_at", "after"), [("18:00:09", "ours"), ("18:00:01", "theirs")])
@pytest.mark.parametrize("column", ["UpdatedOn", "ChangeDate"])
def test_the_newest_wins_where_the_row_has_the_time_of_its_change(
    update: Update, changed_at: str, after: str, column: str
) -> None:
    hour, minute, second = (int(part) for part in changed_at.split(":"))
    timestamps: dict[str, dict[str, Any]] = {
        "UpdatedOn": {"UpdatedOn": f"2026-03-01T{changed_at}Z"},
        # Local midnight and the seconds since then, as Kinetic keeps it.
        "ChangeDate": {
            "ChangeDate": "2026-03-01T00:00:00+01:00",
            "ChangeTime": (hour + 1) * 3600 + minute * 60 + second,
        },
    }
    world = World(row(PhoneNum="ours", **timestamps[column]), conflict_policy=ConflictPolicy.NEWEST_WINS)
    world.apply(update(PAT, second=5, PhoneNum="theirs"))
    assert world.values("PhoneNum") == [after]


def test_an_empty_value_clears_only_with_allow_clear(update: Update) -> None:
    world, asked = World(row(PhoneNum="1")), World(row(PhoneNum="1"), allow_clear=True)
    [refused] = world.apply(update(PAT, PhoneNum=""))
    asked.apply(update(PAT, PhoneNum=""))
    assert (world.values("PhoneNum"), refused.refused) == (["1"], {"PhoneNum"})
    assert asked.values("PhoneNum") == [""]


@pytest.mark.rule("R7")
def test_each_field_has_an_order_of_its_own(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, second=5, PhoneNum="new"))
    [late] = world.apply(update(PAT, second=1, PhoneNum="old", Address1="only here"))
    assert (world.values("PhoneNum"), world.values("Address1")) == (["new"], ["only here"])
    assert late.superseded == {"profile": "newer_event"}


def test_a_value_that_does_not_fit_does_not_stop_the_opt_out_of_the_same_event(update: Update) -> None:
    world = World(row())
    [event] = world.apply(update(PAT, "unsubscribed", MC_Score_c="many"))
    assert event.error is not None
    assert world.values("NoContact") == [True]


def test_a_column_that_only_the_record_knows_is_an_error_of_the_record(update: Update) -> None:
    [event] = World(row()).apply(update(PAT, Unheard_c="x"))
    assert "Unheard_c" in str(event.error)


@pytest.mark.rule("R8")
def test_columns_go_to_the_rows_of_the_person_alone_and_never_to_a_shared_or_a_linked_one(
    update: Update,
) -> None:
    world = World(
        row(number=1, PerConID=7),
        row(number=2, EMailAddress=f"{PAT}; sam@example.com"),
        row(number=3, PerConID=7, EMailAddress=""),
        row(CUSTOMER, 4, EMailAddress=f"{PAT}, sam@example.com"),
    )
    [event] = world.apply(update(PAT, PhoneNum="1", FirstName="Pat"))
    assert world.writes == {"A/CustCnt/1//1": {"PhoneNum": "1", "FirstName": "Pat", "Name": "Pat"}}
    assert set(event.matched) == {"A/CustCnt/1//1", "A/CustCnt/2//1", "A/CustCnt/3//1", "A/Customer/4"}


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "shared", [{"EMailAddress": f"{PAT}; sam@example.com"}, {"EMailAddress": "", "PerConID": 7}]
)
def test_a_value_that_only_a_shared_row_could_take_is_written_once_a_row_of_the_person_appears(
    update: Update, shared: dict[str, Any]
) -> None:
    world = World(row(**shared), row(number=2, PerConID=7, EMailAddress=f"{PAT}; sam@example.com"))
    [event] = world.apply(update(PAT, "unsubscribed", PhoneNum="1"))
    assert {column for changes in world.writes.values() for column in changes} == {"NoContact"}
    assert PAT in world.states
    assert world.states[PAT].fields == {}
    assert (event.kept, event.refused, event.superseded) == ({}, set(), {})
    world.rows |= {row(number=3).id: row(number=3)}
    world.apply(update(PAT, second=5, PhoneNum="1"))
    assert world.writes["A/CustCnt/3//1"]["PhoneNum"] == "1"
    assert "PhoneNum" not in world.writes.get("A/CustCnt/1//1", {})


# The last value that Mailchimp accepted from Epicor: in an event it is not an edit of the person


@pytest.mark.rule("R8")
def test_a_value_that_mailchimp_had_accepted_does_not_overwrite_an_edit_in_epicor(update: Update) -> None:
    world = World(row(PhoneNum="edited in Epicor", FirstName="Old"))
    world.apply(update(PAT, PhoneNum="1", FirstName="New"), sent={"PhoneNum": "1", "FirstName": "Old"})
    assert (world.values("PhoneNum"), world.values("FirstName")) == (["edited in Epicor"], ["New"])


@pytest.mark.parametrize(
    ("policy", "after"),
    [(ConflictPolicy.MAILCHIMP_WINS, "theirs"), (ConflictPolicy.EPICOR_WINS, "ours")],
)
def test_a_first_event_is_in_conflict_only_where_epicor_changed_what_it_sent(
    update: Update, policy: ConflictPolicy, after: str
) -> None:
    changed = World(row(PhoneNum="ours"), conflict_policy=policy)
    changed.apply(update(PAT, PhoneNum="theirs"), sent={"PhoneNum": "1"})
    same = World(row(PhoneNum="1"), conflict_policy=policy)
    same.apply(update(PAT, PhoneNum="theirs"), sent={"PhoneNum": "1"})
    assert (changed.values("PhoneNum"), same.values("PhoneNum")) == ([after], ["theirs"])


def test_what_was_sent_since_the_last_event_is_what_mailchimp_had(update: Update) -> None:
    world = World(row(PhoneNum="1"))
    world.apply(update(PAT, PhoneNum="2"), sent={"PhoneNum": "1"})
    world.edit("PhoneNum", "3")  # then sent to Mailchimp
    world.edit("PhoneNum", "4")  # not yet sent
    world.apply(update(PAT, second=5, PhoneNum="3"), sent={"PhoneNum": "3"})
    assert world.values("PhoneNum") == ["4"]


def test_an_edit_back_to_what_was_sent_long_ago_is_an_edit(update: Update) -> None:
    world = World(row(PhoneNum="1"))
    world.apply(update(PAT, PhoneNum="2"), sent={"PhoneNum": "1"})
    world.apply(update(PAT, second=5, PhoneNum="1"), sent={"PhoneNum": "1"})
    assert world.values("PhoneNum") == ["1"]


@pytest.mark.parametrize(
    ("merges", "merge_field", "value"),
    [
        ({"FNAME": "Pat"}, "FNAME", "Pat"),
        ({}, "FNAME", None),
        ({"ADDRESS": {"city": "Bern"}}, "ADDRESS.city", "Bern"),
        ({"ADDRESS": {"city": "Bern"}}, "ADDRESS.addr2", None),
        ({"ADDRESS": ""}, "ADDRESS.city", ""),
        ({"ADDRESS": "1 Example Street, Bern"}, "ADDRESS.city", None),
        ({}, "ADDRESS.city", None),
    ],
)
def test_a_value_is_found_by_its_merge_field(merges: dict[str, Any], merge_field: str, value: Any) -> None:
    assert value_of(merges, merge_field) == value


# Fields that are declared, the rows that take them, and addresses that move as a whole

ADDRESS = {
    "Address1": "ADDRESS.addr1",
    "City": "ADDRESS.city",
    "Zip": "ADDRESS.zip",
    "Country": "ADDRESS.country",
}
HOME = {"addr1": "1 Example Street", "city": "Springfield", "zip": "62701", "country": "US"}
AT_HOME: dict[str, Any] = {
    "Address1": "1 Example Street",
    "City": "Springfield",
    "Zip": "62701",
    "Country": "USA",
}


def test_a_column_comes_out_of_the_merge_field_that_is_declared_for_it(update: Update) -> None:
    world = World(row(PhoneNum="1"), merge_fields={"PhoneNum": "PHONE"})
    world.apply(update(PAT, merges={"PHONE": "2", "FNAME": "Pat"}))
    assert world.writes == {"A/CustCnt/1//1": {"PhoneNum": "2"}}


@pytest.mark.rule("R8")
def test_a_field_that_mailchimp_never_had_takes_nothing_away(update: Update) -> None:
    world = World(row(PhoneNum="1"), merge_fields={"PhoneNum": "PHONE"}, allow_clear=True)
    [event] = world.apply(update(PAT, merges={"PHONE": ""}))
    assert (world.values("PhoneNum"), event.refused) == (["1"], set())


def test_an_address_moves_as_a_whole_with_its_country(update: Update) -> None:
    world = World(row(**AT_HOME), merge_fields=ADDRESS)
    world.apply(update(PAT, merges={"ADDRESS": HOME}))
    assert world.writes == {}
    new = {"addr1": "2 Beispielweg", "city": "Bern", "zip": "", "country": "CH"}
    world.apply(update(PAT, second=5, merges={"ADDRESS": new}))
    assert world.writes["A/CustCnt/1//1"] == {
        "Address1": "2 Beispielweg",
        "City": "Bern",
        "Zip": "",
        "Country": "Switzerland",
    }


@pytest.mark.rule("R8")
def test_an_address_that_both_sides_changed_is_never_mixed(update: Update) -> None:
    world = World(row(**AT_HOME), merge_fields=ADDRESS, conflict_policy=ConflictPolicy.EPICOR_WINS)
    world.apply(update(PAT, merges={"ADDRESS": HOME}))
    world.edit("City", "Bern")
    [event] = world.apply(update(PAT, second=5, merges={"ADDRESS": HOME | {"addr1": "9 Other Street"}}))
    assert world.writes == {}
    assert event.kept[("A/CustCnt/1//1", "City")] == ("Bern", "Springfield")


@pytest.mark.rule("R8")
@pytest.mark.parametrize("policy", [ConflictPolicy.EPICOR_WINS, ConflictPolicy.MAILCHIMP_WINS])
def test_a_placeholder_of_an_address_is_not_written_back(update: Update, policy: ConflictPolicy) -> None:
    home = HOME | {"zip": "-"}
    world = World(row(**AT_HOME | {"Zip": ""}), merge_fields=ADDRESS, conflict_policy=policy)
    sent = {**AT_HOME, "Zip": "-"}
    world.apply(update(PAT, merges={"ADDRESS": home}), sent=sent)
    assert world.writes == {}
    [event] = world.apply(
        update(PAT, second=5, merges={"ADDRESS": home | {"addr1": "9 Other Street"}}), sent=sent
    )
    assert world.writes["A/CustCnt/1//1"] == {"Address1": "9 Other Street"}
    assert event.conflicts == set()


def test_what_a_person_puts_in_the_place_of_a_placeholder_is_written(update: Update) -> None:
    world = World(row(**AT_HOME | {"Zip": ""}), merge_fields=ADDRESS)
    sent = {**AT_HOME, "Zip": "-"}
    world.apply(update(PAT, merges={"ADDRESS": HOME | {"zip": "-"}}), sent=sent)
    world.apply(update(PAT, second=5, merges={"ADDRESS": HOME}), sent=sent)
    assert world.writes["A/CustCnt/1//1"] == {"Zip": "62701"}


@pytest.mark.rule("R8")
@pytest.mark.parametrize("allow_clear", [True, False])
def test_an_address_that_was_cleared_on_the_way_clears_nothing(update: Update, allow_clear: bool) -> None:
    world = World(row(**AT_HOME), merge_fields=ADDRESS, allow_clear=allow_clear)
    sent = dict.fromkeys(AT_HOME, "")
    for second in (0, 5):
        [event] = world.apply(update(PAT, second=second, merges={"ADDRESS": ""}), sent=sent)
        assert (world.writes, event.refused) == ({}, set())


def test_a_change_of_the_spelling_of_a_country_is_none(update: Update) -> None:
    world = World(row(**AT_HOME), merge_fields=ADDRESS)
    [event] = world.apply(update(PAT, merges={"ADDRESS": HOME}), sent={**AT_HOME, "Country": "United States"})
    assert (world.writes, event.conflicts) == ({}, set())


def test_a_record_sets_no_column_that_none_may_set_whatever_its_schema_says(update: Update) -> None:
    world = World(row())
    [event] = world.apply(update(PAT, EMailAddress=NEW, MC_Score_c=5))
    assert world.writes == {"A/CustCnt/1//1": {"MC_Score_c": 5}}
    assert "`new_email`" in str(event.error)


@pytest.mark.rule("R1")
def test_a_column_sets_the_flag_and_never_clears_one(update: Update) -> None:
    world = World(row())
    world.apply(update(PAT, NoContact=True))
    assert world.values("NoContact") == [True]
    [event] = world.apply(update(PAT, NoContact=False))
    assert world.values("NoContact") == [True]
    assert event.withheld == {"NoContact": "flag_is_consent"}


def test_columns_of_a_customer_change_only_by_setting(update: Update) -> None:
    kept = World(row(CUSTOMER, PhoneNum="1"))
    [event] = kept.apply(update(PAT, PhoneNum="2"))
    assert (kept.writes, event.withheld) == ({}, {"PhoneNum": "customer_columns"})
    asked = World(row(CUSTOMER, PhoneNum="1"), write_customer_columns=True)
    asked.apply(update(PAT, PhoneNum="2"))
    assert asked.values("PhoneNum") == ["2"]


@pytest.mark.parametrize(
    ("other", "is_one_person"),
    [
        ({"FirstName": "Pat", "LastName": "Example"}, True),
        ({"FirstName": "pat ", "LastName": "EXAMPLE"}, True),
        ({"FirstName": "Sam", "LastName": "Example"}, False),
        ({"FirstName": "", "LastName": ""}, False),
        ({"FirstName": "Patricia", "LastName": "Example", "PerConID": 7}, True),
        ({"FirstName": "Patricia", "LastName": "Example", "PerConID": 8}, False),
    ],
)
def test_columns_go_to_none_of_the_rows_of_several_people_and_the_flag_to_all(
    update: Update, other: dict[str, Any], *, is_one_person: bool
) -> None:
    world = World(row(FirstName="Pat", LastName="Example", PerConID=7), row(number=2, **other))
    [event] = world.apply(update(PAT, "unsubscribed", PhoneNum="1"))
    assert world.values("NoContact") == [True, True]
    assert world.values("PhoneNum") == (["1", "1"] if is_one_person else ["", ""])
    assert event.withheld == ({} if is_one_person else {"PhoneNum": "shared_address"})


# The rule itself: newest event wins, whatever the order, the batches and the repetitions

PEOPLE = ("ann@example.com", "bob@example.com")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(["subscribed", "unsubscribed", "cleaned", "complaint"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


@pytest.mark.rule("R7")
@settings(deadline=None)
@given(events=EVENTS, data=st.data())
def test_the_end_does_not_depend_on_the_order_of_arrival(
    events: Iterable[tuple[str, str, int]], data: st.DataObject
) -> None:
    numbered = [
        {
            "email": person,
            "contact_status": status,
            "occurred_at": f"2026-03-01T18:00:{second:02}Z",
            "event_id": f"e{number}",
            "sequence": number,
        }
        for number, (person, status, second) in enumerate(events)
    ]
    arriving = data.draw(st.permutations([*numbered, *numbered[::2]]))
    world = World(*(row(number=number, EMailAddress=person) for number, person in enumerate(PEOPLE)))
    while arriving:
        size = data.draw(st.integers(1, 5))
        world.apply(*arriving[:size])
        arriving = arriving[size:]
    for person, is_flagged in zip(PEOPLE, world.values("NoContact"), strict=True):
        own = [event for event in numbered if event["email"] == person]
        newest = max(own, key=lambda event: (event["occurred_at"], event["sequence"]), default=None)
        assert is_flagged == (newest is not None and newest["contact_status"] != "subscribed")


ADDRESSES = ("ann@example.com", "ann@example.net", "ann@example.org")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from(["subscribed", "unsubscribed", "complaint"])),
        st.tuples(st.just("move"), st.sampled_from(ADDRESSES)),
    ),
    max_size=8,
)


@pytest.mark.rule("R7")
@settings(deadline=None)
@given(steps=STEPS, data=st.data())
def test_the_end_does_not_depend_on_the_order_of_arrival_although_the_person_moves(
    steps: Iterable[tuple[str, str]], data: st.DataObject
) -> None:
    """One person, whose every event names the address that they had at that time."""
    address, history = ADDRESSES[0], []
    for number, (kind, value) in enumerate(steps):
        event = {
            "email": address,
            "occurred_at": f"2026-03-01T18:00:{number:02}Z",
            "event_id": f"e{number}",
            "sequence": number,
        }
        if kind == "move" and value != address:
            event["new_email"] = address = value
        elif kind == "status":
            event["contact_status"] = value
        history.append(event)
    in_order, shuffled = (World(row(EMailAddress=ADDRESSES[0])) for _ in range(2))
    in_order.apply(*history)
    arriving = data.draw(st.permutations([*history, *history[::2]]))
    while arriving:
        size = data.draw(st.integers(1, 4))
        shuffled.apply(*arriving[:size])
        arriving = arriving[size:]
    statuses = [event["contact_status"] for event in history if "contact_status" in event]
    opted_out = bool(statuses) and statuses[-1] != "subscribed"
    assert in_order.values("EMailAddress") == [address]
    assert in_order.values("NoContact") == [opted_out]
    assert shuffled.values("EMailAddress") == [address]
    assert shuffled.values("NoContact") == [opted_out]
