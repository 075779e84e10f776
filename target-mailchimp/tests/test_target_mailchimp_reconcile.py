"""A comparison finds every kind of difference, says what differs, and changes nothing anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from kinetic_mailchimp.audit import RECONCILE, AuditTrail
from target_mailchimp.planning.snapshot import Snapshot

ANN, BOB, CLEO, DAN = (f"{name}@example.com" for name in ("ann", "bob", "cleo", "dan"))
COMPLETE = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1}

Row = Mapping[str, Any]


def row(address: str, number: int, **values: Any) -> dict[str, Any]:
    return {"email_address": address, "source_key": f"EPIC06/{number}", "source_updated_on": "1", **values}


def compare(bench: Any, rows: Iterable[Row], *, is_whole: bool = True, **settings: Any) -> list[Any]:
    """Compare rows of the stream `customers`; what was decided about each, in order."""
    names = (
        "email_address",
        "source_key",
        "source_updated_on",
        "FNAME",
        "COMPANY",
        "ADDRESS",
        "status",
        "tags",
    )
    schema: dict[str, Any] = {"properties": {name: {} for name in names}}
    lines = [
        {"type": "SCHEMA", "stream": "customers", "schema": schema, "key_properties": ["email_address"]},
        *({"type": "RECORD", "stream": "customers", "record": dict(values)} for values in rows),
        *([COMPLETE] if is_whole else []),
        {"type": "STATE", "value": {"done": True}},
    ]
    before = bench.members()
    bench.clear()
    assert bench.states(lines, reconcile=True, **settings) == []
    assert {call.split()[0] for call in bench.calls()} == {"GET"}
    assert bench.members() == before
    run = bench.last_run()
    ended = "succeeded" if is_whole else "stopped"
    assert (run["pipeline"], run["dry_run"], run["status"]) == (RECONCILE, True, ended)
    decided: list[Any] = bench.decisions(run["id"])
    assert len(decided) == run["records_read"]
    assert all(not entry.consent and entry.dead_letter is None for entry in decided)
    return decided


def told(decided: Iterable[Any]) -> dict[str, tuple[str, str]]:
    return {entry.subject: (entry.action, entry.reason) for entry in decided}


def ledger(bench: Any) -> dict[str, Any]:
    with AuditTrail.open(bench.database_url) as trail:
        prefix = f"target-mailchimp/{bench.mailchimp.list_id}"
        return {
            part: dict(trail.ledger(f"{prefix}/{part}").items())
            for part in ("members", "sources", "waiting", "audience")
        }


def test_what_was_just_written_does_not_differ(bench: Any) -> None:
    rows = [
        row(ANN, 1, FNAME=" Ann ", COMPANY="A & Co", tags=["Good"]),
        row(
            BOB,
            2,
            ADDRESS={"addr1": "1 Main St", "addr2": "", "city": "Springfield", "state": "IL", "zip": "62701"},
        ),
        row(CLEO, 3, status="unsubscribed"),
        row("no address", 4),
    ]
    bench.run(rows, create_merge_fields=True)
    bench.run(rows)
    before = ledger(bench)
    decided = compare(bench, rows)
    assert Counter(entry.action for entry in decided) == {"unchanged": 2, "skipped": 2}
    assert ledger(bench) == before


def test_values_of_every_type_do_not_differ_once_they_are_written(bench: Any) -> None:
    types = {
        "BALANCE": ({"type": "number"}, 12.50),
        "ORDERS": ({"type": "integer"}, "7"),
        "SINCE": ({"type": "string", "format": "date"}, "2026-03-01T00:00:00Z"),
        "SITE": ({"type": "string", "format": "uri"}, "https://example.com/a b"),
        "ONHOLD": ({"type": "boolean"}, True),
        "NOTE": ({"type": "string"}, "  two\n lines  "),
        "ADDRESS": ({"type": "object"}, {"addr1": "1 Main St", "city": "S", "state": "IL", "zip": "62701"}),
    }
    record = row(ANN, 1, **{name: value for name, (_, value) in types.items()})
    properties = {name: schema for name, (schema, _) in types.items()}
    lines = [
        {"type": "SCHEMA", "stream": "customers", "schema": {"properties": properties}, "key_properties": []},
        {"type": "RECORD", "stream": "customers", "record": record},
    ]
    [written] = bench.run_messages(lines, create_merge_fields=True)
    assert written.action == "created"
    [decided] = bench.run_messages(lines, reconcile=True)
    assert (decided.action, decided.changes) == ("unchanged", {})


def test_a_customer_who_is_no_member_is_missing(bench: Any) -> None:
    bench.run([row(ANN, 1), row(BOB, 2)])
    bench.mailchimp.control.act("delete_permanently", BOB)
    decided = told(compare(bench, [row(ANN, 1), row(BOB, 2), row(CLEO, 3, FNAME="Cleo")]))
    assert decided[ANN] == ("unchanged", "no_field_differs")
    assert decided[BOB] == decided[CLEO] == ("drifted", "member_missing")


def test_an_archived_member_is_told_apart_from_one_who_is_missing(bench: Any) -> None:
    bench.run([row(ANN, 1)])
    bench.mailchimp.control.act("archive", ANN)
    assert told(compare(bench, [row(ANN, 1, FNAME="New")])) == {ANN: ("drifted", "member_archived")}


def test_a_field_that_differs_is_shown_with_both_values(bench: Any) -> None:
    bench.run([row(ANN, 1, FNAME="Ann", COMPANY="Acme")])
    bench.mailchimp.control.edit_profile(ANN, merge_fields={"FNAME": "Annie"})
    [decided] = compare(bench, [row(ANN, 1, FNAME="Ann", COMPANY="Acme")])
    assert (decided.action, decided.reason) == ("drifted", "fields_differ")
    assert decided.changes == {"merge_fields.FNAME": ["Annie", "Ann"]}


@pytest.mark.parametrize("earlier_run", [True, False])
def test_an_opt_out_that_mailchimp_does_not_know(bench: Any, earlier_run: bool) -> None:
    if earlier_run:
        bench.run([row(ANN, 1)])
    else:
        bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    [decided] = compare(bench, [row(ANN, 1, status="unsubscribed")])
    assert (decided.action, decided.reason) == ("drifted", "opt_out_unknown_to_mailchimp")
    assert decided.changes == {"status": ["subscribed", "unsubscribed"]}


def test_an_opt_out_that_the_person_took_back_is_a_kind_of_its_own(bench: Any) -> None:
    rows = [row(ANN, 1, status="unsubscribed", FNAME="Ann")]
    bench.run([row(ANN, 1, FNAME="Ann")])
    bench.run(rows)
    bench.mailchimp.control.act("subscribe", ANN)
    assert told(compare(bench, rows)) == {ANN: ("drifted", "opt_out_taken_back")}
    bench.mailchimp.control.edit_profile(ANN, merge_fields={"FNAME": "Annie"})
    assert told(compare(bench, rows)) == {ANN: ("drifted", "opt_out_taken_back")}


def test_an_address_that_changed_on_one_side(bench: Any) -> None:
    bench.run([row(ANN, 1)])
    [decided] = compare(bench, [row(BOB, 1)])
    assert (decided.action, decided.reason) == ("drifted", "address_differs")
    assert decided.changes == {"email_address": [ANN, BOB]}


@pytest.mark.parametrize("name", ["Ann", "Anna"])
def test_an_address_that_the_person_changed_in_mailchimp_is_not_missing(bench: Any, name: str) -> None:
    bench.run([row(ANN, 1, FNAME="Ann")])
    bench.mailchimp.control.change_address(ANN, BOB)
    [decided] = compare(bench, [row(ANN, 1, FNAME=name)])
    assert (decided.action, decided.reason) == ("drifted", "address_differs")
    assert decided.changes["email_address"] == [BOB, ANN]
    assert ("merge_fields.FNAME" in decided.changes) is (name == "Anna")


def test_an_opt_out_matters_more_than_an_address(bench: Any) -> None:
    bench.run([row(ANN, 1)])
    [decided] = compare(bench, [row(BOB, 1, status="unsubscribed")])
    assert (decided.reason, decided.changes["email_address"]) == ("opt_out_unknown_to_mailchimp", [ANN, BOB])


def test_a_row_that_no_longer_exists_is_found_after_a_whole_read(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.run([row(ANN, 1), row(BOB, 2), row(CLEO, 3), row(DAN, 4)])
    bench.mailchimp.control.act("delete_permanently", CLEO)
    left = [row(ANN, 1), row("", 4)]
    decided = compare(bench, left)
    gone = [entry for entry in decided if entry.reason == "row_gone"]
    # The fourth is there, and stands behind nobody without its address.
    assert [(entry.action, entry.subject, entry.source_key) for entry in gone] == [
        ("drifted", BOB, "EPIC06/2"),
        ("drifted", DAN, "EPIC06/4"),
    ]
    assert "not looked for" not in caplog.text
    assert not [entry for entry in compare(bench, left, is_whole=False) if entry.reason == "row_gone"]
    assert "not looked for" in caplog.text


def streams(*rows: tuple[str, Row], complete: Iterable[str]) -> list[dict[str, Any]]:
    """Messages of several streams; `complete` are those of which all came."""
    lines: list[dict[str, Any]] = []
    for name in dict.fromkeys([*(stream for stream, _ in rows), *complete]):
        schema: dict[str, Any] = {"properties": {"email_address": {}, "FNAME": {}}}
        lines.append({"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": []})
        lines += [{"type": "RECORD", "stream": name, "record": dict(r)} for s, r in rows if s == name]
        if name in complete:
            lines.append({"type": "ACTIVATE_VERSION", "stream": name, "version": 1})
    return lines


def test_a_row_is_not_missed_where_another_stands_behind_the_member(bench: Any) -> None:
    both = ("customers", "leads")
    rows = [("customers", row(ANN, 1)), ("customers", row(ANN, 2)), ("customers", row(BOB, 3))]
    rows += [("leads", row(BOB, 4)), ("leads", row(CLEO, 5)), ("customers", row(CLEO, 6))]
    bench.run_messages(streams(*rows, complete=both))
    left = [rows[1], rows[3]]
    decided = bench.run_messages(streams(*left, complete=both), reconcile=True)
    gone = {(entry.subject, entry.source_key) for entry in decided if entry.reason == "row_gone"}
    # Whichever stream comes last tells of a member whose rows are gone from both.
    assert gone in ({(CLEO, "EPIC06/5")}, {(CLEO, "EPIC06/6")})


def test_a_row_of_a_stream_that_only_updates_makes_and_keeps_nobody(bench: Any) -> None:
    settings = {"update_only_streams": ["names"]}
    rows = [("customers", row(ANN, 1)), ("customers", row(BOB, 2))]
    names = [("names", row(ANN, 3, FNAME="Ann")), ("names", row(BOB, 4, FNAME="Bob"))]
    bench.run_messages(streams(*rows, *names, complete=()), **settings)
    lines = streams(rows[0], names[1], complete=("customers", "names"))
    decided = bench.run_messages(lines, reconcile=True, **settings)
    gone = [(entry.subject, entry.source_key) for entry in decided if entry.reason == "row_gone"]
    assert gone == [(BOB, "EPIC06/2")]


def test_half_a_read_is_no_comparison_of_everything(bench: Any) -> None:
    lines = streams(("customers", row(ANN, 1)), ("leads", row(BOB, 2)), complete=("customers",))
    bench.run_messages(lines, reconcile=True)
    run = bench.last_run()
    assert run["status"] == "stopped"
    assert "leads" in run["error"]
    assert "customers" not in run["error"]


def test_without_a_memory_an_opt_out_that_came_before_keeps_the_person_out(bench: Any) -> None:
    settings = {"update_only_streams": ["names"]}
    out = row(ANN, 1, status="unsubscribed")
    lines = streams(("names", out), ("customers", row(ANN, 2)), complete=("names", "customers"))
    decided = bench.run_messages(lines, reconcile=True, **settings)
    assert [(entry.action, entry.reason) for entry in decided] == [("skipped", "opted_out_at_source")] * 2


def test_without_a_memory_an_older_row_of_an_address_is_no_difference(bench: Any) -> None:
    rows = [row(ANN, 1, FNAME="New") | {"source_updated_on": "2"}, row(ANN, 2, FNAME="Old")]
    bench.mailchimp.control.put_members(
        [{"email": ANN, "state": "subscribed", "merge_fields": {"FNAME": "New"}}]
    )
    decided = compare(bench, rows, batch_size=1)
    assert [(entry.action, entry.reason) for entry in decided] == [
        ("unchanged", "no_field_differs"),
        ("superseded", "newer_row_of_same_address"),
    ]


def test_an_empty_source_has_lost_all_its_rows(bench: Any) -> None:
    bench.run([row(ANN, 1)])
    assert told(compare(bench, [])) == {ANN: ("drifted", "row_gone")}


def test_without_a_memory_the_audience_alone_decides(bench: Any) -> None:
    bench.mailchimp.control.put_members(
        [
            {"email": ANN, "state": "subscribed", "merge_fields": {"FNAME": "Ann"}},
            {"email": BOB, "state": "subscribed", "merge_fields": {"FNAME": "Bob"}},
        ]
    )
    decided = told(compare(bench, [row(ANN, 1, FNAME="Ann"), row(BOB, 2, FNAME="Robert"), row(CLEO, 3)]))
    assert decided == {
        ANN: ("unchanged", "no_field_differs"),
        BOB: ("drifted", "fields_differ"),
        CLEO: ("drifted", "member_missing"),
    }


def test_inactive_customers_are_compared_as_they_would_be_written(bench: Any) -> None:
    rows = [row(ANN, 1, source_active=False), row(BOB, 2, source_active=False)]
    bench.run([row(ANN, 1)])
    assert told(compare(bench, rows)) == {
        ANN: ("unchanged", "no_field_differs"),
        BOB: ("skipped", "inactive_at_source"),
    }
    assert told(compare(bench, rows[:1], inactive_action="archive")) == {ANN: ("drifted", "fields_differ")}
    [tagged] = compare(bench, rows[:1], inactive_action="tag")
    assert (tagged.reason, tagged.changes) == ("fields_differ", {"tags": [[], ["Inactive"]]})


def test_invalid_records_and_unknown_audiences_leave_no_dead_letter(bench: Any) -> None:
    decided = compare(
        bench,
        [row("nobody", 1, status="unsubscribed"), row(ANN, 2, list_id="nowhere")],
        on_invalid="dead_letter",
    )
    assert sorted((entry.action, entry.reason) for entry in decided) == [
        ("failed", "no_such_audience"),
        ("skipped", "not_an_address"),
    ]


def test_other_runs_take_no_notice_of_a_complete_read(bench: Any) -> None:
    bench.run([row(ANN, 1), row(BOB, 2)])
    lines = [
        {"type": "SCHEMA", "stream": "customers", "schema": {"properties": {}}, "key_properties": []},
        {"type": "RECORD", "stream": "customers", "record": row(ANN, 1)},
        COMPLETE,
    ]
    assert [entry.action for entry in bench.run_messages(lines)] == ["unchanged"]


def test_a_snapshot_keeps_the_last_value_of_many_keys() -> None:
    snapshot = Snapshot()
    snapshot.add({str(number): {"number": number} for number in range(1_200)})
    snapshot.add({"7": {"number": -7}})
    found = snapshot.get_many([*(str(number) for number in range(1_200)), "other", "7"])
    snapshot.close()
    assert (len(found), found["7"], found["1199"]) == (1_200, {"number": -7}, {"number": 1199})
