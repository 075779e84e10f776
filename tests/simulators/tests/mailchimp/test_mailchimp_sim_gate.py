"""What every request passes: credentials, the limit of connections, faults and the request log."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.problems import TRIGGERED
from simulators.mailchimp.testing import (
    Received,
    RunningMailchimp,
    StartMailchimp,
    WebhookSink,
    starting_mailchimp,
)

EMAIL = "ada@example.com"


def ping(mailchimp: RunningMailchimp, **options: Any) -> requests.Response:
    return requests.get(f"{mailchimp.base_url}/ping", timeout=30, **options)


@pytest.mark.parametrize("scheme", ["Bearer", "OAuth", "apikey"])
def test_the_key_may_come_in_several_ways(mailchimp: RunningMailchimp, scheme: str) -> None:
    assert ping(mailchimp, auth=("", mailchimp.api_key)).status_code == 200
    assert ping(mailchimp, headers={"Authorization": f"{scheme} {mailchimp.api_key}"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({}, "API Key Missing"),
        ({"Authorization": "Digest x"}, "API Key Missing"),
        ({"Authorization": "Basic %%%"}, "API Key Missing"),
        ({"Authorization": "Bearer wrong-us1"}, "API Key Invalid"),
    ],
)
def test_without_the_key_nobody_passes(
    mailchimp: RunningMailchimp, headers: dict[str, str], title: str
) -> None:
    answer = ping(mailchimp, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (401, title)


def test_the_key_cannot_be_taken_for_a_real_one(mailchimp: RunningMailchimp) -> None:
    key, _, data_centre = mailchimp.api_key.partition("-")
    assert (len(key), key[:20], data_centre) == (32, "0" * 20, "us1")


@pytest.mark.parametrize("name", TRIGGERED)
def test_an_error_can_be_asked_for(mailchimp: RunningMailchimp, name: str) -> None:
    headers = {"X-Trigger-Error": name}
    answer = ping(mailchimp, auth=("", mailchimp.api_key), headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (TRIGGERED[name].status, TRIGGERED[name].title)


@contextlib.contextmanager
def held(api: PlainClient, sink: WebhookSink, count: int) -> Iterator[None]:
    """Hold `count` connections open: each registers a webhook whose address does not answer yet."""
    released = threading.Event()

    def answer_late(_: Received) -> int:
        released.wait(60)
        return 200

    def register(number: int) -> int:
        url, auth = f"{api.base_url}/lists/{api.list_id}/webhooks", ("", api.api_key)
        return requests.post(
            url, json={"url": f"{sink.url}/{count}/{number}"}, auth=auth, timeout=60
        ).status_code

    api.control.switch(webhook_timeout_seconds=60.0)
    sink.respond_to_get = answer_late
    with ThreadPoolExecutor(count) as executor:
        answers = [executor.submit(register, number) for number in range(count)]
        try:
            while api.control.connections()["open"] < count:
                assert not any(answer.done() for answer in answers)
            yield
        finally:
            released.set()
    assert [answer.result() for answer in answers] == [200] * count


def test_ten_connections_are_served_and_more_are_refused(api: PlainClient, webhook_sink: WebhookSink) -> None:
    with held(api, webhook_sink, 9):
        assert api.get("/ping").status_code == 200
    with held(api, webhook_sink, 10):
        refused = api.get("/ping")
    assert (refused.status_code, refused.json()["title"]) == (429, "Too Many Requests")
    assert refused.json()["detail"] == "You have exceeded the limit of 10 simultaneous connections."
    assert "Retry-After" not in refused.headers
    assert api.control.connections() == {"open": 0, "most": 11, "refused": 1}


@pytest.mark.parametrize(("answer", "status"), [("empty_429", 429), ("empty_403", 403)])
def test_the_refusal_may_be_empty(
    api: PlainClient, webhook_sink: WebhookSink, answer: str, status: int
) -> None:
    api.control.switch(connection_limit=1, connection_limit_answer=answer)
    with held(api, webhook_sink, 1):
        refused = api.get("/ping")
    assert (refused.status_code, refused.content) == (status, b"")


@pytest.mark.parametrize("status", ["403", "503"])
def test_the_network_in_front_may_refuse_everybody(api: PlainClient, status: str) -> None:
    api.control.switch(edge_block=status)
    answer = api.get("/ping")
    assert (answer.status_code, answer.headers["Content-Type"]) == (int(status), "text/html; charset=utf-8")
    assert "Access Denied" in answer.text


def test_a_connection_is_free_again_after_its_answer(api: PlainClient) -> None:
    api.control.switch(connection_limit=1)
    assert [api.get("/ping").status_code for _ in range(5)] == [200] * 5
    assert api.control.connections()["most"] == 1


def test_a_write_that_was_applied_can_lose_its_answer(api: PlainClient) -> None:
    api.control.set_faults(
        [{"match": {"method": "PUT", "count": 1}, "effect": {"kind": "reset", "applied": True}}]
    )
    with pytest.raises(requests.ConnectionError):
        api.upsert(EMAIL)
    assert api.control.members()[EMAIL]["state"] == "subscribed"


def test_a_write_can_be_lost_before_it_is_applied(api: PlainClient) -> None:
    api.control.set_faults([{"match": {"method": "PUT", "count": 1}, "effect": {"kind": "reset"}}])
    with pytest.raises(requests.ConnectionError):
        api.upsert(EMAIL)
    assert api.control.members() == {}
    assert api.upsert(EMAIL).status_code == 200


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_errors_can_come_as_pages(api: PlainClient, status: int) -> None:
    api.control.set_faults([{"effect": {"kind": "status", "status": status, "body": "html"}}])
    answer = api.get("/ping")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")


def test_a_clock_that_is_wrong_is_wrong_everywhere(api: PlainClient) -> None:
    api.control.set_faults([{"effect": {"kind": "skew", "seconds": -10 * 365 * 86400}}])
    assert api.upsert(EMAIL).json()["last_changed"] < "2020"


def test_the_clock_of_the_answer_is_that_of_the_data(api: PlainClient) -> None:
    api.control.advance_clock(365 * 86400)
    answer = api.upsert(EMAIL)
    told = parsedate_to_datetime(answer.headers["Date"])
    changed = datetime.fromisoformat(answer.json()["last_changed"])
    assert abs(told - changed) < timedelta(seconds=60)
    assert told > datetime.now(UTC) + timedelta(days=300)


def test_requests_are_logged_without_those_of_the_control_api(api: PlainClient) -> None:
    api.get("/ping")
    api.upsert(EMAIL)
    logged = [(entry["method"], entry["path"], entry["status"]) for entry in api.control.requests()]
    assert logged == [
        ("GET", "/3.0/ping", 200),
        ("PUT", f"/3.0{member_path(EMAIL).replace('{list}', api.list_id)}", 200),
    ]
    assert api.control.request_counts() == {"GET 200": 1, "PUT 200": 1}
    api.control.clear_requests()
    assert api.control.requests() == []


UNKNOWN: list[tuple[str, str, int, str]] = [
    ("GET", "/nonsense", 404, "GET /3.0/nonsense"),
    ("PUT", "/ping", 405, "the method PUT of /ping"),
    ("GET", "/lists/{list}/members?sort=email", 400, "query parameters: sort"),
]


@pytest.mark.parametrize(("method", "path", "status", "reason"), UNKNOWN)
def test_what_nobody_knows_is_refused_and_remembered(
    api: PlainClient, mailchimp: RunningMailchimp, method: str, path: str, status: int, reason: str
) -> None:
    mailchimp.allows_unknown = True
    assert api.call(method, path).status_code == status
    assert [entry["unknown"] for entry in api.control.unknown_requests()] == [reason]


def test_a_method_that_is_not_allowed_says_what_is(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.allows_unknown = True
    answer = api.delete("/lists/{list}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_unknown_parameters_can_be_let_through(api: PlainClient) -> None:
    api.control.switch(strict_queries=False)
    assert api.get("/ping", nonsense="1").status_code == 200


def test_an_override_of_the_method_that_nobody_knows_is_remembered(
    api: PlainClient, mailchimp: RunningMailchimp
) -> None:
    mailchimp.allows_unknown = True
    api.session.post(f"{api.base_url}/ping", headers={"X-HTTP-Method-Override": "PATCH"}, timeout=120)
    assert len(api.control.unknown_requests()) == 1


@pytest.mark.parametrize("allowed", [True, False])
def test_the_fixture_fails_a_test_that_asks_what_nobody_knows(*, allowed: bool) -> None:
    failure = pytest.raises(pytest.fail.Exception, match=r"GET /3\.0/nonsense")
    with contextlib.nullcontext() if allowed else failure, starting_mailchimp() as start:
        running = start()
        running.allows_unknown = allowed
        auth = ("", running.api_key)
        assert requests.get(f"{running.base_url}/nonsense", auth=auth, timeout=120).status_code == 404


def test_the_fixture_takes_seed_members_and_switches(start_mailchimp: StartMailchimp) -> None:
    first, second = start_mailchimp(seed=1, members=20), start_mailchimp(seed=2, connection_limit=3)
    assert first.list_id != second.list_id
    assert first.api_key != second.api_key
    assert (len(first.control.members()), len(second.control.members())) == (20, 0)
    with pytest.raises(ValueError, match="no switch 'nonsense'"):
        start_mailchimp(nonsense=True)
