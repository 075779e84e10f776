"""Fixtures: a Mailchimp simulator in a thread, and a receiver that records webhooks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl

import pytest

from simulators.common.serve import serve_in_thread
from simulators.mailchimp.app import build
from simulators.mailchimp.control import Control
from simulators.mailchimp.switches import Switches


@dataclass
class RunningMailchimp:
    """A simulator that answers.

    Attributes:
        base_url: Of the API; ends in `/3.0`.
        api_key: A key that it accepts.
        list_id: The main list.
        lists: All lists, name to id.
        hello: Everything that a client needs.
        control: The control API.
        allows_unknown: Whether requests that the simulator does not know leave the test green.
    """

    base_url: str
    api_key: str
    list_id: str
    lists: Mapping[str, str]
    hello: Mapping[str, Any]
    control: Control
    allows_unknown: bool = False


class StartMailchimp(Protocol):
    def __call__(self, seed: int = 1, *, members: int = 0, **switches: Any) -> RunningMailchimp: ...


@contextlib.contextmanager
def running_mailchimp(seed: int = 1, *, members: int = 0, **switches: Any) -> Iterator[RunningMailchimp]:
    """Serve a simulator in a thread for the length of a `with` block."""
    make = partial(build, seed=seed, switches=Switches().changed(switches), member_count=members)
    with serve_in_thread(make) as served:
        hello = served.hello
        yield RunningMailchimp(
            base_url=hello["base_url"],
            api_key=hello["api_key"],
            list_id=hello["list_id"],
            lists=hello["lists"],
            hello=hello,
            control=Control(hello["control_url"], hello["list_id"]),
        )


@contextlib.contextmanager
def starting_mailchimp() -> Iterator[StartMailchimp]:
    """Lend a function that starts simulators; they are stopped at the end of the `with` block.

    Raises:
        pytest.fail.Exception: One was asked something that it does not know.
    """
    started: list[RunningMailchimp] = []
    with contextlib.ExitStack() as stack:

        def start(seed: int = 1, *, members: int = 0, **switches: Any) -> RunningMailchimp:
            running = stack.enter_context(running_mailchimp(seed, members=members, **switches))
            started.append(running)
            return running

        yield start
        unknown = [
            f"{request['method']} {request['path']}?{request['query']}: {request['unknown']}"
            for running in started
            if not running.allows_unknown
            for request in running.control.unknown_requests()
        ]
    if unknown:
        listed = "\n".join(unknown)
        pytest.fail(f"The Mailchimp simulator was asked what it does not know:\n{listed}", pytrace=False)


@pytest.fixture
def start_mailchimp() -> Iterator[StartMailchimp]:
    """Start simulators; the test fails if one was asked something that it does not know."""
    with starting_mailchimp() as start:
        yield start


@dataclass(frozen=True)
class Received:
    """One request that a sink got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The fields by their bracketed names, such as `data[merges][FNAME]`."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Respond = Callable[[Received], int]
"""Chooses the status of an answer; it may block on an event of the test's own to be slow."""


def _ok(_: Received) -> int:
    return 200


@dataclass
class WebhookSink:
    """A receiver of webhooks that records what it gets.

    Attributes:
        url: Where it listens.
        received: All requests, the validating GETs included.
        respond: How to answer a POST; a GET is always answered 200 unless `respond_to_get` says otherwise.
    """

    url: str = ""
    received: list[Received] = field(default_factory=list)
    respond: Respond = _ok
    respond_to_get: Respond = _ok

    @property
    def deliveries(self) -> list[Received]:
        return [request for request in self.received if request.method == "POST"]

    @property
    def types(self) -> list[str]:
        """The types of the events, in the order of arrival."""
        return [request.form["type"] for request in self.deliveries]


@pytest.fixture
def webhook_sink() -> Iterator[WebhookSink]:
    """A receiver on a port of its own."""
    with running_sink() as sink:
        yield sink


@contextlib.contextmanager
def running_sink() -> Iterator[WebhookSink]:
    """Serve a recording receiver in a thread for the length of a `with` block."""
    sink = WebhookSink()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, choose: Callable[[], Respond]) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Received(self.command, self.path, dict(self.headers.items()), body)
            sink.received.append(request)
            status = choose()(request)
            # The sender may have given up.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self) -> None:
            self._answer(lambda: sink.respond_to_get)

        def do_POST(self) -> None:
            self._answer(lambda: sink.respond)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
