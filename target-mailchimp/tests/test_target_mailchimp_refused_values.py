"""What Mailchimp did not accept is never remembered as sent, and tried again once something changed."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.mailchimp import FieldError, MailchimpClient, RefusedError, subscriber_hash
from kinetic_mailchimp.mailchimp.merge_field import MergeField
from kinetic_mailchimp.mailchimp.stored_form import is_stored
from target_mailchimp.audience.audience import Audience
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.acceptance import without_refused, without_unstored
from target_mailchimp.writing.write_result import WriteResult
from target_mailchimp.writing.writer import MailchimpWriter

PERSON = "person@example.com"
PROPERTIES = ("email_address", "FNAME", "PHONE", "ip_signup", "ip_opt", "email_type", "source_key", "tags")

pytestmark = pytest.mark.rule("R8")


@pytest.fixture(params=[False, True], ids=["in a batch", "in a call of its own"])
def either_bench(bench: Any, single_call_target: Any, request: pytest.FixtureRequest) -> Any:
    if request.param:
        bench.target_class = single_call_target
    return bench


def load(bench: Any, *records: dict[str, Any], **settings: Any) -> list[Any]:
    lines: list[dict[str, Any]] = [
        {
            "type": "SCHEMA",
            "stream": "customers",
            "schema": {"properties": {name: {} for name in PROPERTIES}},
            "key_properties": [],
        }
    ]
    for record in records:
        values = {"email_address": PERSON, "source_key": "1", **record}
        lines.append({"type": "RECORD", "stream": "customers", "record": values})
    decided: list[Any] = bench.run_messages(lines, **settings)
    return decided


def remembered(bench: Any, address: str = PERSON) -> MemberState:
    with AuditTrail.open(bench.database_url) as trail:
        ledger = trail.ledger(members_namespace(bench.mailchimp.list_id))
        return read_members(ledger, [subscriber_hash(address)])[subscriber_hash(address)]


def change_field(bench: Any, tag: str, **changes: Any) -> None:
    url = f"{bench.mailchimp.base_url}/lists/{bench.mailchimp.list_id}/merge-fields"
    with requests.Session() as session:
        session.auth = ("any", bench.mailchimp.api_key)
        [field] = [
            field for field in session.get(url, timeout=120).json()["merge_fields"] if field["tag"] == tag
        ]
        session.patch(f"{url}/{field['merge_id']}", json=changes, timeout=120).raise_for_status()


@pytest.fixture
def half_taken(either_bench: Any) -> Any:
    """An audience with PHONE 111 that refuses PHONE 222."""
    load(either_bench, {"PHONE": "111", "FNAME": "Ann"})
    either_bench.mailchimp.control.switch(refused_merge_value="222")
    return either_bench


@pytest.mark.parametrize("before", ["111", ""], ids=["an old value stays", "it stays empty"])
def test_a_value_that_was_passed_over_is_sent_again_with_the_next_record(
    either_bench: Any, before: str
) -> None:
    load(either_bench, {"PHONE": before, "FNAME": "Ann"})
    either_bench.mailchimp.control.switch(unstored_merge_value="222")
    for name in ("Anna", "Anne"):
        [decided] = load(either_bench, {"PHONE": "222", "FNAME": name})
        assert (decided.action, set(decided.changes)) == ("updated", {"merge_fields.FNAME"})
        assert "PHONE (not_stored_by_mailchimp: " in decided.detail
        state = remembered(either_bench)
        assert (state.sent.get("merge_fields.PHONE", ""), state.refused) == (before, {})
    either_bench.mailchimp.control.switch(unstored_merge_value="")
    load(either_bench, {"PHONE": "222", "FNAME": "Anne"})
    assert either_bench.members()[PERSON]["merge_fields"]["PHONE"] == "222"
    either_bench.clear()
    [decided] = load(either_bench, {"PHONE": "222", "FNAME": "Anne"})
    assert decided.action == "unchanged"
    assert not [call for call in either_bench.calls() if not call.startswith("GET")]


def test_a_new_member_gets_later_what_was_passed_over(either_bench: Any) -> None:
    either_bench.mailchimp.control.switch(unstored_merge_value="222")
    [decided] = load(either_bench, {"PHONE": "222", "FNAME": "Ann"})
    assert (decided.action, "PHONE (not_stored" in decided.detail) == ("created", True)
    either_bench.mailchimp.control.switch(unstored_merge_value="")
    load(either_bench, {"PHONE": "222", "FNAME": "Ann"})
    assert either_bench.members()[PERSON]["merge_fields"]["PHONE"] == "222"


def test_a_value_that_mailchimp_keeps_in_a_form_of_its_own_is_not_sent_in_every_run() -> None:
    audience = Audience("l", "List", fields={"PHONE": MergeField("PHONE")})
    record = MemberRecord("customers", {}, PERSON, subscriber_hash(PERSON))
    state = MemberState(PERSON, sent={"merge_fields.PHONE": "111"})
    write = Write(record, audience, state, state, {"merge_fields.PHONE": "222"})
    kept = without_unstored(write, {"merge_fields": {"PHONE": "+222"}})
    assert (kept.values, set(kept.refused)) == ({}, {"merge_fields.PHONE"})
    passed_over = without_unstored(write, {"merge_fields": {"PHONE": "111"}})
    assert (passed_over.values, passed_over.refused) == ({}, {})


def test_a_value_that_was_not_accepted_is_not_remembered_as_sent(half_taken: Any) -> None:
    [decided] = load(half_taken, {"PHONE": "222", "FNAME": "Anna"})
    assert decided.action == "updated"
    assert "PHONE (" in decided.detail
    assert set(decided.changes) == {"merge_fields.FNAME"}
    state = remembered(half_taken)
    assert (state.sent["merge_fields.PHONE"], state.sent["merge_fields.FNAME"]) == ("111", "Anna")
    assert state.refused["merge_fields.PHONE"].value == "222"
    assert half_taken.members()[PERSON]["merge_fields"]["PHONE"] == "111"


def test_a_value_that_was_not_accepted_is_not_sent_in_every_run(half_taken: Any) -> None:
    load(half_taken, {"PHONE": "222"})
    half_taken.clear()
    [decided] = load(half_taken, {"PHONE": "222"})
    assert (decided.action, decided.reason) == ("unchanged", "no_field_differs")
    assert "PHONE (refused_by_mailchimp: refused before" in decided.detail
    assert not [call for call in half_taken.calls() if not call.startswith("GET")]
    [decided] = load(half_taken, {"PHONE": "222", "FNAME": "Anna"})
    assert (decided.action, set(decided.changes)) == ("updated", {"merge_fields.FNAME"})
    assert remembered(half_taken).refused["merge_fields.PHONE"].value == "222"


def test_another_value_is_tried(half_taken: Any) -> None:
    load(half_taken, {"PHONE": "222"})
    [decided] = load(half_taken, {"PHONE": "333"})
    assert decided.action == "updated"
    state = remembered(half_taken)
    assert (state.sent["merge_fields.PHONE"], state.refused) == ("333", {})


def test_the_same_value_is_tried_again_once_the_field_changed(half_taken: Any) -> None:
    load(half_taken, {"PHONE": "222"})
    half_taken.mailchimp.control.switch(refused_merge_value="")
    [decided] = load(half_taken, {"PHONE": "222"})
    assert decided.action == "unchanged"
    change_field(half_taken, "PHONE", options={"size": 30})
    [decided] = load(half_taken, {"PHONE": "222"})
    assert decided.action == "updated"
    state = remembered(half_taken)
    assert (state.sent["merge_fields.PHONE"], state.refused) == ("222", {})
    assert half_taken.members()[PERSON]["merge_fields"]["PHONE"] == "222"


def test_a_return_to_the_accepted_value_needs_no_call(half_taken: Any) -> None:
    load(half_taken, {"PHONE": "222"})
    half_taken.clear()
    [decided] = load(half_taken, {"PHONE": "111"})
    assert decided.action == "unchanged"
    assert remembered(half_taken).refused == {}
    [decided] = load(half_taken, {"PHONE": "222"})
    assert "PHONE (" in decided.detail
    assert remembered(half_taken).refused["merge_fields.PHONE"].value == "222"


def test_an_older_row_does_not_decide_where_the_newer_one_was_refused(bench: Any) -> None:
    bench.mailchimp.control.switch(refused_merge_value="222")
    load(bench, {"PHONE": "222", "source_updated_on": "2"})
    [decided] = load(bench, {"PHONE": "333", "source_key": "2", "source_updated_on": "1"})
    assert (decided.action, decided.reason) == ("superseded", "newer_row_of_same_address")
    assert bench.members()[PERSON]["merge_fields"]["PHONE"] == ""


def test_a_new_member_is_made_without_what_is_refused(either_bench: Any) -> None:
    either_bench.mailchimp.control.switch(refused_merge_value="222")
    [decided] = load(either_bench, {"PHONE": "222", "FNAME": "Ann"})
    assert decided.action == "created"
    state = remembered(either_bench)
    assert "merge_fields.PHONE" not in state.sent
    assert (state.sent["merge_fields.FNAME"], set(state.refused)) == ("Ann", {"merge_fields.PHONE"})


def test_attributes_that_mailchimp_refuses_cost_no_member(either_bench: Any) -> None:
    record = {"FNAME": "Ann", "ip_signup": "nowhere", "ip_opt": "nowhere", "email_type": "fax"}
    either_bench.mailchimp.control.switch(refused_merge_value="222")
    [decided] = load(either_bench, {**record, "PHONE": "222"})
    assert decided.action == "created"
    for name in ("ip_signup", "ip_opt", "email_type", "PHONE"):
        assert f"{name} (refused_by_mailchimp: " in decided.detail
    assert set(remembered(either_bench).sent) >= {"merge_fields.FNAME"}
    assert set(remembered(either_bench).refused) == {
        "ip_signup",
        "ip_opt",
        "email_type",
        "merge_fields.PHONE",
    }
    either_bench.clear()
    [decided] = load(either_bench, {**record, "PHONE": "222"})
    assert decided.action == "unchanged"
    [decided] = load(either_bench, {**record, "ip_signup": "192.0.2.1"})
    assert (decided.action, set(decided.changes)) == ("updated", {"ip_signup"})


def test_what_is_refused_while_a_member_moves_costs_no_move(bench: Any) -> None:
    load(bench, {"PHONE": "111"})
    bench.mailchimp.control.switch(refused_merge_value="222")
    new = "new@example.com"
    [decided] = load(bench, {"email_address": new, "PHONE": "222", "ip_signup": "nowhere"})
    assert decided.action == "moved"
    state = remembered(bench, new)
    assert (state.sent["merge_fields.PHONE"], set(state.refused)) == (
        "111",
        {"merge_fields.PHONE", "ip_signup"},
    )


def test_values_of_an_address_that_was_taken_meanwhile_are_only_those_that_it_got(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bench, {"PHONE": "111", "FNAME": "Ann"})
    new = "new@example.com"
    # Another member takes the address between the look and the move.
    move = MailchimpWriter.write_single

    def overtaken(writer: MailchimpWriter, write: Write) -> WriteResult:
        bench.mailchimp.control.put_members([{"email": new, "state": "subscribed"}])
        return move(writer, write)

    monkeypatch.setattr(MailchimpWriter, "write_single", overtaken)
    [decided] = load(bench, {"email_address": new, "PHONE": "111", "FNAME": "Anna"})
    assert (decided.action, decided.reason) == ("updated", "address_taken")
    state = remembered(bench, new)
    assert (state.sent.get("merge_fields.PHONE"), state.sent["merge_fields.FNAME"]) == (None, "Anna")


def test_a_permission_that_is_not_given_is_not_remembered_as_given(bench: Any) -> None:
    list_id = bench.mailchimp.lists["Events"]
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": {}}, "key_properties": []},
        {
            "type": "RECORD",
            "stream": "s",
            "record": {"email_address": PERSON, "marketing_permissions": {"email": True, "fax": True}},
        },
    ]
    bench.run_messages(lines, list_id=list_id)
    with AuditTrail.open(bench.database_url) as trail:
        state = read_members(trail.ledger(members_namespace(list_id)), [subscriber_hash(PERSON)])
    [member] = state.values()
    assert member.sent["marketing_permissions.email"] is True
    assert "marketing_permissions.fax" not in member.sent
    bench.clear()
    [decided] = bench.run_messages(lines, list_id=list_id)
    assert decided.action == "unchanged"
    assert not [call for call in bench.calls() if not call.startswith("GET")]


def test_values_are_remembered_although_the_tags_after_them_failed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RefusedError("No tags today.")

    load(bench, {"FNAME": "Ann"})
    inactive = {"FNAME": "Anna", "source_active": False}
    with monkeypatch.context() as patched:
        patched.setattr(MailchimpClient, "set_tags", refuse)
        [decided] = load(bench, inactive, tags="replace", inactive_action="tag")
    assert (decided.action, decided.dead_letter is not None) == ("failed", True)
    assert (remembered(bench).sent["merge_fields.FNAME"], "tags" in remembered(bench).sent) == ("Anna", False)
    [decided] = load(bench, inactive, tags="replace", inactive_action="tag")
    assert decided.action == "updated"
    assert [tag["name"] for tag in bench.members()[PERSON]["tags"]] == ["Inactive"]


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ("Tom &amp; Co", "Tom & Co"),
        ("A &#39;quoted&#39; name", "A 'quoted' name"),
        ("Ann", " Ann "),
        ("A B", "A  B"),
        ("", ""),
        (None, ""),
        (12, "12"),
        ("12.50", 12.5),
        (3, 3.0),
        ("1980-12-21", "1980-12-21"),
        (
            {"addr1": "1 Main St", "addr2": "", "city": "X", "country": "US"},
            {"addr1": "1 Main St", "city": "X"},
        ),
    ],
)
def test_the_forms_that_mailchimp_gives_to_values_are_the_values(shown: Any, sent: Any) -> None:
    assert is_stored(shown, sent)


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ("111", "222"),
        ("", "222"),
        (None, "222"),
        ("12.5", 12.6),
        ("", {"addr1": "1 Main St"}),
        ("Ann", "ann"),
    ],
)
def test_another_value_is_not_the_value(shown: Any, sent: Any) -> None:
    assert not is_stored(shown, sent)


@pytest.mark.parametrize(
    ("field", "message", "left_out"),
    [
        ("language", "is not supported", "language"),
        ("members.item:3.language", "is not supported", "language"),
        ("members.item:3.location.latitude", "is not a number", "location"),
        ("merge_fields.FNAME", "is too long", "merge_fields.FNAME"),
        ("fname", "is too long", "merge_fields.FNAME"),
        ("MERGE7", "is too long", "merge_fields.FNAME"),
        ("mmerge7", "is too long", "merge_fields.FNAME"),
        ("", "Language xx is unsupported", "language"),
        ("", "The value of FNAME or of language is wrong", "language merge_fields.FNAME"),
        ("", "Something else is wrong", "language location"),
        ("other", "The language is wrong", ""),
    ],
)
def test_a_refused_field_is_found_however_mailchimp_names_it(field: str, message: str, left_out: str) -> None:
    audience = Audience("l", "List", fields={"FNAME": MergeField("FNAME", merge_id=7)})
    record = MemberRecord("customers", {}, PERSON, subscriber_hash(PERSON))
    values = {"merge_fields.FNAME": "Ann", "language": "xx", "location": {"latitude": 1}}
    write = Write(record, audience, MemberState(PERSON), MemberState(PERSON), values)
    smaller = without_refused(write, RefusedError("no", field_errors=(FieldError(field, message),)))
    assert (values.keys() - smaller.values.keys() if smaller else set()) == set(left_out.split())
