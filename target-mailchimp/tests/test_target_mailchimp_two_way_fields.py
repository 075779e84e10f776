"""One truth per field: who owns it, and what holds where both sides changed it (R8)."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.agreed import AgreedValue, agreed_namespace, agreed_to_json
from kinetic_mailchimp.mailchimp import subscriber_hash

PERSON = "person@example.com"
CONTACT, CUSTOMER = "CustCnt EPIC06/1//1", "Customer EPIC06/1"
ROW = {"email_address": PERSON, "source_key": CONTACT, "FNAME": "Ann", "COMPANY": "Acme"}
BOTH = {"two_way_fields": ["FNAME"]}

pytestmark = pytest.mark.rule("R8")


def pass_time(bench: Any) -> None:
    bench.mailchimp.control.advance_clock(600)


def edit(bench: Any, **values: str) -> None:
    pass_time(bench)
    bench.mailchimp.control.edit_profile(PERSON, merge_fields=values)
    pass_time(bench)


def fields(bench: Any, address: str = PERSON) -> dict[str, Any]:
    return dict(bench.members()[address]["merge_fields"])


def writes(bench: Any) -> list[str]:
    return [call for call in bench.calls() if not call.startswith("GET")]


def agree(bench: Any, version: int, **values: str) -> None:
    """Note what target-epicor-contacts found both sides to agree on."""
    with AuditTrail.open(bench.database_url) as trail:
        run = trail.start_run(plugin="target-epicor-contacts", version="1")
        agreed = {f"merge_fields.{tag}": AgreedValue(value, version) for tag, value in values.items()}
        entry = {subscriber_hash(PERSON): agreed_to_json(agreed)}
        run.record([], ledger={agreed_namespace(bench.mailchimp.list_id): entry})
        run.finish("succeeded")


@pytest.mark.parametrize("records", [[], [ROW]])
def test_an_edit_of_a_field_that_the_source_owns_is_put_back_by_the_next_run(
    bench: Any, records: list[Any]
) -> None:
    bench.run([ROW], **BOTH)
    edit(bench, COMPANY="Edited", FNAME="Anna")
    [decided] = bench.run(records, **BOTH)
    assert (decided.action, decided.reason, decided.subject) == ("updated", "restored", PERSON)
    assert decided.changes == {"merge_fields.COMPANY": ["Edited", "Acme"]}
    assert bench.last_run()["records_read"] == 1
    assert (fields(bench)["COMPANY"], fields(bench)["FNAME"]) == ("Acme", "Anna")
    pass_time(bench)
    assert bench.run([], **BOTH) == []


def test_a_field_that_no_row_brings_is_the_audiences_own(bench: Any) -> None:
    bench.mailchimp.control.put_members(
        [{"email": PERSON, "state": "subscribed", "merge_fields": {"LNAME": "Lee"}}]
    )
    bench.run([ROW])
    edit(bench, LNAME="Lea")
    assert bench.run([]) == []
    assert fields(bench)["LNAME"] == "Lea"


def test_an_edit_of_a_field_of_both_sides_stays_for_the_other_direction(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    edit(bench, FNAME="Anna")
    [decided] = bench.run([{**ROW, "COMPANY": "Acme Ltd"}], **BOTH)
    assert "FNAME (edited_in_mailchimp" in decided.detail
    assert (fields(bench)["COMPANY"], fields(bench)["FNAME"]) == ("Acme Ltd", "Anna")
    # The other direction has written it: nothing is left to do.
    bench.clear()
    [decided] = bench.run([{**ROW, "COMPANY": "Acme Ltd", "FNAME": "Anna"}], **BOTH)
    assert decided.action == "unchanged"
    assert writes(bench) == []
    [decided] = bench.run([{**ROW, "COMPANY": "Acme Ltd", "FNAME": "Anne"}], **BOTH)
    assert decided.changes == {"merge_fields.FNAME": ["Anna", "Anne"]}


@pytest.mark.parametrize(
    ("policy", "updated_on", "expected"),
    [
        ("mailchimp_wins", "2099-01-01T00:00:00Z", "Anna"),
        ("epicor_wins", "2020-01-01T00:00:00Z", "Anne"),
        ("newest_wins", "2099-01-01T00:00:00Z", "Anne"),
        ("newest_wins", "2020-01-01T00:00:00Z", "Anna"),
        ("newest_wins", "12345", "Anna"),
    ],
)
def test_the_policy_decides_a_conflict_and_both_values_are_recorded(
    bench: Any, policy: str, updated_on: str, expected: str
) -> None:
    bench.run([ROW], **BOTH)
    edit(bench, FNAME="Anna")
    record = {**ROW, "FNAME": "Anne", "source_updated_on": updated_on}
    [decided] = bench.run([record], conflict_policy=policy, **BOTH)
    assert fields(bench)["FNAME"] == expected
    if expected == "Anne":
        assert decided.changes == {"merge_fields.FNAME": ["Anna", "Anne"]}
    else:
        assert "FNAME (conflict: " in decided.detail
        assert "'Anna'" in decided.detail
        assert "'Anne'" in decided.detail


def test_a_reps_revert_of_what_the_other_direction_brought_travels(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    edit(bench, FNAME="Anna")
    agree(bench, 1, FNAME="Anna")
    # The rep puts the old name back before the row came by with the new one.
    [decided] = bench.run([ROW], **BOTH)
    assert (decided.action, fields(bench)["FNAME"]) == ("updated", "Ann")
    bench.clear()
    pass_time(bench)
    [decided] = bench.run([ROW], **BOTH)
    assert (decided.action, writes(bench)) == ("unchanged", [])


def test_an_edit_that_was_taken_back_by_the_person_leaves_both_sides_equal(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    for version, name in enumerate(("Anna", "Ann"), start=1):
        edit(bench, FNAME=name)
        agree(bench, version, FNAME=name)
        [decided] = bench.run([{**ROW, "FNAME": name}], **BOTH)
        assert (decided.action, fields(bench)["FNAME"]) == ("unchanged", name)
    bench.run([{**ROW, "FNAME": "Anne"}], **BOTH)
    assert fields(bench)["FNAME"] == "Anne"


def test_a_write_whose_answer_was_lost_with_the_process_is_no_edit(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    pass_time(bench)
    schema = {"properties": {name: {"type": ["string", "null"]} for name in ROW}}
    lines = [
        {"type": "SCHEMA", "stream": "customers", "schema": schema, "key_properties": ["email_address"]},
        {"type": "RECORD", "stream": "customers", "record": {**ROW, "FNAME": "Anna"}},
    ]
    bench.killed(lines, at_call=1, answered=True, **BOTH)
    assert fields(bench)["FNAME"] == "Anna"
    pass_time(bench)
    [decided] = bench.run([{**ROW, "FNAME": "Anne"}], **BOTH)
    assert (decided.action, fields(bench)["FNAME"]) == ("updated", "Anne")


def test_a_person_who_was_deleted_and_came_back_by_the_form_has_no_baseline(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    pass_time(bench)
    bench.mailchimp.control.delete_permanently(PERSON)
    bench.mailchimp.control.subscribe(PERSON, merge_fields={"FNAME": "Anna"})
    pass_time(bench)
    [decided] = bench.run([ROW], **BOTH)
    assert (fields(bench)["COMPANY"], fields(bench)["FNAME"]) == ("Acme", "Anna")
    assert "FNAME (conflict" in decided.detail


def test_a_field_that_was_made_again_gets_its_values_again(bench: Any) -> None:
    bench.run([ROW])
    url = f"{bench.mailchimp.base_url}/lists/{bench.mailchimp.list_id}/merge-fields"
    with requests.Session() as session:
        session.auth = ("any", bench.mailchimp.api_key)
        [field] = [
            field
            for field in session.get(url, timeout=120).json()["merge_fields"]
            if field["tag"] == "COMPANY"
        ]
        session.delete(f"{url}/{field['merge_id']}", timeout=120).raise_for_status()
        made = {"tag": "COMPANY", "name": "Company", "type": "text"}
        session.post(url, json=made, timeout=120).raise_for_status()
    pass_time(bench)
    [decided] = bench.run([ROW])
    assert (decided.action, fields(bench)["COMPANY"]) == ("updated", "Acme")


def test_a_row_that_is_merely_touched_does_not_decide_about_shared_fields(bench: Any) -> None:
    other = {**ROW, "source_key": CUSTOMER, "COMPANY": "Other"}
    bench.run([{**ROW, "source_updated_on": "2026-01-01T00:00:00Z"}])
    bench.run([{**other, "source_updated_on": "2026-01-02T00:00:00Z"}])
    assert fields(bench)["COMPANY"] == "Other"
    # Our flag was set on the first row, or taken back.
    bench.run([{**ROW, "source_updated_on": "2026-01-03T00:00:00Z"}])
    assert fields(bench)["COMPANY"] == "Other"
    bench.run([{**ROW, "COMPANY": "Acme Ltd", "source_updated_on": "2026-01-04T00:00:00Z"}])
    assert fields(bench)["COMPANY"] == "Acme Ltd"


def test_a_name_that_was_edited_together_with_the_address_stays(bench: Any) -> None:
    bench.run([ROW], **BOTH)
    edit(bench, FNAME="Anna")
    bench.mailchimp.control.change_address(PERSON, "new@example.com")
    pass_time(bench)
    bench.run([{**ROW, "email_address": "new@example.com"}], **BOTH)
    assert fields(bench, "new@example.com")["FNAME"] == "Anna"
    assert list(bench.members()) == ["new@example.com"]


def test_a_restoration_that_mailchimp_refuses_is_not_tried_in_every_run(bench: Any) -> None:
    bench.run([ROW])
    edit(bench, COMPANY="Edited")
    bench.mailchimp.control.switch(refused_merge_value="Acme")
    [decided] = bench.run([])
    assert "COMPANY (refused_by_mailchimp" in decided.detail
    pass_time(bench)
    assert bench.run([]) == []
