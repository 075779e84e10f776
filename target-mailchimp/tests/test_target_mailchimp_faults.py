"""The way to Mailchimp goes wrong in every manner, and everybody still arrives once."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import requests
from kinetic_mailchimp.kit.errors import CredentialsError, PermissionDeniedError, TransientError
from target_mailchimp.loading.in_flight import InFlight
from target_mailchimp.rules.plan import Write

PEOPLE = [
    {"email_address": f"p{number}@example.com", "FNAME": f"P{number}", "source_key": str(number)}
    for number in range(60)
]
POST = {"method": "POST"}
THROTTLED = range(2, 12, 2)
"""Fewer than the attempts of a call, in which one thread may meet all of them."""

FAULTS: dict[str, list[dict[str, Any]]] = {
    "time-outs before it is applied": [
        {"match": {**POST, "every": 3}, "effect": {"kind": "status", "status": 504}}
    ],
    "time-outs after it was applied": [
        {"match": {**POST, "every": 3}, "effect": {"kind": "status", "status": 504, "applied": True}}
    ],
    "resets before it is applied": [{"match": {**POST, "every": 3}, "effect": {"kind": "reset"}}],
    "resets after it was applied": [
        {"match": {**POST, "every": 3}, "effect": {"kind": "reset", "applied": True}}
    ],
    "cut answers": [{"match": {"every": 4}, "effect": {"kind": "truncate", "disconnect": True}}],
    "a page of the network in front": [
        {"match": {"every": 4}, "effect": {"kind": "status", "status": 503, "body": "html"}}
    ],
    "429 with a body": [
        {"match": {"nth": nth}, "effect": {"kind": "status", "status": 429}} for nth in THROTTLED
    ],
    "429 without one": [
        {"match": {"nth": nth}, "effect": {"kind": "status", "status": 429, "body": "empty"}}
        for nth in THROTTLED
    ],
    "everything now and then": [
        {"match": {"probability": 0.1}, "effect": {"kind": "reset", "applied": True}},
        {"match": {"probability": 0.2}, "effect": {"kind": "status", "status": 500, "applied": True}},
        {"match": {"probability": 0.2}, "effect": {"kind": "status", "status": 429}},
    ],
}


@pytest.mark.rule("R4")
@pytest.mark.parametrize("kind", FAULTS)
def test_everybody_arrives_through(bench: Any, kind: str) -> None:
    bench.mailchimp.control.set_faults(FAULTS[kind])
    decided = bench.run(PEOPLE, batch_size=10, concurrency=4)
    assert len(decided) == len(PEOPLE)
    assert {entry.action for entry in decided} <= {"created", "updated"}
    assert len(bench.members()) == len(PEOPLE)
    assert bench.mailchimp.control.raises("raised") == []
    bench.mailchimp.control.clear_faults()
    assert Counter(entry.action for entry in bench.run(PEOPLE)) == {"unchanged": len(PEOPLE)}


@pytest.mark.rule("R3")
def test_a_failure_that_lasts_ends_the_run_without_a_state_and_the_next_run_completes(bench: Any) -> None:
    lines = [
        {"type": "SCHEMA", "stream": "c", "schema": {"properties": {}}, "key_properties": []},
        *({"type": "RECORD", "stream": "c", "record": person} for person in PEOPLE),
        {"type": "STATE", "value": {"done": True}},
    ]
    bench.mailchimp.control.set_faults(
        [{"match": {**POST, "after": 2}, "effect": {"kind": "status", "status": 500}}]
    )
    with pytest.raises(TransientError):
        bench.states(lines, batch_size=10, concurrency=2)
    run = bench.last_run()
    assert run["status"] == "failed"
    assert run["records_read"] == len(bench.decisions(run["id"]))
    bench.mailchimp.control.clear_faults()
    assert bench.states(lines, batch_size=10) == [{"done": True}]
    assert len(bench.members()) == len(PEOPLE)


def put_a_gateway_in_the_way(monkeypatch: pytest.MonkeyPatch, status: int, *, times: float) -> None:
    """Answer the first batches with the page of a gateway, which lets everything else pass."""
    passed_on = requests.Session.request
    answered = itertools.count()

    def request(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        if method != "POST" or next(answered) >= times:
            return passed_on(session, method, url, **options)
        page = requests.Response()
        page.status_code = status
        page.headers["Content-Type"] = "text/html"
        page.raw = io.BytesIO(b"<html>The gateway knows better</html>")
        return page

    monkeypatch.setattr(requests.Session, "request", request)


@pytest.mark.parametrize("status", [400, 404])
def test_a_page_of_a_gateway_makes_no_dead_letters(
    bench: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with monkeypatch.context() as patched:
        put_a_gateway_in_the_way(patched, status, times=math.inf)
        with pytest.raises(TransientError):
            bench.run(PEOPLE, batch_size=10)
    assert [entry for entry in bench.decisions() if entry.dead_letter] == []
    assert Counter(entry.action for entry in bench.run(PEOPLE)) == {"created": len(PEOPLE)}


def test_a_batch_that_is_too_large_for_the_way_is_halved(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_a_gateway_in_the_way(monkeypatch, 413, times=1)
    assert Counter(entry.action for entry in bench.run(PEOPLE)) == {"created": len(PEOPLE)}
    assert sum(count for key, count in bench.calls().items() if key.startswith("POST")) == 2


def test_a_revoked_token_ends_the_run_at_once(bench: Any) -> None:
    bench.mailchimp.control.revoke_tokens()
    with pytest.raises(CredentialsError):
        bench.run(PEOPLE, api_key="ffffffff-us1")
    assert sum(bench.calls().values()) == 1


@pytest.mark.parametrize("concurrency", [3, 10])
def test_no_more_calls_are_in_flight_than_the_setting_says(bench: Any, concurrency: int) -> None:
    bench.mailchimp.control.set_faults([{"match": POST, "effect": {"kind": "latency", "seconds": 0.1}}])
    bench.run(PEOPLE, batch_size=2, concurrency=concurrency)
    seen = bench.mailchimp.control.connections()
    assert 1 < seen["most"] <= concurrency
    assert seen["refused"] == 0


def test_a_job_that_has_ended_is_let_go_before_the_next_one() -> None:
    def fail(_: Sequence[Write]) -> None:
        raise TransientError("The server is gone.")

    in_flight = InFlight(1)
    in_flight.submit(fail, [])
    in_flight._pool.submit(int).result()  # the only thread: what came before has ended
    with pytest.raises(TransientError):
        in_flight.submit(fail, [])
    in_flight.close()


def test_calls_stay_near_two_for_a_thousand_new_members(bench: Any) -> None:
    people = [{"email_address": f"n{number}@example.com", "FNAME": "N"} for number in range(2000)]
    bench.run(people)
    posts = sum(count for key, count in bench.calls().items() if key.startswith("POST"))
    assert (posts, sum(bench.calls().values())) == (4, 4 + 6)


def test_one_bad_member_does_not_hold_up_the_others(bench: Any) -> None:
    bad = {"email_address": "test@test.com"}
    decided = bench.run([*PEOPLE[:20], bad])
    assert Counter(entry.action for entry in decided) == {"created": 20, "failed": 1}
    [failed] = [entry for entry in decided if entry.action == "failed"]
    assert failed.dead_letter == bad


@pytest.mark.rule("R6")
def test_an_account_without_room_costs_few_calls_and_no_update(bench: Any) -> None:
    bench.run(PEOPLE[:20])
    detail = "Your account has reached the limit of contacts of its plan."
    text = json.dumps({"title": "Forbidden", "status": 403, "detail": detail})
    refusal = {"kind": "answer", "status": 403, "text": text, "media_type": "application/problem+json"}
    only_new = {**POST, "body": '"status_if_new": ?"subscribed"'}
    bench.mailchimp.control.set_faults([{"match": only_new, "effect": refusal}])
    bench.clear()
    decided = bench.run([{**person, "LNAME": "Doe"} for person in PEOPLE], batch_size=30, concurrency=1)
    assert Counter((entry.action, entry.reason) for entry in decided) == {
        ("updated", "fields_differ"): 20,
        ("failed", "contact_limit"): 40,
    }
    assert all(
        entry.dead_letter and entry.http_status == 403 for entry in decided if entry.action == "failed"
    )
    # Two batches, one of them apart; of the new ones, halves down to one and up again.
    assert sum(count for key, count in bench.calls().items() if key.startswith("POST")) <= 3 + 2 * 4


@pytest.mark.rule("R3", "R10")
@pytest.mark.parametrize("has_written", [True, False])
@pytest.mark.parametrize("status", [400, 402, 451])
def test_an_account_that_takes_no_call_at_all_ends_the_run_and_makes_no_dead_letters(
    bench: Any, status: int, has_written: bool
) -> None:
    text = json.dumps({"title": "No", "status": status, "detail": "Your account has been suspended."})
    refusal = {"kind": "answer", "status": status, "text": text, "media_type": "application/problem+json"}
    later = {"after": 1} if has_written else {}
    bench.mailchimp.control.set_faults([{"match": {**POST, **later}, "effect": refusal}])
    with pytest.raises(PermissionDeniedError, match=r"suspended.*in the account"):
        bench.run(PEOPLE, batch_size=10, concurrency=1)
    assert [entry for entry in bench.decisions() if entry.dead_letter] == []
    assert sum(bench.calls().values()) < 20
    bench.mailchimp.control.clear_faults()
    decided = bench.run(PEOPLE)
    assert {entry.action for entry in decided} <= {"created", "unchanged"}
    assert len(bench.members()) == len(PEOPLE)


def test_a_refusal_that_says_nothing_about_its_cause_holds_up_no_other(bench: Any) -> None:
    text = json.dumps({"title": "Bad Request", "status": 400, "detail": "Bad Request"})
    refusal = {"kind": "answer", "status": 400, "text": text, "media_type": "application/problem+json"}
    bad_or_none = {**POST, "body": r'p7@example|"members": ?\[\]'}
    bench.mailchimp.control.set_faults([{"match": bad_or_none, "effect": refusal}])
    decided = bench.run(PEOPLE)
    assert Counter(entry.action for entry in decided) == {"created": len(PEOPLE) - 1, "failed": 1}
