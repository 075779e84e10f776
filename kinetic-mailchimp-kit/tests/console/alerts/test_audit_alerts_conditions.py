"""Which facts are worth a message, and what the message says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kinetic_mailchimp.audit import Drift
from kinetic_mailchimp.audit.reading.reports.comparisons import Comparison
from kinetic_mailchimp.console.alerts.collect import read_webhook_status
from kinetic_mailchimp.console.alerts.conditions import RULES, evaluate
from kinetic_mailchimp.console.alerts.facts import (
    AlertCondition,
    DeadLettersFact,
    Facts,
    JobFact,
    RunFact,
    WebhookFact,
)
from kinetic_mailchimp.console.alerts.messages import Notice, State, compose
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.console.receiver_probe import ReceiverStatus
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

OF_RECEIVER = {"receiver", "refused", "events_unread"}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EPICOR = "target-epicor-contacts"


def ago(**units: float) -> str:
    return format_timestamp(NOW - timedelta(**units))


def make_run(number: int, status: str = "succeeded", **more: Any) -> RunFact:
    ended = None if status == "running" else ago(hours=10 - number)
    values = {
        "plugin": EPICOR,
        "pipeline": "",
        "started_at": ago(hours=11 - number),
        "finished_at": ended,
        **more,
    }
    values.setdefault("active_at", ended or ago(minutes=5))
    return RunFact(id=number, status=status, **values)


def conditions_of(limits: AlertSettings | None = None, **facts: Any) -> list[AlertCondition]:
    return list(evaluate(Facts(**facts), limits or AlertSettings(), NOW).conditions)


def test_nothing_is_wrong_where_everything_is_as_it_should_be() -> None:
    facts: dict[str, Any] = {
        "runs": (make_run(2, "running"), make_run(1)),
        "dead_letters": (DeadLettersFact(plugin=EPICOR, waiting=1, oldest=ago(days=9)),),
        "receiver": ReceiverStatus(unread=3, oldest_unread_seconds=60.0),
        "webhooks": (
            WebhookFact(list_id="1a2b3c", verdict="alive"),
            WebhookFact(list_id="x", verdict="foreign"),
        ),
    }
    assert conditions_of(**facts) == []


@pytest.mark.parametrize(
    ("runs", "told", "since"),
    [
        ([make_run(1, "failed")], "Run 1 of target-epicor-contacts failed.", ago(hours=9)),
        (
            [make_run(4, "failed"), make_run(3, "stopped"), make_run(2, "failed"), make_run(1)],
            "Run 4 of target-epicor-contacts failed. It is number 2 in a row.",
            ago(hours=8),
        ),
        (
            [make_run(2, "running", active_at=ago(minutes=31)), make_run(1)],
            "Run 2 of target-epicor-contacts was killed: it wrote last at 2026-03-01 11:29:00 UTC.",
            ago(minutes=31),
        ),
        (
            [make_run(3, "running"), make_run(2, "failed"), make_run(1)],
            "Run 2 of target-epicor-contacts failed.",
            ago(hours=8),
        ),
    ],
)
def test_runs_that_fail_or_are_killed_are_one_condition(runs: list[RunFact], told: str, since: str) -> None:
    (condition,) = conditions_of(runs=tuple(runs))
    assert (condition.what, condition.since, condition.key) == (told, since, f"run_failed:{EPICOR}")
    assert "sync-audit run" in condition.advice


@pytest.mark.parametrize(
    "runs",
    [
        [make_run(2), make_run(1, "failed")],
        [make_run(2), make_run(1, "running", active_at=ago(days=1))],
        [make_run(2, "stopped"), make_run(1)],
        [make_run(2, "running", active_at=ago(minutes=29))],
        [make_run(2, "running", active_at=ago(hours=9), is_alive=True)],
    ],
)
def test_what_was_made_good_or_only_idles_is_no_condition(runs: list[RunFact]) -> None:
    assert conditions_of(runs=tuple(runs)) == []


def test_a_process_that_is_gone_was_killed_once_it_is_silent_for_long() -> None:
    assert conditions_of(runs=(make_run(1, "running", active_at=ago(minutes=29), is_alive=False),)) == []
    assert len(conditions_of(runs=(make_run(1, "running", active_at=ago(minutes=31), is_alive=False),))) == 1


def test_each_pipeline_fails_by_itself() -> None:
    runs = (
        make_run(3, "failed", pipeline="reconcile"),
        make_run(2),
        make_run(1, "failed", plugin="target-mailchimp"),
    )
    assert [condition.key for condition in conditions_of(runs=runs)] == [
        "run_failed:target-epicor-contacts in reconcile",
        "run_failed:target-mailchimp",
    ]


@pytest.mark.parametrize(
    ("failures", "waiting", "told"),
    [
        (10, 10, None),
        (11, 0, "11 records failed in run 1; the limit is 10."),
        (0, 11, "11 dead letters left waiting; the limit is 10."),
        (1200, 11, "1,200 records failed in run 1 and 11 dead letters left waiting; the limit is 10."),
    ],
)
def test_failures_above_the_limit(failures: int, waiting: int, told: str | None) -> None:
    found = conditions_of(
        runs=(make_run(2, "running"), make_run(1, failures=failures)),
        dead_letters=(DeadLettersFact(plugin=EPICOR, waiting=waiting, oldest=ago(days=2)),),
    )
    assert [condition.what for condition in found] == ([f"{EPICOR}: {told}"] if told else [])


def test_an_older_failure_is_not_reported() -> None:
    assert conditions_of(runs=(make_run(3), make_run(2, failures=99))) == []
    assert (
        conditions_of(runs=(make_run(3, "stopped"), make_run(2, "stopped"), make_run(1, failures=99))) == []
    )


@pytest.mark.parametrize(
    ("plugin", "system"), [(EPICOR, "Epicor"), ("target-mailchimp", "Mailchimp"), (EPICOR, None)]
)
def test_opt_outs_that_did_not_arrive_in_time(plugin: str, system: str | None) -> None:
    letter: dict[str, Any] = {
        "plugin": plugin,
        "waiting": 3,
        "oldest": ago(days=2),
        "opt_outs": 2,
        "destination": system,
    }
    assert conditions_of(dead_letters=(DeadLettersFact(**letter, oldest_opt_out=ago(minutes=59)),)) == []
    (condition,) = conditions_of(dead_letters=(DeadLettersFact(**letter, oldest_opt_out=ago(minutes=60)),))
    assert (
        condition.what
        == f"{system or f'The system behind {plugin}'} does not know of 2 opt-outs that could not be written."
    )
    assert (condition.since, plugin in condition.advice) == (ago(minutes=60), True)


def test_events_that_nobody_reads() -> None:
    assert conditions_of(receiver=ReceiverStatus(unread=7, oldest_unread_seconds=3600.0)) == []
    (condition,) = conditions_of(receiver=ReceiverStatus(unread=7, oldest_unread_seconds=3601.0))
    assert condition.what.startswith("Unread in the receiver's inbox: 7 events;")
    assert (condition.since, "meltano run reverse" in condition.advice) == (ago(seconds=3601), True)


def test_what_the_receiver_says_is_cut_and_cleaned() -> None:
    problems = ("No space\nleft for\x1b[2J ada@example.com.", "x" * 500)
    (condition,) = conditions_of(receiver=ReceiverStatus(problems=problems))
    assert condition.what.startswith(
        "The receiver of webhooks does not take events: No space left for[2J (left out) x"
    )
    assert len(condition.what) < 300


@pytest.mark.parametrize("verdict", ["looks_disabled", "incomplete", "missing"])
def test_webhooks_that_need_a_person(verdict: str) -> None:
    hooks = [
        WebhookFact(list_id="1a2b3c", verdict=verdict, last_event_at="2026-02-27T08:00:00Z"),
        WebhookFact(list_id="4d5e6f", verdict=verdict, last_event_at=None),
        WebhookFact(list_id="7a8b9c", verdict=verdict, last_event_at="long ago"),
    ]
    found = conditions_of(webhooks=tuple(hooks))
    assert [condition.key for condition in found] == ["webhook:1a2b3c", "webhook:4d5e6f", "webhook:7a8b9c"]
    assert [condition.since for condition in found] == ["2026-02-27T08:00:00.000000Z", None, None]
    assert all("register" in condition.advice for condition in found)


def compared(number: int, status: str = "succeeded", **kinds: int) -> Comparison:
    return Comparison(
        run_id=number,
        plugin=EPICOR,
        status=status,
        finished_at=ago(hours=10 - number),
        records_read=100,
        kinds=kinds,
    )


def test_the_differences_of_all_parts_of_a_comparison_are_one_condition() -> None:
    parts = (compared(3, fields_differ=2, row_gone=1), compared(4, opt_out_unknown_to_epicor=3))
    (condition,) = conditions_of(comparisons=parts)
    assert condition.key == "drift:reconcile"
    assert condition.what == (
        "Both systems differ in 6 places (3 opt_out_unknown_to_epicor, 2 fields_differ, 1 row_gone); "
        "the limit is 0."
    )
    assert condition.since == ago(hours=6)
    assert "sync-audit drift --format csv" in condition.advice


@pytest.mark.parametrize(
    ("limit", "accepted", "count"),
    [(3, (), 0), (2, (), 1), (0, ("fields_differ",), 1), (0, ("fields_differ", "row_gone"), 0)],
)
def test_differences_count_above_a_limit_and_unless_they_are_accepted(
    limit: int, accepted: tuple[str, ...], count: int
) -> None:
    limits = AlertSettings(drift=limit, accept=frozenset(map(Drift, accepted)))
    assert (
        len(conditions_of(limits, comparisons=(compared(3, fields_differ=2, row_gone=1), compared(4))))
        == count
    )


@pytest.mark.parametrize("status", ["running", "failed", "stopped"])
def test_a_part_that_was_compared_says_nothing_about_drift(status: str) -> None:
    parts = (compared(3, fields_differ=2), compared(4, status))
    evaluation = evaluate(Facts(comparisons=parts), AlertSettings(), NOW)
    assert evaluation.conditions == ()
    assert "drift" not in evaluation.kinds


@pytest.mark.parametrize(
    ("facts", "not_judged"),
    [
        ({}, {*OF_RECEIVER, "webhook", "webhook_status", "job_failed"}),
        (
            {"receiver": ReceiverStatus(problems=("Away.",))},
            {"events_unread", "refused", "webhook", "webhook_status", "job_failed"},
        ),
        ({"webhooks": ()}, {*OF_RECEIVER, "job_failed"}),
        ({"webhooks_unknown": True}, {*OF_RECEIVER, "webhook", "job_failed"}),
        ({"jobs": ()}, {*OF_RECEIVER, "webhook", "webhook_status"}),
    ],
)
def test_a_rule_without_its_facts_says_nothing(facts: dict[str, Any], not_judged: set[str]) -> None:
    assert evaluate(Facts(**facts), AlertSettings(), NOW).kinds == RULES.keys() - not_judged


def test_a_target_that_nothing_has_reached_for_a_day_is_overdue() -> None:
    old = make_run(1, finished_at=ago(hours=25))
    (condition,) = conditions_of(runs=(old,))
    assert condition.key == f"run_overdue:{EPICOR}"
    assert condition.what == f"No run of {EPICOR} has succeeded for 1 d 1 h; the limit is 1 d."
    assert condition.since == ago(hours=25)
    comparison = make_run(2, pipeline="reconcile", finished_at=ago(hours=1))
    assert [found.kind for found in conditions_of(runs=(comparison, old))] == ["run_overdue"]
    other_lane = make_run(3, pipeline="prod:tap-one", finished_at=ago(hours=23))
    assert conditions_of(runs=(other_lane, old)) == []


def test_a_run_that_follows_is_not_overdue_and_one_that_was_stopped_is() -> None:
    old = make_run(1, finished_at=ago(hours=25))
    following = make_run(2, "running", is_alive=True, active_at=ago(hours=20))
    assert conditions_of(runs=(following, old)) == []
    stopped = make_run(2, "stopped", finished_at=ago(hours=20))
    assert [found.kind for found in conditions_of(runs=(stopped, old))] == ["run_overdue"]


def test_a_job_that_broke_while_its_target_ended_well() -> None:
    name = "prod:tap-epicor-kinetic-to-target-mailchimp"
    jobs = (JobFact(name=name, is_failed=True, ended_at=ago(hours=1)), JobFact(name="x", is_failed=False))
    (condition,) = conditions_of(runs=(make_run(1),), jobs=jobs)
    assert (condition.key, condition.since) == (f"job_failed:{name}", ago(hours=1))
    assert "a tap, a mapper or a target of it broke" in condition.what


@pytest.mark.parametrize(
    ("refused", "kinds"),
    [
        ({"wrong_secret": 900, "cut_off": 5}, []),  # of strangers, and of broken lines
        ({"wrong_signature": 10}, []),
        ({"wrong_signature": 8, "too_large": 3}, ["refused"]),
    ],
)
def test_deliveries_that_the_receiver_refuses(refused: dict[str, int], kinds: list[str]) -> None:
    found = conditions_of(receiver=ReceiverStatus(refused=refused))
    assert [condition.kind for condition in found] == kinds
    assert not found or "11 requests with the right path secret" in found[0].what


def test_a_status_that_cannot_be_read_is_a_condition() -> None:
    (condition,) = conditions_of(webhooks_unknown=True)
    assert condition.key == "webhook_status:command"


@pytest.mark.parametrize("last", [5, {"a": "b"}, "never", None])
def test_a_status_with_a_time_that_is_none_is_read(last: object) -> None:
    hook = {"list_id": "a", "verdict": "looks_disabled", "last_event_at": last}
    facts = read_webhook_status(json.dumps({"webhooks": [hook], "audiences_without_webhook": []}))
    [condition] = conditions_of(webhooks=facts)
    assert (condition.key, condition.since) == ("webhook:a", None)


@pytest.mark.parametrize("kind", RULES)
def test_each_kind_says_what_since_when_and_what_to_do(kind: str) -> None:
    notice = Notice(key=f"{kind}:x", state=State.NEW, what="It broke.", since=ago(hours=2), advice="Mend it.")
    message = compose(notice, format_timestamp(NOW))
    assert message.body == "It broke.\nSince: 2026-03-01 10:00:00 UTC\nWhat to do: Mend it."
    assert "_" not in message.title


def test_a_message_says_that_it_is_still_so_and_that_it_is_over() -> None:
    notice: dict[str, Any] = {"key": "drift:x", "what": "It broke.", "since": ago(hours=2)}
    assert compose(Notice(**notice, state=State.STILL), format_timestamp(NOW)).title.startswith("Still: ")
    over = compose(Notice(**notice, state=State.OVER), format_timestamp(NOW))
    assert (over.title, over.is_good) == ("Over: Epicor and Mailchimp differ", True)
    assert over.body.endswith("It lasted from 2026-03-01 10:00:00 UTC to 2026-03-01 12:00:00 UTC.")
