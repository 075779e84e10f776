"""The pure parts: values in the forms of their fields, new fields from schemas, records as they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.audit.state.member_state import MemberState, RefusedValue, SourceRow, age
from kinetic_mailchimp.mailchimp.merge_field import MergeField, UnfitValueError, coerce, cut
from kinetic_mailchimp.mailchimp.results import parse_batch_answer
from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.member_values import wanted_values
from target_mailchimp.audience.merge_fields import NewField, missing_fields
from target_mailchimp.audience.tags import plan_tags
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord, read_record
from target_mailchimp.rules.deduplicate import without_duplicates
from target_mailchimp.writing.write_result import KEPT_OF_ANSWER

ADDRESS = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}
ESCAPED = {"tag": "TRADE", "type": "radio", "options": {"choices": ["Nuts &amp; Bolts"]}}
DAY_FIRST = MergeField("BDAY", "birthday", date_format="DD/MM")
DAY_FIRST_DATE = MergeField("SINCE", "date", date_format="DD/MM/YYYY")
US_PHONE = MergeField("PHONE", "phone", phone_format="US")
SIZES = MergeField("SIZE", "dropdown", choices=("Small", "Large"))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("text", "Acme", "Acme"),
        ("text", 12, "12"),
        ("text", 12.0, "12"),
        ("text", True, "true"),
        ("number", "12.50", 12.5),
        ("number", 12.0, 12),
        ("number", " 7 ", 7),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "2026-03-01T23:30:00-05:00", "2026-03-01"),
        ("date", "2026/03/01", "2026-03-01"),
        ("date", "03/01/2026", "2026-03-01"),
        ("date", "01-03-2026", "2026-03-01"),
        ("birthday", "2024-02-29", "02/29"),
        ("birthday", "12/31", "12/31"),
        ("birthday", "1-5", "01/05"),
        ("phone", "+49 30 12", "+49 30 12"),
        (US_PHONE, "1-404-555-0100", "(404) 555-0100"),
        (US_PHONE, 4045550100, "(404) 555-0100"),
        ("zip", "62701-1234", "62701"),
        ("zip", 1234, "01234"),
        ("url", "www.example.com/a", "http://www.example.com/a"),
        ("imageurl", "https://example.com/i.png", "https://example.com/i.png"),
        (SIZES, "  small ", "Small"),
        ("address", ADDRESS, {**ADDRESS, "addr2": ""}),
        ("address", {**ADDRESS, "zip": 62701, "country": "US"}, {**ADDRESS, "addr2": "", "country": "US"}),
        ("address", dict.fromkeys(ADDRESS, ""), ""),
        (DAY_FIRST, "1980-06-09", "09/06"),
        (DAY_FIRST, "25/12", "25/12"),
        (DAY_FIRST, "12-25", "25/12"),
        (DAY_FIRST_DATE, "02/03/1980", "1980-03-02"),
        (DAY_FIRST_DATE, "12/25/1980", "1980-12-25"),
        (DAY_FIRST_DATE, "1980-12-25T00:00:00Z", "1980-12-25"),
        (MergeField.from_api(ESCAPED), "Nuts & Bolts", "Nuts & Bolts"),
        ("number", "  ", ""),
        ("date", "", ""),
        ("a type that is new", "value", "value"),
    ],
)
def test_a_value_is_brought_into_the_form_of_its_field(
    field: MergeField | str, value: object, expected: object
) -> None:
    field = MergeField("TAG", field) if isinstance(field, str) else field
    assert coerce(value, field) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("text", {"a": 1}, "not_a_text"),
        ("number", "twelve", "not_a_number"),
        ("number", "nan", "not_a_number"),
        ("number", "1e999", "not_a_number"),
        ("date", "soon", "not_a_date"),
        ("date", "2026-02-30", "not_a_date"),
        ("birthday", "02/30", "not_a_birthday"),
        (US_PHONE, "030 12", "not_a_us_phone"),
        ("zip", "SW1A", "not_a_zip"),
        ("url", "no address", "not_a_url"),
        (SIZES, "Medium", "not_a_choice"),
        ("address", "1 Main St", "not_an_address_object"),
        ("address", {**ADDRESS, "city": None}, "incomplete_address"),
    ],
)
def test_a_value_that_does_not_fit_says_why_without_the_value(
    field: MergeField | str, value: object, reason: str
) -> None:
    field = MergeField("TAG", field) if isinstance(field, str) else field
    with pytest.raises(UnfitValueError) as raised:
        coerce(value, field)
    assert raised.value.reason == reason
    assert str(value) not in raised.value.detail


@given(st.text(max_size=400))
def test_a_text_is_cut_between_characters(text: str) -> None:
    short = cut(text)
    assert len(short.encode()) <= 255
    assert text.startswith(short)
    assert short == text or len((short + text[len(short)]).encode()) > 255


@given(
    st.sampled_from(["text", "number", "date", "birthday", "phone", "zip", "url", "address"]),
    st.one_of(
        st.text(max_size=30), st.integers(), st.floats(), st.booleans(), st.dictionaries(st.text(), st.text())
    ),
)
def test_what_fits_stays_as_it_is_the_second_time(kind: str, value: object) -> None:
    field = MergeField("TAG", kind)
    try:
        once = coerce(value, field)
    except UnfitValueError:
        return
    assert coerce(once, field) == once


def test_missing_fields_take_type_and_name_from_the_schema() -> None:
    schema = {
        "properties": {
            "email_address": {"type": "string"},
            "FNAME": {"type": "string"},
            "ACCOUNT_STATUS": {"type": ["null", "string"]},
            "ACCOUNT_STATE": {"type": "string", "title": "Where the account is"},
            "BALANCE": {"type": ["number", "null"]},
            "SINCE": {"type": "string", "format": "date-time"},
            "SITE": {"type": "string", "format": "uri"},
            "SIZE": {"type": "string", "enum": ["Small", "Large", None]},
            "HOME": {"type": "object", "properties": {"addr1": {"type": "string"}}},
            "EMAIL": {"type": "string"},
            "merge_fields": {"type": "object", "properties": {"nested": {"type": "boolean"}}},
        }
    }
    assert missing_fields(schema, {"FNAME"}) == [
        NewField("ACCOUNT_ST", "Account status", "text"),
        NewField("BALANCE", "Balance", "number"),
        NewField("SINCE", "Since", "date"),
        NewField("SITE", "Site", "url"),
        NewField("SIZE", "Size", "dropdown", ("Small", "Large")),
        NewField("HOME", "Home", "address"),
        NewField("NESTED", "Nested", "text"),
    ]


def record(**properties: Any) -> MemberRecord:
    entry = read_record("customers", {"email_address": "a@example.com", **properties})
    assert isinstance(entry, MemberRecord)
    return entry


@pytest.mark.parametrize("latitude", ["nan", "-inf", 10**400, "north", None])
def test_a_location_that_json_cannot_carry_is_left_out(latitude: object) -> None:
    location = {"latitude": latitude, "longitude": 13.4}
    record = read_record("members", {"email_address": "ann@example.com", "location": location})
    assert isinstance(record, MemberRecord)
    wanted = wanted_values(record, Audience("l", "List"))
    assert (wanted.values, [entry.reason for entry in wanted.left_out]) == ({}, ["malformed_attribute"])


def test_a_revision_that_is_too_long_is_cut() -> None:
    entry = record(source_updated_on="9" * 5_000)
    assert entry.source_updated_on == "9" * 64
    age("a", entry.source_updated_on)  # Python converts no integer of thousands of digits


def test_a_record_is_read() -> None:
    entry = record(
        COMPANY="Acme",
        BALANCE=12.5,
        VISITS=3,
        merge_fields={"fname": "Ann", "LNAME": None},
        vip=True,
        tags="One, Two,One",
        interests={"Weekly": True, "Daily": None},
        marketing_permissions=[{"text": "Email", "enabled": True}],
        source_key="C/1",
        source_active="false",
        status=None,
        _sdc_extracted_at="x",
    )
    assert entry.merge_values == {"COMPANY": "Acme", "BALANCE": 12.5, "VISITS": 3, "FNAME": "Ann"}
    assert entry.attributes == {"vip": True}
    assert entry.tags == ("One", "Two")
    assert entry.interests == {"Weekly": True}
    assert entry.permissions == {"Email": True}
    assert (entry.source, entry.active, entry.opted_out) == ("customers/C/1", False, False)
    assert "_sdc_extracted_at" not in entry.raw


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    ("status", "opted_out", "if_new"),
    [
        ("subscribed", False, "subscribed"),
        ("PENDING", False, "pending"),
        ("unsubscribed", True, ""),
        ("cleaned", True, ""),
        ("archived", True, ""),
        ("a typing error", True, ""),
        ("", False, ""),
    ],
)
def test_a_status_in_doubt_counts_as_an_opt_out(status: str, *, opted_out: bool, if_new: str) -> None:
    entry = record(status=status)
    assert (entry.opted_out, entry.status_if_new) == (opted_out, if_new)


@pytest.mark.parametrize(
    "wrong",
    [
        {"merge_fields": "x"},
        {"tags": 7},
        {"source_active": "perhaps"},
        {"interests": {"Weekly": "perhaps"}},
        {"marketing_permissions": [{"enabled": True}]},
        {"marketing_permissions": [{"text": "Email"}]},
    ],
)
def test_a_malformed_record_is_told_and_not_raised(wrong: dict[str, Any]) -> None:
    entry = read_record("customers", {"email_address": "a@example.com", **wrong})
    assert isinstance(entry, InvalidRecord)
    assert entry.reason == "malformed_record"


def test_the_newest_of_several_rows_carries_the_others() -> None:
    older = record(source_key="1", source_updated_on="2026-01-01", FNAME="Older")
    newer = record(source_key="2", source_updated_on="2026-01-02", email_address="A@Example.com")
    again = record(source_key="2", source_updated_on="2026-01-01")
    winners, merged = without_duplicates([newer, older, again])
    assert [winner.source_key for winner in winners] == ["2"]
    assert winners[0].others == (older,)
    assert {id(entry) for entry in merged} == {id(older), id(again)}


@pytest.mark.rule("R7")
def test_revisions_are_compared_as_numbers() -> None:
    winners, _ = without_duplicates(
        [record(source_key="1", source_updated_on="99"), record(source_key="2", source_updated_on="100")]
    )
    assert winners[0].source_key == "2"


@pytest.mark.rule("R6")
@given(
    st.lists(
        st.builds(
            lambda person, key, at: record(
                email_address=f"{person}@example.com", source_key=key, source_updated_on=at
            ),
            st.sampled_from("abc"),
            st.sampled_from(["", "1", "2", "3"]),
            st.sampled_from(["", "10", "9"]),
        ),
        max_size=12,
    )
)
def test_every_record_is_kept_or_carried_once(records: list[MemberRecord]) -> None:
    winners, merged = without_duplicates(records)
    assert len(winners) + len(merged) == len(records)
    assert len({winner.member for winner in winners}) == len(winners)


def test_the_ledger_gives_back_what_it_took() -> None:
    state = MemberState(
        "a@example.com",
        "subscribed",
        "c1",
        {"merge_fields.FNAME": "Ann"},
        {"customers/1": SourceRow(active=False, updated_on="5"), "customers/2": SourceRow(opted_out=True)},
        {"merge_fields.FNAME": "customers/1"},
        {"merge_fields.PHONE": RefusedValue("222", "1a2b"), "language": RefusedValue("xx")},
    )
    assert MemberState.from_json(state.to_json()) == state
    assert MemberState.from_json({**state.to_json(), "of a newer version": 1}) == state


@pytest.mark.parametrize(
    ("wanted", "sent", "replaces", "inactive", "batch", "single"),
    [
        (None, {}, False, None, None, {}),
        (["A"], {}, False, None, ["A"], {}),
        (["A"], {"tags": ["a", "B"]}, False, None, None, {}),
        (["A"], {"tags": ["a", "B"]}, True, None, ["A"], {}),
        ([], {"tags": ["A"]}, True, None, [], {}),
        (["A", "B"], {"tags": ["B", "a"]}, True, None, None, {}),
        (None, {}, False, "Gone", ["Gone"], {}),
        (None, {"tags": ["A"]}, True, "Gone", None, {"Gone": True}),
        (["A"], {"tags": ["A"]}, True, "Gone", ["A", "Gone"], {}),
        (None, {"tags": ["Gone"], "inactive_tag": "Gone"}, False, None, None, {"Gone": False}),
        (None, {"tags": ["Gone"]}, False, None, None, {}),
        (["A"], {"tags": ["A", "Gone"], "inactive_tag": "Gone"}, True, None, ["A"], {}),
    ],
)
def test_tags_travel_as_far_as_they_differ(
    *,
    wanted: list[str] | None,
    sent: dict[str, Any],
    replaces: bool,
    inactive: str | None,
    batch: list[str] | None,
    single: dict[str, bool],
) -> None:
    planned = plan_tags(wanted, sent, replaces=replaces, inactive_tag=inactive)
    assert (planned.batch, dict(planned.single)) == (batch, single)
    after = {**sent, **planned.sent} if planned.sent else {}
    repeated = plan_tags(wanted, after, replaces=replaces, inactive_tag=inactive)
    assert (repeated.batch, dict(repeated.single)) == (None, {})


def test_whatever_a_result_keeps_of_a_member_is_read_in_the_answer_of_a_batch() -> None:
    member = dict.fromkeys(KEPT_OF_ANSWER, "x")
    answer = json.dumps({"new_members": [member], "updated_members": []}).encode()
    assert parse_batch_answer(answer)["new_members"] == [member]
