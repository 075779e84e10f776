"""What every request passes first: a request id, the limit of connections and the credentials."""

from __future__ import annotations

import base64
import binascii
import uuid
from email.utils import formatdate
from random import Random

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulators.mailchimp import problems
from simulators.mailchimp.problems import Problem
from simulators.mailchimp.routes.call import PREFIX
from simulators.mailchimp.simulator import Simulator

_BLOCKED_PAGE = """<HTML><HEAD>
<TITLE>Access Denied</TITLE>
</HEAD><BODY>
<H1>Access Denied</H1>
You don't have permission to access this server.<P>
Reference #18.0
</BODY>
</HTML>
"""


class Envelope:
    """Gives each API request the id that its headers and its error body carry, and the simulator's time."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._clock = simulator.clock
        self._random = Random(simulator.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        instance = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        scope.setdefault("state", {})["instance"] = instance

        async def enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                headers["X-Request-Id"] = instance
                headers["Date"] = formatdate(self._clock(), usegmt=True)
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, enveloped)


class ConnectionLimit:
    """Counts the requests that are being answered and refuses those beyond the limit of the user.

    It also stands for the network in front of the vendor, which may refuse everybody.
    """

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        connections = self._simulator.connections
        connections.open += 1
        connections.most = max(connections.most, connections.open)
        try:
            if self._simulator.account.switches.edge_block != "off":
                await self._blocked()(scope, receive, send)
            elif connections.open > self._simulator.account.switches.connection_limit:
                connections.refused += 1
                await self._refusal(scope)(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            connections.open -= 1

    def _blocked(self) -> Response:
        """A page of the network in front of the vendor, which knows nothing of keys or JSON."""
        status = int(self._simulator.account.switches.edge_block)
        return HTMLResponse(_BLOCKED_PAGE, status)

    def _refusal(self, scope: Scope) -> Response:
        switches = self._simulator.account.switches
        if switches.connection_limit_answer == "json":
            return problems.too_many_connections(switches.connection_limit).response(
                scope["state"]["instance"]
            )
        return Response(status_code=429 if switches.connection_limit_answer == "empty_429" else 403)


class Credentials:
    """Lets nobody pass without the API key or a token, and answers the errors that a client asks for."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = problems.TRIGGERED.get(headers.get("x-trigger-error", "")) or self._complaint(headers)
        if problem is not None:
            await problem.response(scope["state"]["instance"])(scope, receive, send)
            return
        if scope["method"] == "POST" and "x-http-method-override" in headers:
            scope["method"] = headers["x-http-method-override"].upper()
        await self._app(scope, receive, send)

    def _complaint(self, headers: Headers) -> Problem | None:
        if self._simulator.account.switches.wrong_datacenter:
            return problems.wrong_datacenter()
        secret = _secret(headers.get("authorization", ""))
        if not secret:
            return problems.key_missing()
        account = self._simulator.account
        is_key = secret == account.api_key and account.switches.api_key_valid
        return None if is_key or secret in self._simulator.grants.tokens else problems.key_invalid()


def _secret(authorization: str) -> str:
    """The key or token of a header: Basic with any user name, Bearer, or the older OAuth."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() in {"bearer", "oauth", "apikey"}:
        return value.rpartition(" ")[2]
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
