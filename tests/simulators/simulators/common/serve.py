"""Serves a simulator: in the foreground for a command, or in a thread for a test."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from simulators.common.connection import ResettableProtocol

Build = Callable[[str], tuple[ASGIApp, Mapping[str, Any]]]
"""Makes a simulator from the address it will be reached at: the app, and what a client needs to know."""


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that answers."""

    url: str
    """Scheme, host and port: `http://127.0.0.1:49152`."""
    hello: Mapping[str, Any]
    """What a client needs: `base_url`, `api_key` and so on."""


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def _server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=ResettableProtocol,
            log_level="warning",
            access_log=False,
            # A fault may skew the clock, so the simulators send this header themselves.
            date_header=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
    )


def serve_forever(build: Build, port: int) -> None:
    """Print what a client needs as one JSON line on stdout, then serve until SIGTERM or SIGINT.

    Args:
        build: Makes the app and its greeting.
        port: The port on 127.0.0.1; 0 lets the system choose.
    """
    with _listen(port) as listener:
        app, hello = build(f"http://127.0.0.1:{listener.getsockname()[1]}")
        sys.stdout.write(json.dumps(dict(hello)) + "\n")
        sys.stdout.flush()
        _server(app).run(sockets=[listener])


@contextlib.contextmanager
def serve_in_thread(build: Build) -> Iterator[RunningSimulator]:
    """Serve on a free port in a thread of this process, for the length of a `with` block."""
    with _listen(0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app, hello = build(url)
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield RunningSimulator(url, hello)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
