"""Carries out requests of the API inside the simulator, for the operations of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.types import ASGIApp, Message, Scope

from simulators.common.request_log import UNKNOWN, LoggedRequest
from simulators.mailchimp.routes.call import PREFIX
from simulators.mailchimp.simulator import Simulator


class Inside:
    """A client without a network or credentials.

    Args:
        app: The application, behind its gate.
        simulator: Whose request log hears of what nobody knows.
    """

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self._app = app
        self._simulator = simulator

    async def perform(self, method: str, path: str, query: Mapping[str, Any], body: bytes) -> tuple[int, str]:
        """The status and the text of the answer to one request; the path is relative to `/3.0`."""
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": None,
            "method": method,
            "path": f"{PREFIX}/{unquote(path).lstrip('/')}",
            "query_string": urlencode(query).encode(),
            "headers": [],
            "state": {"instance": self._simulator.next_id(32, "operation")},
        }
        status, answer = 0, bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))

        await self._app(scope, receive, send)
        if UNKNOWN in scope:
            log = self._simulator.log
            query_text = urlencode(query)
            number = log.next_number()
            log.add(
                LoggedRequest(number, method, scope["path"], query_text, status, 0, unknown=scope[UNKNOWN])
            )
        return status, answer.decode()
