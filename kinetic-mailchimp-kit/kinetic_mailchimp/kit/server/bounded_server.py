"""Bounds on connections, heads and time, so that no client of a web server keeps others waiting.

Needs the extra `server`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import responses
from typing import Any

import httptools
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.server.connections import Connections, Limits
from kinetic_mailchimp.kit.server.tls_handshake import Handshake, ServedConnection

LARGEST_HEAD = 32_768
"""Bytes of a request line and its headers. Mailchimp and a proxy need some 1,000."""
MOST_HEADERS = 100
MOST_DISCARDED = 1_048_576
"""Bytes of a body that are read after its answer, so that the sender finds it."""

_request_logger = logging.getLogger(f"{__name__}.requests")
_request_logger.setLevel(logging.ERROR)  # a line for each malformed request would let anybody fill the disk


class BoundedProtocol(HttpToolsProtocol, ServedConnection):
    """uvicorn's connection, within the bounds of `opened`, which a subclass brings."""

    @property
    def client_host(self) -> str:
        """The address at the other end."""
        return self.client[0] if self.client else ""

    @property
    def may_give_way(self) -> bool:
        """True for a connection without a whole request that waits for its answer."""
        is_at_work = self._began is None and self.cycle is not None and not self.cycle.response_complete
        return not (is_at_work or self.transport.is_closing())

    def is_late(self, now: float, limits: Limits) -> bool:
        """True if a request has begun too long ago and is not whole."""
        if self._began is None:
            return False
        return now - self._began > (limits.head_seconds if self._is_in_head else limits.request_seconds)

    def refuse(self, status: int) -> None:
        """Answer with a status and close."""
        if self.transport.is_closing():
            return
        self._stop_answering()
        head = f"HTTP/1.1 {status} {responses[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()

    def _stop_answering(self) -> None:
        """Let a request at work end without an answer: what it wrote to a closed connection were an error."""
        if self._running is not None:
            self._running.disconnected = True

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.logger = _request_logger
        self._began: float | None = time.monotonic()
        self._running: RequestResponseCycle | None = None
        self._is_in_head = True
        self._is_moving = False
        self._offers_upgrade = False
        self._head_bytes = self._unread_bytes = self._discarded_bytes = 0
        if self.handshake is not None:
            self.opened.remove(self.handshake)
        self.opened.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.opened.remove(self)
        self._stop_answering()  # with pipelined requests, uvicorn tells only the newest
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._began is None:
            self._began = time.monotonic()
        if self.transport.is_closing():
            return
        self._is_moving = False
        self._received = data
        super().data_received(data)
        if not self._is_moving:
            # A header, a trailer or the size of a chunk that does not end reaches no callback, and is kept by
            # the parser.
            self._unread_bytes += len(data)
            if self._unread_bytes > LARGEST_HEAD:
                self.refuse(431)

    @override
    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._head_bytes = self._unread_bytes = self._discarded_bytes = 0
        super().on_message_begin()

    @override
    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > LARGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._check_head()
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._check_head()
        self._offers_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._offers_upgrade:
            self._is_in_head = False
            super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._is_moving = True
        self._unread_bytes = 0
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > MOST_DISCARDED:
                self.transport.close()
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            return
        self._began = None
        self._is_moving = True
        super().on_message_complete()

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Read a request that offers another protocol again, without the offer.

        The parser takes what follows such a head for the other protocol: the body would be lost, and an empty
        one be answered as stored.
        """
        upgrade = sys.exc_info()[1]
        if not (self._offers_upgrade and upgrade):
            return
        rest = self._received[upgrade.args[0] :]
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        kept = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"\r\n".join([b"%s %s HTTP/%s" % (method, self.url, version), *kept, b"", b""])
        self.parser = httptools.HttpRequestParser(self)
        with suppress(AttributeError):  # httptools before 0.6.3
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + rest)

    @override
    def send_400_response(self, msg: str) -> None:
        if self._is_head_too_large():
            self.refuse(431)
        elif not self.transport.is_closing():
            self._stop_answering()
            super().send_400_response(msg)

    def _check_head(self) -> None:
        if self._is_head_too_large():
            raise ValueError("the head of a request is too large")  # the parser makes it one of its errors

    def _is_head_too_large(self) -> bool:
        return self._head_bytes > LARGEST_HEAD or len(self.headers or ()) > MOST_HEADERS


def bounded_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol of a server with some bounds."""
    members: dict[str, Any] = {"opened": Connections(limits)}
    return type("ServerProtocol", (BoundedProtocol,), members)


class BoundedServer(uvicorn.Server):
    """uvicorn's server, with bounds on TLS handshakes too: asyncio gives each a minute, and counts none.

    Args:
        prefix: Begins the variables of its options, for a message about them.
    """

    def __init__(self, config: uvicorn.Config, prefix: str = "") -> None:
        super().__init__(config)
        self._prefix = prefix

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop: Any = asyncio.get_running_loop()
        create_server = loop.create_server

        async def create(protocol: Callable[[], BoundedProtocol], **options: Any) -> Any:  # noqa: ANN401 (the loop's)
            if context := self.config.ssl:
                protocol = partial(Handshake, protocol, context)  # type: ignore[assignment]
            try:
                return await create_server(protocol, **{**options, "ssl": None})
            except OSError as error:  # which uvicorn would log as it is, and end with a status of its own
                raise self._cannot_listen(error) from error

        loop.create_server = create
        try:
            await super().startup(sockets)
        except ConfigurationError:
            await self.lifespan.shutdown()
            raise

    def _cannot_listen(self, error: OSError) -> ConfigurationError:
        host, port = self.config.host, self.config.port
        if error.errno == errno.EADDRINUSE:
            return ConfigurationError(
                f"Port {port} of {host} is taken: another program listens there, or this one already.",
                advice=f"Stop it, or name another port in --port or {self._prefix}_PORT.",
            )
        if error.errno == errno.EACCES:
            return ConfigurationError(
                f"This user may not listen on port {port}.",
                advice=f"Name one from 1024 on in --port or {self._prefix}_PORT; a proxy takes those below.",
            )
        return ConfigurationError(
            f"{host} is not an address of this machine to listen on.",
            advice=f"Name one in --host or {self._prefix}_HOST, such as 127.0.0.1.",
        )


def serve(app: Any, limits: Limits, *, prefix: str, **options: Any) -> None:  # noqa: ANN401 (an ASGI application; uvicorn's)
    """Serve an application until the process is told to end.

    No access log is kept: its lines would hold path secrets, and who was looked up.

    Args:
        app: The application.
        limits: Bounds on its clients.
        prefix: Begins the variables of its options.
        **options: Those of `uvicorn.Config`, such as `host` and `port`.

    Raises:
        ConfigurationError: It cannot listen there.
    """
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,
        **options,
    )
    server = BoundedServer(config, prefix)
    # After its graceful end uvicorn raises the signal again; a stop that was asked for must be a success.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)
