"""Lets an application cut its own connection, as a network or a gateway would."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TRANSPORT = "simulators.transport"
"""The key in `scope["extensions"]` under which the connection's transport is found."""

_SEND_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class ResettableProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose applications find the transport of their connection in the scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # starlette and uvicorn name the same types apart.
        served: Any = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            extensions: MutableMapping[str, Any] = scope.setdefault("extensions", {})
            extensions[TRANSPORT] = transport
            await served(scope, receive, send)

        self.app = with_transport


def reset_connection(scope: Scope) -> None:
    """Drop the connection of a request so that the client sees "connection reset by peer".

    Raises:
        RuntimeError: The server was not started with `ResettableProtocol`.
    """
    transport = (scope.get("extensions") or {}).get(TRANSPORT)
    if transport is None:
        raise RuntimeError("No transport in the scope: serve this application with ResettableProtocol.")
    connection = transport.get_extra_info("socket")
    # Closing with a linger time of zero sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _SEND_RST_ON_CLOSE)
    transport.abort()
