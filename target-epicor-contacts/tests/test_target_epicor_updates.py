"""Contact updates, the order of two of them, and the meaning of values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from target_epicor_contacts.contract.contact_update import InvalidUpdateError, Status, parse_update
from target_epicor_contacts.contract.event_order import Age, EventTime
from target_epicor_contacts.epicor.column_values import InvalidValueError, coerce, fingerprint, same
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, ENTITIES
from target_epicor_contacts.state.person_state import FieldSeen, Moved, PersonState, StatusSeen

Update = Callable[..., dict[str, Any]]


def test_properties_with_a_capital_letter_are_columns_and_all_others_are_not(update: Update) -> None:
    parsed = parse_update(
        "s", update("pat@example.com", FirstName="Pat", MC_Status_c="x", origin="webhook", LastName=None)
    )
    assert parsed.columns == {"FirstName": "Pat", "MC_Status_c": "x"}


def test_an_address_is_compared_without_case_and_decoration(update: Update) -> None:
    parsed = parse_update("s", update("mailto:Pat@Example.com", new_email=" <NEW@example.com> "))
    assert (parsed.email, parsed.key) == ("Pat@Example.com", "pat@example.com")
    assert (parsed.new_email, parsed.new_key) == ("NEW@example.com", "new@example.com")


@pytest.mark.parametrize("kind", ["profile", "upemail"])
def test_events_that_are_not_about_consent_carry_no_status(update: Update, kind: str) -> None:
    assert parse_update("s", update("pat@example.com", "subscribed", type=kind)).status is None


@pytest.mark.parametrize("kind", [["profile"], {"type": "profile"}, 7, True])
def test_a_type_that_is_not_a_text_stops_no_run(update: Update, kind: Any) -> None:
    assert parse_update("s", update("pat@example.com", "unsubscribed", type=kind)).status == "unsubscribed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"email": None}, "empty"),
        ({"email": 7}, "empty"),
        ({"email": "PURCHASING"}, "not_an_address"),
        ({"email": "a@example.com; b@example.com"}, "several_addresses"),
        ({"new_email": "nowhere"}, "new_email_not_an_address"),
        ({"contact_status": "gone"}, "unknown_status"),
        ({"occurred_at": None}, "no_time"),
        ({"occurred_at": "yesterday"}, "invalid_time"),
        ({"occurred_at": "P1D"}, "invalid_time"),
        ({"claimed_at": "tomorrow"}, "invalid_time"),
        ({"sequence": "seven"}, "invalid_sequence"),
    ],
)
def test_an_invalid_record_has_a_reason_and_the_name_of_its_field(
    update: Update, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        parse_update("s", {**update("pat@example.com", "unsubscribed"), **changes})
    assert caught.value.reason == reason
    assert f"`{caught.value.field}`" in str(caught.value)


def test_a_record_without_an_event_id_gets_one_from_its_content(update: Update) -> None:
    first, again = ({**update("pat@example.com", "unsubscribed"), "event_id": None} for _ in range(2))
    other = {**update("pat@example.com", "unsubscribed", second=1), "event_id": None}
    names = [parse_update("s", record).event_time.event_id for record in (first, again, other)]
    assert names[0] == names[1] != names[2]


def event_time(second: int, sequence: int | None = None, event_id: str = "") -> EventTime:
    return EventTime(
        datetime(2026, 3, 1, 18, 0, second, tzinfo=UTC), event_id or f"{second}{sequence}", sequence
    )


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("event", "known", "age"),
    [
        (event_time(1), None, Age.NEWER),
        (event_time(2), event_time(1), Age.NEWER),
        (event_time(1), event_time(2), Age.OLDER),
        (event_time(1, 7), event_time(1, 6), Age.NEWER),
        (event_time(1, 6), event_time(1, 7), Age.OLDER),
        (event_time(2, 6), event_time(1, 7), Age.NEWER),
        (event_time(1, 6, "a"), event_time(1, 7, "a"), Age.SAME),
        (event_time(1, None, "a"), event_time(1, 7, "b"), Age.SAME),
        (event_time(1, None, "a"), event_time(1, None, "b"), Age.SAME),
    ],
)
def test_time_goes_before_sequence(event: EventTime, known: EventTime | None, age: Age) -> None:
    assert event.age(known) is age


def cut(second: int, claimed: int, sequence: int | None) -> EventTime:
    return replace(event_time(second, sequence), claimed=event_time(claimed).at)


FORGED = replace(event_time(7, 7), claimed=datetime(9999, 12, 31, tzinfo=UTC))


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("event", "known", "age"),
    [
        # The clock of one of them was wrong: only the order of arrival is known.
        (cut(5, 50, 8), event_time(9, 7), Age.NEWER),
        (cut(9, 50, 6), event_time(5, 7), Age.OLDER),
        (event_time(9, 6), cut(5, 50, 7), Age.OLDER),
        (cut(5, 50, None), event_time(9, 7), Age.OLDER),
        # One clock, ahead for both of them.
        (cut(5, 51, 6), cut(6, 50, 7), Age.NEWER),
        # A time that was made up keeps nothing out that came later, also where the clock is ahead.
        (cut(9, 11, 8), FORGED, Age.NEWER),
        (cut(5, 11, 6), FORGED, Age.OLDER),
    ],
)
def test_a_time_that_was_cut_is_compared_by_sequence(event: EventTime, known: EventTime, age: Age) -> None:
    assert event.age(known) is age


def test_a_time_later_than_now_is_cut_to_now(update: Update) -> None:
    now = datetime(2026, 3, 1, 17, tzinfo=UTC)
    event = parse_update("s", update("pat@example.com", "unsubscribed"), clock=lambda: now).event_time
    assert (event.at, event.claimed) == (now, datetime(2026, 3, 1, 18, tzinfo=UTC))


def test_a_time_that_the_tap_cut_is_known_with_the_one_claimed(update: Update) -> None:
    record = update("pat@example.com", claimed_at="2026-03-02T00:00:00Z")
    event = parse_update("s", record).event_time
    assert (event.at, event.by_source) == (
        datetime(2026, 3, 1, 18, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize("time", [event_time(3, 4), event_time(3), cut(3, 5, 4)])
def test_the_time_of_an_event_survives_storage(time: EventTime) -> None:
    seen = FieldSeen(time, "ab")
    state = PersonState(
        StatusSeen(time, Status.CLEANED, time), {"Name": seen}, moved=Moved(time, "new@example.com")
    )
    assert PersonState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_statuses_weigh_by_how_much_they_lower_consent() -> None:
    assert sorted(Status, key=lambda status: status.weight) == [
        Status.SUBSCRIBED,
        Status.CLEANED,
        Status.UNSUBSCRIBED,
        Status.COMPLAINT,
    ]


def test_a_state_that_an_earlier_version_stored_is_read_and_stored_again_without_loss() -> None:
    event = {"at": "2026-03-01T18:00:00+00:00", "sequence": 7, "event_id": "e1"}
    stored = {
        "status": {
            **event,
            "value": "complaint",
            "cause": event,
            "reason": "abuse",
            "campaign_id": "c1",
            "pending": False,
        },
        "fields": {"PhoneNum": {**event, "value": "ab", "sent": None}},
        "rows": {"A/CustCnt/1//1": {"PhoneNum": "cd"}},
        "moved": {**event, "to": "new@example.com"},
        "settled": event,
    }
    state = PersonState.from_json(stored)
    assert state.status is not None
    assert state.status.event_time == EventTime(datetime(2026, 3, 1, 18, tzinfo=UTC), "e1", 7)
    assert state.status.value is Status.COMPLAINT
    assert state.fields["PhoneNum"].value == "ab"
    assert PersonState.from_json(state.to_json()) == state


@pytest.mark.parametrize(
    ("value", "edm_type", "result"),
    [
        ("x", "Edm.String", "x"),
        (7, "Edm.String", "7"),
        ("Yes", "Edm.Boolean", True),
        ("0", "Edm.Boolean", False),
        (1, "Edm.Boolean", True),
        ("12", "Edm.Int32", 12),
        (12.0, "Edm.Int64", 12),
        ("1.5", "Edm.Decimal", 1.5),
        ("2026-03-01T19:00:00+01:00", "Edm.DateTimeOffset", "2026-03-01T18:00:00Z"),
        ("2026-03-01T18:00:00Z", "Edm.Date", "2026-03-01"),
        ("", "Edm.DateTimeOffset", None),
    ],
)
def test_values_take_the_form_of_their_column(value: Any, edm_type: str, result: Any) -> None:
    assert coerce("C", value, edm_type) == result


@pytest.mark.parametrize(
    ("value", "edm_type"),
    [
        ({"addr1": "x"}, "Edm.String"),
        ("maybe", "Edm.Boolean"),
        (1.5, "Edm.Int32"),
        ("one", "Edm.Decimal"),
        ("noon", "Edm.DateTimeOffset"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_name_of_its_column(value: Any, edm_type: str) -> None:
    with pytest.raises(InvalidValueError, match="MC_Score_c"):
        coerce("MC_Score_c", value, edm_type)


@pytest.mark.parametrize(
    ("one", "other", "edm_type", "result"),
    [
        (None, "", "Edm.String", True),
        ("a", "A", "Edm.String", False),
        ("2026-03-01T18:00:00Z", "2026-03-01T19:00:00+01:00", "Edm.DateTimeOffset", True),
        ("2026-03-01T18:00:00Z", "2026-03-01T18:00:00", "Edm.DateTimeOffset", True),
        ("2026-03-01T18:00:00Z", None, "Edm.DateTimeOffset", False),
        (1, 1.0, "Edm.Decimal", True),
        ("true", True, "Edm.Boolean", True),
        ("never", "noon", "Edm.DateTimeOffset", False),
    ],
)
def test_values_are_compared_by_meaning(*, one: Any, other: Any, edm_type: str, result: bool) -> None:
    assert same(one, other, edm_type) is result
    assert (fingerprint(one, edm_type) == fingerprint(other, edm_type)) is result


COLUMNS = Columns(
    {
        "CustCnt": {"NoContact": "Edm.Boolean", "Name": "Edm.String", "MC_Status_c": "Edm.String"},
        "Customer": {"NoContact": "Edm.Boolean", "Name": "Edm.String"},
    }
)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("column", "everywhere", "message"),
    [
        ("MC_Bounced_c", False, "CustCnt and Customer.*Extended UD Table Maintenance"),
        ("nocontact", False, "case-sensitive"),
        ("MC_Status_c", True, "Customer.*Extended UD Table Maintenance"),
        ("CustNum", False, "identifies the row"),
        ("SysRevID", False, "Epicor maintains it"),
        ("EMailAddress", False, "new_email"),
    ],
)
def test_a_column_that_cannot_be_written_is_named_with_what_to_do(
    *, column: str, everywhere: bool, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        COLUMNS.check(column, ENTITIES, origin="`status_column`", everywhere=everywhere)
    assert f"`{column}`" in str(caught.value)


def test_a_flag_column_of_another_type_than_boolean_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="`Name`, a column of type"):
        COLUMNS.check("Name", ENTITIES, origin="`flag_column`", types=("Edm.Boolean",))


def test_a_column_of_one_kind_of_row_is_enough() -> None:
    COLUMNS.check("MC_Status_c", ENTITIES, origin="`status_column`")
    assert COLUMNS.holders("MC_Status_c", ENTITIES) == [CONTACT]


def test_the_name_of_a_person_is_never_the_name_of_a_company() -> None:
    assert COLUMNS.edm_type(CONTACT, "Name") == "Edm.String"
    assert COLUMNS.edm_type(CUSTOMER, "Name") is None
