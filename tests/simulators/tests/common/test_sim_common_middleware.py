from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from simulators.common.control import common_control
from simulators.common.control_client import ControlClient
from simulators.common.fault_middleware import FaultMiddleware
from simulators.common.faults import FaultPlan
from simulators.common.request_log import RequestLog, RequestLogMiddleware
from simulators.common.serve import serve_in_thread
from starlette.types import ASGIApp

DOCUMENT = {"value": ["x" * 50] * 100}


class Counter:
    """A service that counts what it has done, behind the faults and the log."""

    def __init__(self, url: str, applied: list[str], waited: list[float]) -> None:
        self.url = url
        self.applied = applied
        self.waited = waited
        self.control = ControlClient(f"{url}/__control")

    def post(self) -> requests.Response:
        return requests.post(f"{self.url}/count", data=b"{}", timeout=60)


def application(applied: list[str], waited: list[float]) -> ASGIApp:
    app, log, plan = FastAPI(), RequestLog(), FaultPlan(seed=1)
    app.include_router(common_control(log, plan))

    @app.post("/count")
    async def count() -> dict[str, Any]:
        applied.append("once")
        return DOCUMENT

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    def error_body(status: int, text: str) -> dict[str, Any]:
        return {"vendor": status, "says": text}

    return RequestLogMiddleware(FaultMiddleware(app, plan, error_body, wait), log)


@pytest.fixture
def counter() -> Iterator[Counter]:
    applied: list[str] = []
    waited: list[float] = []
    with ExitStack() as stack:
        running = stack.enter_context(serve_in_thread(lambda _: (application(applied, waited), {})))
        served = Counter(running.url, applied, waited)
        stack.callback(served.control.close)
        yield served


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("body", "content_type", "reads"),
    [
        ("json", "application/json", lambda text, status: json.loads(text)["vendor"] == status),
        ("html", "text/html", lambda text, status: f"<h1>{status} " in text),
        ("empty", "text/plain", lambda text, status: text == ""),
    ],
)
def test_statuses_with_every_kind_of_body(
    counter: Counter, status: int, body: str, content_type: str, reads: Callable[[str, int], bool]
) -> None:
    counter.control.faults({"effect": {"kind": "status", "status": status, "body": body, "retry_after": 7}})
    response = counter.post()
    assert response.status_code == status
    assert response.headers["retry-after"] == "7"
    assert response.headers["content-type"].startswith(content_type)
    assert reads(response.text, status)
    assert counter.applied == []


@pytest.mark.parametrize("applied", [True, False])
def test_a_status_before_and_after_the_request_was_applied(counter: Counter, *, applied: bool) -> None:
    counter.control.faults({"effect": {"kind": "status", "status": 504, "applied": applied}})
    assert counter.post().status_code == 504
    assert "retry-after" not in counter.post().headers
    assert len(counter.applied) == (2 if applied else 0)


@pytest.mark.parametrize("applied", [True, False])
def test_a_reset_before_and_after_the_request_was_applied(counter: Counter, *, applied: bool) -> None:
    counter.control.faults({"effect": {"kind": "reset", "applied": applied}, "match": {"nth": 1}})
    with pytest.raises(requests.ConnectionError, match=r"(?i)reset|aborted"):
        counter.post()
    assert len(counter.applied) == (1 if applied else 0)
    assert counter.control.requests()[0]["status"] == 0
    assert counter.post().json() == DOCUMENT


def test_latency_is_waited_before_the_answer(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "latency", "seconds": 30.0}})
    assert counter.post().json() == DOCUMENT
    assert counter.waited == [30.0]


def test_a_slow_body_is_whole(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "slow_body", "seconds": 8.0, "chunks": 4}})
    assert counter.post().json() == DOCUMENT
    assert counter.waited == [2.0, 2.0, 2.0, 2.0]


def test_truncated_json_in_a_well_formed_response(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "truncate", "keep": 0.5}})
    response = counter.post()
    assert response.status_code == 200
    assert json.dumps(DOCUMENT, separators=(",", ":")).startswith(response.text)
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_truncated_json_and_a_lost_connection(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "truncate", "keep": 0.5, "disconnect": True}})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        counter.post()
    assert len(counter.applied) == 1


def test_maintenance_is_html_of_the_gateway(counter: Counter) -> None:
    counter.control.faults({"match": {"count": 2}, "effect": {"kind": "maintenance", "retry_after": 30}})
    responses = [counter.post() for _ in range(3)]
    assert [response.status_code for response in responses] == [503, 503, 200]
    assert responses[0].headers["content-type"].startswith("text/html")
    assert responses[0].headers["retry-after"] == "30"


def test_latency_and_a_status_together(counter: Counter) -> None:
    counter.control.faults(
        {"effect": {"kind": "latency", "seconds": 1.0}}, {"effect": {"kind": "status", "status": 502}}
    )
    assert counter.post().status_code == 502
    assert counter.waited == [1.0]
    assert counter.control.requests()[0]["faults"] == ["0:latency", "1:status"]


def test_the_date_is_sent_once_and_skewed_on_request(counter: Counter) -> None:
    straight = counter.post()
    counter.control.faults({"effect": {"kind": "skew", "seconds": -86_400 * 365 * 50}})
    skewed = counter.post()
    assert straight.headers["date"].endswith("GMT")
    assert straight.headers["date"].count("GMT") == 1
    assert int(skewed.headers["date"].split()[3]) < int(straight.headers["date"].split()[3]) - 48


def test_control_is_exempt_and_not_logged(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "status", "status": 500}})
    assert counter.control.requests() == []
    counter.control.faults()
    assert counter.post().status_code == 200
    assert counter.control.counts() == {"POST 200": 1}


def test_an_answer_of_any_status_stands_for_the_vendors(counter: Counter) -> None:
    page = {"status": 200, "text": "<html>Sign in</html>", "media_type": "text/html"}
    counter.control.faults({"effect": {"kind": "answer", **page, "headers": {"X-Who": "gateway"}}})
    answer = counter.post()
    assert (answer.status_code, answer.text, answer.headers["X-Who"]) == (200, page["text"], "gateway")
    assert answer.headers["Content-Type"] == "text/html"
    assert counter.applied == []


def test_a_rule_may_look_at_the_body(counter: Counter) -> None:
    counter.control.faults({"match": {"body": "poison"}, "effect": {"kind": "answer", "status": 403}})
    statuses = [
        requests.post(f"{counter.url}/count", data=text, timeout=60).status_code for text in ("a poison", "b")
    ]
    assert (statuses, counter.applied) == ([403, 200], ["once"])


def test_an_answer_is_rewritten(counter: Counter) -> None:
    counter.control.faults({"effect": {"kind": "rewrite", "pattern": "x{50}", "text": "y"}})
    assert counter.post().json() == {"value": ["y"] * 100}
    assert counter.applied == ["once"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_answer_comes_in_another_encoding(counter: Counter, encoding: str) -> None:
    effect = {"kind": "rewrite", "encoding": encoding, "media_type": "text/plain"}
    counter.control.faults({"effect": effect})
    answer = counter.post()
    assert json.loads(answer.content.decode(encoding)) == DOCUMENT
    assert answer.headers["Content-Type"] == "text/plain"
