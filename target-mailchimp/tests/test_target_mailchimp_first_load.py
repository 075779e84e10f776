"""A load with care: dry runs that plan as a load goes on, approved plans, some people first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.plans.approved import BeyondPlanError
from kinetic_mailchimp.audit.plans.plans import PlanState, decide, find_plan
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now

NAMES = "member_names"
STATE = {"type": "STATE", "value": {"read": True}}
PROPERTIES = ("email_address", "COMPANY", "FNAME", "NEWFIELD", "source_key")


def lines(**streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output of a tap with several streams, one after the other."""
    properties = {name: {"type": ["string", "null"]} for name in PROPERTIES}
    schema = {"properties": properties}
    found: list[dict[str, Any]] = []
    for stream, records in streams.items():
        found.append({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []})
        found += [{"type": "RECORD", "stream": stream, "record": record} for record in records]
    return [*found, STATE]


def row(number: int, company: str = "Acme", **more: Any) -> dict[str, Any]:
    address = f"p{number}@example.com"
    return {"email_address": address, "COMPANY": company, "source_key": f"Customer 1/{number}", **more}


def name(number: int) -> dict[str, Any]:
    key = f"CustCnt 1/{number}//1"
    return {"email_address": f"p{number}@example.com", "FNAME": f"Name {number}", "source_key": key}


SETTINGS: dict[str, Any] = {"create_merge_fields": True, "update_only_streams": [NAMES], "batch_size": 4}


def plan_of(bench: Any, messages: list[dict[str, Any]], **settings: Any) -> int:
    assert bench.states(messages, dry_run=True, **SETTINGS, **settings) == []
    return int(bench.last_run()["id"])


def decide_on(bench: Any, number: int, *, approved: bool = True) -> None:
    with AuditTrail.open(bench.database_url) as trail:
        decide(trail, find_plan(trail, number), approved=approved, decided_by="a reviewer", because="checked")


def approved_plan(bench: Any, messages: list[dict[str, Any]]) -> int:
    number = plan_of(bench, messages)
    decide_on(bench, number)
    return number


def outcomes(bench: Any) -> list[tuple[str, str, str]]:
    decided = bench.decisions(bench.last_run()["id"])
    return sorted((entry.subject.partition("@")[0], entry.action, entry.reason) for entry in decided)


def test_an_approved_plan_is_written_to_the_letter_over_streams_batches_and_new_fields(bench: Any) -> None:
    people = [row(number, NEWFIELD="new") for number in range(10)]
    messages = lines(customers=people, member_names=[name(number) for number in range(10)])
    number = approved_plan(bench, messages)
    with AuditTrail.open(bench.database_url) as trail:
        plan = find_plan(trail, number)
        assert plan.state is PlanState.APPROVED
        assert plan.decided == "Approved by a reviewer: checked"
    assert bench.members() == {}
    # Other batches than those of the plan hold the same people.
    assert bench.states(messages, approved_plan=number, **{**SETTINGS, "batch_size": 7}) == [STATE["value"]]
    assert {entry.action for entry in bench.decisions(number)} >= {"created", "updated"}
    merged = [member["merge_fields"] for member in bench.members().values()]
    assert [(fields["NEWFIELD"], fields["FNAME"]) for fields in merged] == [
        ("new", f"Name {number}") for number in range(10)
    ]


UNFINISHED = {"type": "STATE", "value": {"bookmarks": {"customers": {"unfinished": True}}}}


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    "cut",
    [
        lambda whole: [],
        lambda whole: whole[:-1],
        lambda whole: [*whole[:-1], UNFINISHED],
        lambda whole: [*whole, lines(customers=[])[0]],
    ],
    ids=["nothing came", "records without a state", "a state from the midst", "a stream that only began"],
)
def test_a_dry_run_whose_tap_broke_is_not_a_plan(bench: Any, cut: Any) -> None:
    number = plan_of(bench, cut(lines(customers=[row(1), row(2)])))
    run = bench.last_run()
    assert (run["status"], run["dry_run"]) == ("stopped", True)
    assert "This dry run is not a plan." in run["error"]
    with pytest.raises(ConfigurationError, match="cannot be a plan"):
        decide_on(bench, number)
    with pytest.raises(ConfigurationError, match=f"`approved_plan`: Run {number} cannot be a plan"):
        bench.states(lines(customers=[row(1)]), approved_plan=number, **SETTINGS)


@pytest.mark.rule("R3")
@pytest.mark.rule("R6")
def test_what_has_changed_since_the_plan_is_not_written_and_ends_the_run_before_its_state(bench: Any) -> None:
    people = [row(number) for number in range(8)]
    number = approved_plan(bench, lines(customers=people))
    people[6] = row(6, "Other")
    with pytest.raises(BeyondPlanError, match=r"1 of 4 .*Customer 1/6 \(merge_fields.COMPANY\)") as caught:
        bench.states(lines(customers=people), approved_plan=number, **SETTINGS)
    assert "p6@" not in str(caught.value)
    assert caught.value.advice.startswith("`sync-audit skipped ")
    run = bench.last_run()
    assert (run["status"], run["records_read"]) == ("failed", 8)
    # The first batch was in the plan; of the second one nothing is written.
    assert sorted(bench.members()) == [f"p{number}@example.com" for number in range(4)]
    assert outcomes(bench)[4:] == [
        ("p4", "failed", "run_ended"),
        ("p5", "failed", "run_ended"),
        ("p6", "failed", "not_in_plan"),
        ("p7", "failed", "run_ended"),
    ]
    # The next plan has what is left, and is written after its own approval.
    left = approved_plan(bench, lines(customers=people))
    assert [entry.action for entry in bench.decisions(left)] == ["unchanged"] * 4 + ["created"] * 4
    assert bench.states(lines(customers=people), approved_plan=left, **SETTINGS) == [STATE["value"]]
    assert bench.members()["p6@example.com"]["merge_fields"]["COMPANY"] == "Other"


@pytest.mark.rule("R4")
@pytest.mark.parametrize("answered", [False, True])
def test_a_plan_whose_writing_was_killed_is_written_to_its_end_by_the_next_run(
    bench: Any, *, answered: bool
) -> None:
    messages = lines(customers=[row(number) for number in range(12)])
    number = approved_plan(bench, messages)
    bench.killed(messages, at_call=2, answered=answered, approved_plan=number, concurrency=1, **SETTINGS)
    assert len(bench.members()) == (8 if answered else 4)
    assert bench.states(messages, approved_plan=number, **SETTINGS)[-1] == STATE["value"]
    assert len(bench.members()) == 12


@pytest.mark.rule("R1")
def test_what_mailchimp_has_since_the_plan_counts(bench: Any) -> None:
    bench.run([row(1), row(2)])
    people = [row(1, "Next"), row(2, "Next"), row(3)]
    number = approved_plan(bench, lines(customers=people))
    bench.mailchimp.control.put_members([{"email": "p3@example.com", "state": "unsubscribed_by_contact"}])
    bench.mailchimp.control.advance_clock(600)
    bench.mailchimp.control.edit_profile("p2@example.com", merge_fields={"COMPANY": "Edited"})
    bench.mailchimp.control.advance_clock(600)
    with pytest.raises(BeyondPlanError, match=r"1 of 3 .*Customer 1/2 \(merge_fields.COMPANY\)"):
        bench.states(lines(customers=people), approved_plan=number, **SETTINGS)
    assert bench.members()["p1@example.com"]["merge_fields"]["COMPANY"] == "Acme"
    # Whoever came and left by their own act stays out, whatever the plan says of making them a member.
    number = approved_plan(bench, lines(customers=people))
    assert bench.states(lines(customers=people), approved_plan=number, **SETTINGS) == [STATE["value"]]
    assert bench.states_of_people()["p3@example.com"] == "unsubscribed_by_contact"


@pytest.mark.rule("R10")
def test_a_plan_that_may_not_be_written_is_refused_with_the_reason(bench: Any) -> None:
    messages = lines(customers=[row(1)])
    number = plan_of(bench, messages)

    def refused(number: int, match: str, **settings: Any) -> None:
        with pytest.raises(ConfigurationError, match=match):
            bench.states(messages, approved_plan=number, **SETTINGS, **settings)

    refused(number, "approved by nobody.*sync-audit plan approve")
    refused(number + 1, "cannot be a plan")
    decide_on(bench, number)
    with time_machine.travel(utc_now() + timedelta(hours=73)):
        refused(number, "older than 72 hours")
    with pytest.raises(ConfigurationError, match="approved already"):
        decide_on(bench, number)
    decide_on(bench, number, approved=False)
    refused(number, "was rejected .*a reviewer: checked")
    second = approved_plan(bench, messages)
    third = plan_of(bench, messages)
    refused(second, f"superseded by plan {third}")
    assert bench.members() == {}


@pytest.mark.rule("R3")
@pytest.mark.rule("R6")
def test_people_outside_the_limit_are_skipped_and_read_again(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    people = [row(number) for number in range(6)]
    messages = lines(member_names=[name(number) for number in range(6)], customers=people)
    assert bench.states(messages, only=["P2@Example.com", "p9@example.com"], **SETTINGS) == []
    assert list(bench.members()) == ["p2@example.com"]
    assert "`only`: no record was about entry 2." in caplog.text
    assert bench.members()["p2@example.com"]["merge_fields"]["FNAME"] == "Name 2"
    reasons = [entry.reason for entry in bench.decisions(bench.last_run()["id"])]
    assert reasons.count("not_in_only") == 10
    for _ in range(2):  # the same two each time: the number is no pace
        assert bench.states(messages, first=2, **SETTINGS) == []
        assert list(bench.members()) == ["p2@example.com", "p0@example.com"]
    reasons = [entry.reason for entry in bench.decisions(bench.last_run()["id"])]
    assert reasons.count("after_the_first") == 4
    assert bench.states(messages, **SETTINGS) == [STATE["value"]]
    assert len(bench.members()) == 6
    with pytest.raises(ConfigurationError, match="`only`: entry 1"):
        bench.states(messages, only=["nobody"], **SETTINGS)
    with pytest.raises(ConfigurationError, match="`only` is not a valid array"):
        bench.states(messages, only=[""], **SETTINGS)


def test_a_limited_run_restores_nothing_of_others(bench: Any) -> None:
    bench.run([row(1), row(2)])
    bench.mailchimp.control.advance_clock(600)
    bench.mailchimp.control.edit_profile("p1@example.com", merge_fields={"COMPANY": "Edited"})
    bench.mailchimp.control.advance_clock(600)
    for limit in ({"only": ["p2@example.com"]}, {"first": 1}):
        bench.run([row(2)], **limit)
        assert outcomes(bench) == [("p2", "unchanged", "no_field_differs")]
        assert bench.members()["p1@example.com"]["merge_fields"]["COMPANY"] == "Edited"
    bench.run([row(2)])
    assert bench.members()["p1@example.com"]["merge_fields"]["COMPANY"] == "Acme"


@pytest.mark.rule("R10")
def test_a_plan_that_was_changed_behind_its_reviewer_is_refused(bench: Any) -> None:
    number = approved_plan(bench, lines(customers=[row(1)]))
    _tamper(bench, "UPDATE decisions SET changes = replace(changes, 'Acme', 'Other')")
    with pytest.raises(ConfigurationError, match=r"is not what it was \(run \d+ entry 1: .*changed"):
        bench.states(lines(customers=[row(1, "Other")]), approved_plan=number, **SETTINGS)
    assert bench.members() == {}


@pytest.mark.rule("R10")
def test_a_rejection_that_was_removed_is_missed(bench: Any) -> None:
    number = approved_plan(bench, lines(customers=[row(1)]))
    decide_on(bench, number, approved=False)
    for table in ("decisions", "run_counts"):
        _tamper(bench, f"DELETE FROM {table} WHERE run_id = (SELECT max(id) FROM runs)")  # noqa: S608 (texts of here)
    _tamper(bench, "DELETE FROM runs WHERE id = (SELECT max(id) FROM runs)")
    with pytest.raises(ConfigurationError, match=r"is not what it was .*another was removed"):
        bench.states(lines(customers=[row(1)]), approved_plan=number, **SETTINGS)
    assert bench.members() == {}


def test_a_rejection_stays_when_an_approval_was_under_way(bench: Any) -> None:
    number = plan_of(bench, lines(customers=[row(1)]))
    with AuditTrail.open(bench.database_url) as trail:
        seen_before = find_plan(trail, number)
    decide_on(bench, number, approved=False)
    with AuditTrail.open(bench.database_url) as trail:
        decide(trail, seen_before, approved=True, decided_by="a late one")
        assert find_plan(trail, number).state is PlanState.REJECTED


def _tamper(bench: Any, statement: str) -> None:
    with AuditTrail.open(bench.database_url) as trail, trail.database.writing() as connection:
        connection.exec_driver_sql(statement)
