"""Applies the faults in force to the requests of an ASGI application."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulators.common.connection import reset_connection
from simulators.common.faults import Effect, FaultPlan, Strike

FAULTS = "simulators.faults"
"""The key in the scope under which the names of the rules that struck are found."""

ErrorBody = Callable[[int, str], Mapping[str, Any]]
"""Makes the vendor's JSON error body from a status and a text."""

Wait = Callable[[float], Awaitable[None]]

_HTML = """<html>\r
<head><title>{status} {phrase}</title></head>\r
<body>\r
<center><h1>{status} {phrase}</h1></center>\r
<hr><center>gateway</center>\r
</body>\r
</html>\r
"""


class FaultMiddleware:
    """Makes requests go wrong as a plan says; the control API is left alone.

    Args:
        app: The simulator.
        plan: The rules in force.
        error_body: The vendor's own form of an error in JSON.
        wait: How to spend seconds; a test hands in its own.
        exempt: A prefix of paths that never go wrong.
        now: The server's clock, in seconds since the epoch; by default the system's with the plan's skew.
    """

    def __init__(
        self,
        app: ASGIApp,
        plan: FaultPlan,
        error_body: ErrorBody,
        wait: Wait = asyncio.sleep,
        exempt: str = "/__control",
        now: Callable[[], float] | None = None,
    ) -> None:
        self._app = app
        self._plan = plan
        self._error_body = error_body
        self._wait = wait
        self._exempt = exempt
        self._now = now or (lambda: time.time() + plan.clock_skew())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = self._with_date(send)
        if scope["path"].startswith(self._exempt):
            await self._app(scope, receive, send)
            return
        query = unquote(scope.get("query_string", b"").decode("latin-1"))
        body = b""
        if self._plan.looks_at_bodies:
            body = await _read(receive)
            receive = _again(body, receive)
        strikes = self._plan.strikes(scope["method"], scope["path"], query, body.decode("utf-8", "replace"))
        scope[FAULTS] = [strike.rule.name for strike in strikes]
        for strike in strikes:
            if strike.rule.effect.kind == "latency":
                await self._wait(strike.delay)
        ending = next((s for s in strikes if s.rule.effect.kind in _ENDINGS), None)
        if ending is None:
            await self._app(scope, receive, send)
        else:
            await _ENDINGS[ending.rule.effect.kind](self, ending, scope, receive, send)

    def _with_date(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._now(), usegmt=True).encode()
                headers = [*message.get("headers", []), (b"date", date)]
                message = {**message, "headers": headers}
            await send(message)

        return dated

    async def _status(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        effect = strike.rule.effect
        await _take(self._app, scope, receive, applied=effect.applied)
        body, content_type = self._failure_body(effect)
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in effect.headers.items()]
        if effect.retry_after is not None:
            headers.append((b"retry-after", str(effect.retry_after).encode()))
        await send({"type": "http.response.start", "status": effect.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _failure_body(self, effect: Effect) -> tuple[bytes, bytes]:
        if effect.kind == "answer":
            return _encoded(effect.text, effect.encoding), (effect.media_type or "application/json").encode()
        phrase = HTTPStatus(effect.status).phrase
        if effect.body == "empty":
            return b"", b"text/plain"
        if effect.body == "html" or effect.kind == "maintenance":
            return _HTML.format(status=effect.status, phrase=phrase).encode(), b"text/html"
        return json.dumps(self._error_body(effect.status, phrase)).encode(), b"application/json"

    async def _reset(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        await _take(self._app, scope, receive, applied=strike.rule.effect.applied)
        reset_connection(scope)

    async def _slow_body(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _collect(self._app, scope, receive)
        await send(start)
        size = max(1, -(-len(body) // max(1, strike.rule.effect.chunks)))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        for piece in pieces:
            await self._wait(strike.delay / len(pieces))
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _truncate(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        effect = strike.rule.effect
        start, body = await _collect(self._app, scope, receive)
        cut = body[: int(len(body) * effect.keep)]
        length = len(body) if effect.disconnect else len(cut)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(length).encode())]})
        await send({"type": "http.response.body", "body": cut, "more_body": effect.disconnect})
        if effect.disconnect:
            reset_connection(scope)

    async def _rewrite(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        effect = strike.rule.effect
        start, body = await _collect(self._app, scope, receive)
        if body:
            text = re.sub(effect.pattern, effect.text, body.decode()) if effect.pattern else body.decode()
            body = _encoded(text, effect.encoding)
        changed = {"content-length": str(len(body)), **{k.lower(): v for k, v in effect.headers.items()}}
        if effect.media_type:
            changed["content-type"] = effect.media_type
        kept = [(name, value) for name, value in start["headers"] if name.decode().lower() not in changed]
        headers = [*kept, *((name.encode(), value.encode()) for name, value in changed.items())]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_Ending = Callable[[FaultMiddleware, Strike, Scope, Receive, Send], Awaitable[None]]
_ENDINGS: Mapping[str, _Ending] = {
    "status": FaultMiddleware._status,
    "maintenance": FaultMiddleware._status,
    "reset": FaultMiddleware._reset,
    "slow_body": FaultMiddleware._slow_body,
    "truncate": FaultMiddleware._truncate,
    "answer": FaultMiddleware._status,
    "rewrite": FaultMiddleware._rewrite,
}


def _encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "surrogatepass")


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Let the application answer without anybody hearing it."""
    start: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    return start, bytes(body)


async def _read(receive: Receive) -> bytes:
    """The whole body of a request."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body.extend(message.get("body", b""))
        more = message.get("more_body", False)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """What the application receives, after the body was read."""
    rest: list[Message] = [{"type": "http.request", "body": body}]

    async def received() -> Message:
        return rest.pop() if rest else await receive()

    return received


async def _take(app: ASGIApp, scope: Scope, receive: Receive, *, applied: bool) -> None:
    """Read the whole request, and let the application act on it or not."""
    if applied:
        await _collect(app, scope, receive)
        return
    while (await receive()).get("more_body"):
        pass
