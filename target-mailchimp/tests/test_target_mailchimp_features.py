"""What the settings do, seen in the audience."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.kit.encryption import SecretBox
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError
from simulators.mailchimp.account import TYPED
from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.outcomes import Outcome
from target_mailchimp.writing.writer import MailchimpWriter

PERSON = "person@example.com"
ADDRESS = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


# Fields


def test_missing_merge_fields_are_made_on_request_with_the_value_that_asked_for_them(bench: Any) -> None:
    lines = [
        schema_line(BALANCE={"type": "number"}, SINCE={"type": "string", "format": "date"}),
        record_line(BALANCE=12.5, SINCE="2026-03-01"),
    ]
    [decided] = bench.run_messages(lines)
    assert "BALANCE (no_such_merge_field" in decided.detail
    bench.run_messages(lines, create_merge_fields=True)
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["BALANCE"], fields["SINCE"]) == (12.5, "2026-03-01")


def test_more_fields_than_an_audience_may_have_leave_out_values_and_no_member(bench: Any) -> None:
    names = [f"EXTRA{number}" for number in range(30)]
    lines = [
        schema_line("customers", **{name: {"type": "string"} for name in names}),
        record_line(**dict.fromkeys(names, "x")),
    ]
    [decided] = bench.run_messages(lines, create_merge_fields=True)
    assert decided.action == "created"
    assert "EXTRA29 (no_such_merge_field" in decided.detail
    assert bench.members()[PERSON]["merge_fields"]["EXTRA0"] == "x"


def test_a_value_that_does_not_fit_is_left_out_and_the_member_is_written(bench: Any) -> None:
    [decided] = bench.run_messages(
        [
            schema_line(ADDRESS={"type": "object"}, FNAME={"type": "string"}),
            record_line(ADDRESS={"addr1": "x"}, FNAME="A"),
        ]
    )
    assert decided.action == "created"
    assert "ADDRESS (incomplete_address: the address lacks city, state, zip)" in decided.detail
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "A"


def test_a_value_that_mailchimp_refuses_is_left_out_and_the_member_is_written(start_bench: Any) -> None:
    bench = start_bench(image_urls_reachable=False)
    list_id = bench.mailchimp.control.add_list(
        "Pictures", merge_fields=[{"tag": "LOGO", "name": "Logo", "type": "imageurl"}]
    )
    [decided] = bench.run_messages(
        [
            schema_line(LOGO={"type": "string"}, FNAME={"type": "string"}),
            record_line(LOGO="https://example.com/x.png", FNAME="A"),
        ],
        list_id=list_id,
    )
    assert decided.action == "created"
    assert "LOGO (refused_by_mailchimp" in decided.detail
    assert bench.members(list_id)[PERSON]["status"] == "subscribed"


def test_language_vip_location_and_interests_travel(bench: Any) -> None:
    client_calls = _interests(bench, {"Newsletter": ["Weekly", "Daily"], "Products": ["Daily"]})
    bench.run_messages(
        [
            schema_line(interests={"type": "object"}, location={"type": "object"}),
            record_line(
                language="de",
                vip=True,
                location={"latitude": 52.5, "longitude": 13.4},
                interests={"Weekly": True, "Newsletter/Daily": True, "Daily": True},
            ),
        ]
    )
    member = bench.members()[PERSON]
    assert (member["language"], member["vip"], member["location"]["latitude"]) == ("de", True, 52.5)
    assert {key for key, chosen in member["interests"].items() if chosen} == {
        client_calls["Newsletter/Weekly"],
        client_calls["Newsletter/Daily"],
    }
    [decided] = bench.decisions()
    assert "Daily (no_such_interest" in decided.detail


def test_marketing_permissions_are_given_to_new_people_and_only_taken_from_others(bench: Any) -> None:
    list_id = bench.mailchimp.lists[TYPED]

    def given() -> dict[str, bool]:
        entries = bench.members(list_id)[PERSON]["marketing_permissions"]
        return {entry["text"]: entry["enabled"] for entry in entries}

    def load(**permissions: bool) -> Any:
        lines = [schema_line(marketing_permissions={"type": "object"})]
        lines.append(record_line(marketing_permissions=permissions, source_key="1"))
        [decided] = bench.run_messages(lines, list_id=list_id)
        return decided

    load(email=True, fax=True)
    assert given() == {"Email": True, "Direct mail": False}
    assert "fax" in bench.decisions()[-1].detail
    load(email=False)
    assert given() == {"Email": False, "Direct mail": False}
    assert "only the person can give" in load(email=True).detail
    assert given() == {"Email": False, "Direct mail": False}


def _interests(bench: Any, groups: dict[str, list[str]]) -> dict[str, str]:
    import requests  # noqa: PLC0415

    ids = {}
    with requests.Session() as session:
        session.auth = ("any", bench.mailchimp.api_key)
        url = f"{bench.mailchimp.base_url}/lists/{bench.mailchimp.list_id}/interest-categories"
        for title, names in groups.items():
            group = session.post(url, json={"title": title, "type": "checkboxes"}, timeout=30).json()
            for name in names:
                made = session.post(f"{url}/{group['id']}/interests", json={"name": name}, timeout=30).json()
                ids[f"{title}/{name}"] = made["id"]
    return ids


def test_tags_are_added_or_are_the_whole_set(bench: Any) -> None:
    def names() -> set[str]:
        return {tag["name"] for tag in bench.members()[PERSON]["tags"]}

    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed", "tags": ["By hand"]}])
    tagged = [schema_line(tags={"type": "array"}), record_line(tags=["A", "B"], source_key="1")]
    bench.run_messages(tagged)
    assert names() == {"By hand", "A", "B"}
    [decided] = bench.run_messages(tagged)
    assert decided.action == "unchanged"
    bench.run_messages(tagged, tags="replace")
    assert names() == {"A", "B"}
    bench.run_messages(
        [schema_line(tags={"type": "array"}), record_line(tags=[], source_key="1")], tags="replace"
    )
    assert names() == set()


def test_a_record_without_tags_keeps_them_beside_one_that_replaces_them(bench: Any) -> None:
    other = "other@example.com"
    bench.mailchimp.control.put_members(
        {"email": email, "state": "subscribed", "tags": ["Old"]} for email in (PERSON, other)
    )
    bench.run_messages(
        [
            schema_line(tags={"type": "array"}, FNAME={"type": "string"}),
            record_line(tags=["New"]),
            {"type": "RECORD", "stream": "customers", "record": {"email_address": other, "FNAME": "O"}},
        ],
        tags="replace",
    )
    tags = {email: [tag["name"] for tag in member["tags"]] for email, member in bench.members().items()}
    assert tags == {PERSON: ["New"], other: ["Old"]}


# Inactive customers


@pytest.mark.parametrize(
    ("action", "decided", "status", "tags"),
    [
        ("nothing", "unchanged", "subscribed", []),
        ("tag", "updated", "subscribed", ["Gone"]),
        ("unsubscribe", "flagged", "unsubscribed", []),
        ("archive", "archived", "archived", []),
    ],
)
def test_an_inactive_customer(bench: Any, action: str, decided: str, status: str, tags: list[str]) -> None:
    settings = {"inactive_action": action, "inactive_tag": "Gone"}
    customer = {"email_address": PERSON, "FNAME": "A", "source_key": "1"}
    bench.run([{**customer, "source_active": True}], **settings)
    [entry] = bench.run([{**customer, "source_active": False}], **settings)
    assert entry.action == decided
    member = bench.members()[PERSON]
    assert (member["status"], [tag["name"] for tag in member["tags"]]) == (status, tags)
    [again] = bench.run([{**customer, "source_active": False}], **settings)
    assert again.action in {"unchanged", "refused"}
    if action == "tag":
        bench.run([{**customer, "source_active": True}], **settings)
        assert bench.members()[PERSON]["tags"] == []


def test_somebody_is_inactive_only_when_all_their_rows_are(bench: Any) -> None:
    first = {"email_address": PERSON, "source_key": "1"}
    second = {"email_address": PERSON, "source_key": "2"}
    settings = {"inactive_action": "archive"}
    bench.run([first, second], **settings)
    bench.run([{**first, "source_active": False}], **settings)
    assert bench.members()[PERSON]["status"] == "subscribed"
    bench.run([{**second, "source_active": False}], **settings)
    assert bench.members()[PERSON]["status"] == "archived"


def test_an_inactive_customer_is_never_made_a_member(bench: Any) -> None:
    [decided] = bench.run([{"email_address": PERSON, "source_active": False}])
    assert (decided.action, decided.reason) == ("skipped", "inactive_at_source")


# Several rows, several streams


def name_lines(**record: Any) -> list[dict[str, Any]]:
    """What a stream that only updates says about the person."""
    return [
        schema_line("names", FNAME={"type": "string"}),
        record_line("names", FNAME="A", source_key="N", source_updated_on="1", **record),
    ]


CUSTOMER = {"email_address": PERSON, "COMPANY": "Acme", "source_key": "C", "source_updated_on": "2"}
NAMES_ONLY = {"update_only_streams": ["names"]}


def test_a_stream_that_only_updates_creates_nobody_and_is_remembered(bench: Any) -> None:
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert (decided.action, decided.reason) == ("skipped", "not_a_member")
    assert bench.members() == {}
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert decided.action == "created"
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("A", "Acme")
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert decided.action == "unchanged"


def test_an_opt_out_that_comes_before_the_person_keeps_the_person_out(bench: Any) -> None:
    bench.run_messages(name_lines(status="unsubscribed"), **NAMES_ONLY)
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert (decided.action, decided.reason) == ("skipped", "opted_out_at_source")
    assert bench.members() == {}
    # Taken back at the source, it stands no longer in the way of the customer, who waited too.
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert decided.action == "created"
    assert bench.members()[PERSON]["merge_fields"]["COMPANY"] == "Acme"


def test_what_a_row_said_under_another_address_does_not_wait_here(bench: Any) -> None:
    bench.run_messages(name_lines(status="unsubscribed"), **NAMES_ONLY)
    moved = [schema_line("names"), record_line("names", source_key="N", source_updated_on="2")]
    moved[1]["record"]["email_address"] = "elsewhere@example.com"
    bench.run_messages(moved, **NAMES_ONLY)
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert decided.action == "created"


@pytest.mark.parametrize("names_first", [True, False])
def test_an_inactive_customer_is_not_created_by_a_name_in_the_same_batch(
    bench: Any, names_first: bool
) -> None:
    customer = [schema_line(), record_line(**CUSTOMER, source_active=False)]
    lines = [*name_lines(), *customer] if names_first else [*customer, *name_lines()]
    bench.run_messages(lines, **NAMES_ONLY)
    assert bench.members() == {}


def test_rows_of_one_address_in_one_batch_come_together(bench: Any) -> None:
    decided = bench.run(
        [
            {
                "email_address": "Person@Example.com",
                "FNAME": "A",
                "source_key": "1",
                "source_updated_on": "2026-01-02",
            },
            {
                "email_address": PERSON,
                "FNAME": "B",
                "LNAME": "L",
                "source_key": "2",
                "source_updated_on": "2026-01-01",
            },
        ]
    )
    assert Counter(entry.action for entry in decided) == {"created": 1, "merged": 1}
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["LNAME"]) == ("A", "L")


@pytest.mark.parametrize("batch_size", [1, 500])
def test_rows_of_one_address_do_not_take_turns(bench: Any, batch_size: int) -> None:
    rows = [
        {"email_address": PERSON, "FNAME": "Newer", "source_key": "1", "source_updated_on": "2026-01-02"},
        {"email_address": PERSON, "FNAME": "Older", "source_key": "2", "source_updated_on": "2026-01-01"},
    ]
    bench.run(rows, batch_size=batch_size)
    for _ in range(2):
        bench.clear()
        decided = bench.run(rows[::-1], batch_size=batch_size)
        assert {entry.action for entry in decided} <= {"unchanged", "superseded", "merged"}
        assert not any(key.startswith("POST") for key in bench.calls())
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "Newer"


@pytest.mark.parametrize("batch_size", [1, 500])
def test_a_newer_row_keeps_no_other_row_from_values_that_only_mailchimp_had(
    bench: Any, batch_size: int
) -> None:
    person = {"email": PERSON, "state": "subscribed", "merge_fields": {"FNAME": "B", "COMPANY": "Before"}}
    bench.mailchimp.control.put_members([person])
    newer = {"email_address": PERSON, "FNAME": "B", "source_key": "1", "source_updated_on": "2026-01-02"}
    older = {**newer, "FNAME": "C", "COMPANY": "Acme", "source_key": "2", "source_updated_on": "2026-01-01"}
    bench.run([newer, older], batch_size=batch_size)
    bench.run([older, newer], batch_size=batch_size)
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("B", "Acme")


# A new address


def test_a_new_address_at_the_source_moves_the_member(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A", "source_key": "1"}])
    before = bench.members()[PERSON]["contact_id"]
    [decided] = bench.run([{"email_address": "new@example.com", "FNAME": "A", "source_key": "1"}])
    assert decided.action == "moved"
    members = bench.members()
    assert list(members) == ["new@example.com"]
    assert members["new@example.com"]["contact_id"] == before
    [again] = bench.run([{"email_address": "new@example.com", "FNAME": "A", "source_key": "1"}])
    assert again.action == "unchanged"


def test_a_move_whose_answer_was_lost_is_found_again(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "PATCH", "count": 1}, "effect": {"kind": "reset", "applied": True}}]
    )
    [decided] = bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    assert decided.action == "moved"
    assert list(bench.members()) == ["new@example.com"]


def test_a_new_address_that_is_a_member_already_is_updated(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": "new@example.com", "state": "subscribed"}])
    [decided] = bench.run([{"email_address": "new@example.com", "FNAME": "N", "source_key": "1"}])
    assert (decided.action, decided.reason) == ("updated", "fields_differ")
    assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == "N"


def test_a_new_address_that_becomes_a_member_before_the_move_is_updated(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    move = MailchimpWriter.write_single

    def overtaken(writer: MailchimpWriter, write: Write) -> Outcome:
        bench.mailchimp.control.put_members([{"email": "new@example.com", "state": "subscribed"}])
        return move(writer, write)

    monkeypatch.setattr(MailchimpWriter, "write_single", overtaken)
    [decided] = bench.run([{"email_address": "new@example.com", "FNAME": "N", "source_key": "1"}])
    assert (decided.action, decided.reason) == ("updated", "address_taken")
    assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == "N"


@pytest.mark.parametrize(
    "state", ["unsubscribed_by_contact", "unsubscribed_by_admin", "archived", "forgotten"]
)
def test_an_opt_out_moves_along_with_the_person(bench: Any, state: str) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    members = bench.members()
    assert members.get("new@example.com", {}).get("status") in {None, "unsubscribed"}
    assert bench.mailchimp.control.raises("raised") == []


@pytest.mark.parametrize("asked", ["one by one", "by a listing"])
def test_a_member_whose_address_was_changed_in_mailchimp_goes_on_being_updated(
    bench: Any, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A", "source_key": "1"}])
    bench.mailchimp.control.change_address(PERSON, "new@example.com")
    if asked == "one by one":
        monkeypatch.setattr("target_mailchimp.membership.LARGEST_PAGE", 1)
        bench.mailchimp.control.put_members(
            {"email": f"other{number}@example.com", "state": "subscribed"} for number in range(5)
        )
    moved = {"email_address": "new@example.com", "source_key": "1"}
    for name in ("B", "C"):
        [decided] = bench.run([{**moved, "FNAME": name}])
        assert decided.action == "updated"
        assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == name


def test_an_address_that_another_row_still_has_stays(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}, {"email_address": PERSON, "source_key": "2"}])
    [decided] = bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    assert decided.action == "created"
    assert set(bench.members()) == {PERSON, "new@example.com"}


@pytest.mark.parametrize("state", ["subscribed", "unsubscribed_by_contact"])
def test_an_address_that_another_row_takes_over_at_once_stays(bench: Any, state: str) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    bench.run(
        [
            {"email_address": "new@example.com", "source_key": "1"},
            {"email_address": PERSON, "source_key": "2"},
        ]
    )
    expected = {PERSON: state, **({"new@example.com": "subscribed"} if state == "subscribed" else {})}
    assert bench.states_of_people() == expected
    assert bench.mailchimp.control.raises("raised") == []


# Audiences


def test_streams_and_records_may_name_their_audience(bench: Any) -> None:
    second = bench.mailchimp.control.add_list("Second")
    third = bench.mailchimp.control.add_list("Third")
    bench.run_messages(
        [
            schema_line("customers"),
            schema_line("others"),
            record_line("customers"),
            record_line("others"),
            record_line("others", list_id="third"),
        ],
        list_id_by_stream={"others": "Second"},
    )
    assert [list(bench.members(found)) for found in (None, second, third)] == [[PERSON]] * 3


def test_a_record_that_names_no_audience_of_the_account_is_a_dead_letter(bench: Any) -> None:
    decided = bench.run_messages([schema_line(), record_line(list_id="nowhere"), record_line()])
    assert sorted((entry.action, entry.reason) for entry in decided) == [
        ("created", "new_subscribed"),
        ("failed", "no_such_audience"),
    ]


def test_no_audience_at_all_is_a_wrong_setting(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="list_id"):
        bench.run_messages([schema_line(), record_line()], list_id=None)


# The ledger


def test_a_lost_ledger_is_read_back_from_the_audience(bench: Any, tmp_path: Any) -> None:
    people = [{"email_address": f"p{number}@example.com", "FNAME": f"P{number}"} for number in range(30)]
    bench.run(people)
    bench.database_url = f"sqlite:///{tmp_path / 'another.sqlite3'}"
    bench.clear()
    decided = bench.run([*people[:-1], {**people[-1], "FNAME": "New"}])
    assert Counter(entry.action for entry in decided) == {"unchanged": 29, "updated": 1}
    assert sum(count for key, count in bench.calls().items() if key.startswith("POST")) == 1


def test_records_that_name_no_audience_of_the_account_fail_once(bench: Any) -> None:
    decided = bench.run([{"email_address": PERSON, "list_id": "nowhere"}] * 2)
    assert [(entry.action, entry.reason) for entry in decided] == [("failed", "no_such_audience")] * 2
    assert bench.last_run()["status"] == "succeeded"


# Dry runs, limits, dead letters


def test_a_dry_run_says_what_it_would_do_and_does_nothing(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    bench.clear()
    lines = [
        schema_line(FNAME={"type": "string"}, NEWFIELD={"type": "string"}),
        record_line(FNAME="B"),
        {"type": "RECORD", "stream": "customers", "record": {"email_address": "new@example.com"}},
        {"type": "STATE", "value": {"done": True}},
    ]
    assert bench.states(lines, dry_run=True, create_merge_fields=True) == []
    decided = bench.decisions(bench.last_run()["id"])
    assert sorted(entry.action for entry in decided) == ["created", "updated"]
    assert {key.split()[0] for key in bench.calls()} == {"GET"}
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "A"
    assert sorted(entry.action for entry in bench.run_messages(lines)) == ["created", "updated"]


def test_many_failures_end_the_run_before_its_state(start_bench: Any) -> None:
    bench = start_bench(reject_example_addresses=True)
    people = [{"email_address": f"p{number}@example.com"} for number in range(120)]
    lines = [
        schema_line(),
        *({"type": "RECORD", "stream": "customers", "record": person} for person in people),
        {"type": "STATE", "value": {"done": True}},
    ]
    with pytest.raises(DataError, match="max_failed"):
        bench.states(lines, max_failed=100)
    assert bench.last_run()["status"] == "failed"
    with pytest.raises(DataError, match="max_failed_ratio"):
        bench.states(lines, max_failed_ratio=0.5)
    assert bench.states(lines) == [{"done": True}]


def test_a_dead_letter_goes_back_in_as_it_came(start_bench: Any) -> None:
    bench = start_bench(reject_example_addresses=True)
    given = {"email_address": PERSON, "FNAME": "A", "COMPANY": None, "source_key": "1"}
    [decided] = bench.run([given])
    assert (decided.action, decided.reason, decided.dead_letter) == ("failed", "fake_address", given)
    bench.mailchimp.control.switch(reject_example_addresses=False)
    [replayed] = bench.run([decided.dead_letter])
    assert replayed.action == "created"


@pytest.mark.parametrize("written", ["in clear", "encrypted"])
def test_dead_letters_are_encrypted_where_a_key_is_set(
    bench: Any, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    key, key_of_settings = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", key_of_settings)
    monkeypatch.setenv(
        "AUDIT_ENCRYPTION_KEY", key if written == "in clear" else SecretBox((key_of_settings,)).encrypt(key)
    )
    given = {"email_address": "nobody"}
    bench.states(
        [schema_line(), {"type": "RECORD", "stream": "customers", "record": given}], on_invalid="dead_letter"
    )
    with AuditTrail.open(bench.database_url) as trail, trail.database.reading() as connection:
        [stored] = connection.execute(sa.select(decisions.c.dead_letter)).scalars()
    assert "nobody" not in stored
    assert json.loads(record_encryption(key).decrypt(stored)) == given


def test_a_key_that_cannot_encrypt_is_an_error_that_names_its_variable(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", "no-key")
    with pytest.raises(ConfigurationError, match="AUDIT_ENCRYPTION_KEY"):
        bench.run([{"email_address": PERSON}])


def test_invalid_records_become_dead_letters_on_request(bench: Any) -> None:
    [decided] = bench.run([{"email_address": "nobody"}], on_invalid="dead_letter")
    assert (decided.action, decided.dead_letter) == ("quarantined", {"email_address": "nobody"})


def test_every_record_that_was_read_has_one_decision(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": "gone@example.com", "state": "forgotten"}])
    people = [
        {"email_address": "gone@example.com"},
        {"email_address": "x"},
        {"email_address": PERSON},
        {"email_address": PERSON.upper()},
        {"email_address": "out@example.com", "status": "unsubscribed"},
    ]
    decided = bench.run(people)
    run = bench.last_run()
    assert (len(decided), run["records_read"], run["status"]) == (5, 5, "succeeded")
    with AuditTrail.open(bench.database_url) as trail:
        assert trail.ledger(f"target-mailchimp/{bench.mailchimp.list_id}/members").count() == 1


def test_a_required_field_is_required_only_by_setting(bench: Any) -> None:
    list_id = bench.mailchimp.control.add_list(
        "Strict", merge_fields=[{"tag": "CODE", "name": "Code", "type": "text", "required": True}]
    )
    [decided] = bench.run([{"email_address": PERSON}], list_id=list_id, skip_merge_validation=False)
    assert (decided.action, decided.reason) == ("failed", "invalid_fields")
    [decided] = bench.run([{"email_address": PERSON}], list_id=list_id)
    assert decided.action == "created"


def test_the_decision_keeps_what_changed_and_nothing_secret(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    [decided] = bench.run([{"email_address": PERSON, "FNAME": "B"}])
    assert decided.changes == {"merge_fields.FNAME": ["A", "B"]}
    assert bench.mailchimp.api_key not in json.dumps([vars(entry) for entry in bench.decisions()])
