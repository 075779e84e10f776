"""Remembers what was asked of a simulator, so that a test can count it and fail on what nobody knows."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulators.common.fault_middleware import FAULTS

UNKNOWN = "simulators.unknown"
"""The key in the scope under which an application says why it does not know a request."""

NO_ANSWER = 0
"""The status of a request whose connection was dropped."""


@dataclass(frozen=True)
class LoggedRequest:
    """One request. Headers and bodies are left out on purpose: they carry credentials."""

    number: int
    method: str
    path: str
    query: str
    status: int
    seconds: float
    faults: list[str] = field(default_factory=list)
    unknown: str | None = None


class RequestLog:
    """The requests in the order in which they were answered; the oldest are forgotten beyond `keep`."""

    def __init__(self, keep: int = 200_000) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=keep)
        self._numbers = itertools.count(1)
        self._unknown: list[LoggedRequest] = []
        self.open = 0
        self.most_open = 0

    def enter(self) -> None:
        """Count a request that is being answered."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def leave(self) -> None:
        self.open -= 1

    def add(self, request: LoggedRequest) -> None:
        self._requests.append(request)
        if request.unknown is not None:
            self._unknown.append(request)

    def next_number(self) -> int:
        return next(self._numbers)

    def clear(self) -> None:
        self._requests.clear()
        self._unknown.clear()

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far; a server in another thread may add more meanwhile."""
        return [dict(vars(request)) for request in list(self._requests)]

    def unknown(self) -> list[dict[str, Any]]:
        """Requests that the simulator does not know; a test that sees one has found a gap."""
        return [dict(vars(request)) for request in self._unknown]

    def counts(self) -> dict[str, int]:
        """How many requests per `METHOD status`."""
        return dict(Counter(f"{request.method} {request.status}" for request in self._requests))


class RequestLogMiddleware:
    """Writes every request to a log, except those of the control API."""

    def __init__(self, app: ASGIApp, log: RequestLog, exempt: str = "/__control") -> None:
        self._app = app
        self._log = log
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self._app(scope, receive, send)
            return
        status = NO_ANSWER
        started = time.perf_counter()
        number = self._log.next_number()
        self._log.enter()

        def write() -> None:
            self._log.add(
                LoggedRequest(
                    number=number,
                    method=scope["method"],
                    path=scope["path"],
                    query=scope["query_string"].decode("latin-1"),
                    status=status,
                    seconds=round(time.perf_counter() - started, 6),
                    faults=list(scope.get(FAULTS, [])),
                    unknown=scope.get(UNKNOWN),
                )
            )

        written = False

        async def observed(message: Message) -> None:
            nonlocal status, written
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body") and not written:
                # Before the last byte leaves: who has the answer finds its request in the log.
                written = True
                write()
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._log.leave()
            if not written:
                write()
