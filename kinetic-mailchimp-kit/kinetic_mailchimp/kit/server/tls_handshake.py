"""TLS handshakes that are counted as connections are, and end in time."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, ClassVar

from typing_extensions import override

from kinetic_mailchimp.kit.server import connections
from kinetic_mailchimp.kit.server.connections import Connections, Limits

SHUTDOWN_SECONDS = 2.0


class ServedConnection(asyncio.Protocol):
    """A connection that is served after its TLS handshake, and then counted in its place."""

    opened: ClassVar[Connections]
    handshake: Handshake | None = None


class Handshake(asyncio.Protocol):
    """A connection that was accepted and whose TLS handshake is not done.

    Args:
        protocol: Makes what serves the connection after its handshake.
        context: The certificate.
    """

    def __init__(self, protocol: Callable[[], ServedConnection], context: ssl.SSLContext) -> None:
        self._served = protocol()
        self._served.handshake = self
        self._context = context
        self._shaking: asyncio.Task[Any] | None = None
        self.client_host = ""

    @property
    def may_give_way(self) -> bool:
        """True while it goes on."""
        return self._shaking is not None and not self._shaking.cancelling()

    def is_late(self, now: float, limits: Limits) -> bool:  # noqa: ARG002 (those of requests)
        """False: the event loop itself ends it in time."""
        return False

    def refuse(self, status: int) -> None:  # noqa: ARG002 (no answer can be read before the handshake)
        """Close the connection."""
        if self._shaking is not None:
            self._shaking.cancel()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("peername")
        self.client_host = str(peer[0]) if peer else ""
        # The way to TLS for a socket of which nothing has been read yet; this transport would read at once.
        self._connection = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        transport.abort()
        loop = asyncio.get_running_loop()
        shaking = loop.connect_accepted_socket(
            lambda: self._served,
            self._connection,
            ssl=self._context,
            ssl_handshake_timeout=connections.HEAD_SECONDS,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
        self._shaking = loop.create_task(shaking)
        self._shaking.add_done_callback(self._end)
        self._served.opened.add(self)

    def _end(self, shaking: asyncio.Task[Any]) -> None:
        self._served.opened.remove(self)
        error = None if shaking.cancelled() else shaking.exception()
        if shaking.cancelled() or error:
            self._connection.close()
        if error and not isinstance(error, OSError):  # what a client does wrong is its own affair
            raise error
