"""Runs of the target against the simulator: what the audience and the audit trail look like afterwards."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import members_namespace
from kinetic_mailchimp.audit.storage.schema import ledger_entries
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.mailchimp import subscriber_hash

ANN = {"email_address": "ann@example.com", "FNAME": "Ann", "COMPANY": "Acme", "source_key": "C/1"}
BOB = {"email_address": "bob@example.com", "FNAME": "Bob", "source_key": "C/2"}


def people(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "email_address": f"p{number}@example.com",
            "FNAME": f"P{number}",
            "source_key": f"C/{number}",
            **more,
        }
        for number in range(count)
    ]


def test_new_people_become_members(bench: Any) -> None:
    decided = bench.run([ANN, BOB])
    assert [(entry.action, entry.reason) for entry in decided] == [("created", "new_subscribed")] * 2
    members = bench.members()
    assert members["ann@example.com"]["status"] == "subscribed"
    assert members["ann@example.com"]["merge_fields"]["COMPANY"] == "Acme"


def test_an_environment_for_simulators_writes_to_no_real_system(bench: Any) -> None:
    bench.run([ANN], local_servers_only=True)  # the simulator is on this machine
    bench.run([BOB], local_servers_only=True, dry_run=True)
    with pytest.raises(ConfigurationError, match=r"us1\.api\.mailchimp\.com is a real system"):
        bench.run([BOB], local_servers_only=True, base_url="https://us1.api.mailchimp.com/3.0")
    assert "bob@example.com" not in bench.members()


@pytest.mark.rule("R8")
def test_a_second_run_makes_no_call_for_unchanged_members(bench: Any) -> None:
    bench.run(people(20))
    bench.clear()
    decided = bench.run(people(20))
    assert Counter(entry.action for entry in decided) == {"unchanged": 20}
    # The lists, the merge fields of one and who changed, with the empty page that ends each.
    assert sum(bench.calls().values()) == 6


def test_a_member_that_is_listed_as_it_was_left_is_not_stored_again(bench: Any) -> None:
    bench.run([ANN, BOB])
    first = bench.last_run()["id"]
    bench.mailchimp.control.edit_profile("bob@example.com", merge_fields={"FNAME": "Rob"})
    bench.run([ANN])
    entries = ledger_entries.c
    query = sa.select(entries.key, entries.run_id).where(
        entries.namespace == members_namespace(bench.mailchimp.list_id)
    )
    with AuditTrail.open(bench.database_url) as trail, trail.database.reading() as connection:
        stored_by = {row.key: row.run_id for row in connection.execute(query)}
    assert stored_by == {
        subscriber_hash("ann@example.com"): first,
        subscriber_hash("bob@example.com"): bench.last_run()["id"],
    }


def test_one_changed_field_is_all_that_travels(bench: Any) -> None:
    bench.run([ANN, BOB])
    decided = bench.run([{**ANN, "FNAME": "Anna"}, BOB])
    assert [(entry.action, entry.changes) for entry in sorted(decided, key=lambda entry: entry.action)] == [
        ("unchanged", {}),
        ("updated", {"merge_fields.FNAME": ["Ann", "Anna"]}),
    ]


@pytest.mark.rule("R8")
def test_a_value_that_was_edited_in_mailchimp_is_not_overwritten_by_a_stale_one(bench: Any) -> None:
    bench.run([ANN])
    bench.mailchimp.control.edit_profile("ann@example.com", merge_fields={"COMPANY": "Edited"})
    bench.run([{**ANN, "FNAME": "Anna"}], two_way_fields=["COMPANY"])
    fields = bench.members()["ann@example.com"]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("Anna", "Edited")


def test_null_leaves_a_value_and_an_empty_text_clears_it(bench: Any) -> None:
    bench.run([ANN])
    bench.run([{**ANN, "FNAME": None, "COMPANY": ""}])
    fields = bench.members()["ann@example.com"]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("Ann", "")


def test_a_bad_address_is_skipped_with_its_reason(bench: Any) -> None:
    decided = bench.run(
        [
            {"email_address": None, "source_key": "C/1"},
            {"email_address": "a@example.com; b@example.com", "source_key": "C/2"},
            {"email_address": "nobody", "source_key": "C/3"},
            {"source_key": "C/4"},
        ]
    )
    assert [(entry.action, entry.reason) for entry in decided] == [
        ("skipped", "empty"),
        ("skipped", "several_addresses"),
        ("skipped", "not_an_address"),
        ("skipped", "empty"),
    ]


@pytest.mark.rule("R10")
def test_an_unknown_audience_is_an_error_that_names_those_that_exist(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="Customers"):
        bench.run([ANN], list_id="no-such-list")


def test_an_audience_may_be_named(bench: Any) -> None:
    assert bench.run([ANN], list_id="customers")[0].action == "created"


@pytest.mark.rule("R3")
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_files_of_a_batch_message_are_written_before_the_state_after_it(
    bench: Any, tmp_path: Path, compression: str
) -> None:
    rows = b'{"email_address": "ann@example.com", "FNAME": "Ann", "LNAME": 1.5}\n{"email_address": "no"}\n'
    file = tmp_path / "rows"
    file.write_bytes(gzip.compress(rows) if compression == "gzip" else rows)
    encoding = {"format": "jsonl", "compression": compression}
    batch = {"type": "BATCH", "stream": "customers", "encoding": encoding, "manifest": [file.as_uri()]}
    schema = {"type": "SCHEMA", "stream": "customers", "schema": {"properties": {}}, "key_properties": []}
    assert bench.states([schema, batch, {"type": "STATE", "value": {"read": 2}}]) == [{"read": 2}]
    assert sorted(decision.action for decision in bench.decisions()) == ["created", "skipped"]
    assert bench.members()["ann@example.com"]["merge_fields"]["LNAME"] == "1.5"


def test_a_row_that_is_gone_at_its_source_makes_no_member(bench: Any) -> None:
    gone = {"email_address": "ann@example.com", "_sdc_deleted_at": "2026-03-01T12:00:00Z"}
    here = {"email_address": "bob@example.com", "_sdc_deleted_at": None}
    decided = bench.run([gone, here])
    assert {(decision.action, decision.reason) for decision in decided} == {
        ("skipped", "inactive_at_source"),
        ("created", "new_subscribed"),
    }
    assert list(bench.members()) == ["bob@example.com"]
