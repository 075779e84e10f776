"""A local server that answers what a test scripts, and a clock that only moves when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class ScriptedServer:
    """Answers each request with the next of `answers`; the last one stays."""

    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)

    def answer(
        self,
        status: int = 200,
        body: bytes = b"{}",
        *,
        content_type: str = "application/json",
        cut: bool = False,
        drop: bool = False,
        **headers: str,
    ) -> None:
        """Add an answer; `cut` promises more bytes than come, `drop` closes without any."""
        self.answers.append(
            {
                "status": status,
                "body": body,
                "cut": cut,
                "drop": drop,
                "headers": {
                    "Content-Type": content_type,
                    **{name.replace("_", "-"): value for name, value in headers.items()},
                },
            }
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: ScriptedServer

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.script.seen.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "body": self.rfile.read(length),
            }
        )
        answers = self.script.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer["drop"]:
            self.close_connection = True
            return
        self.send_response(answer["status"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer["body"]) + (10 if answer["cut"] else 0)))
        self.end_headers()
        self.wfile.write(answer["body"])
        self.close_connection = self.close_connection or answer["cut"]

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 (names that the base class calls)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a failing test shows `seen`."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    script = ScriptedServer()
    handler = type("Handler", (_Handler,), {"script": script})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        script.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield script
        http.shutdown()
        thread.join()


class FakeClock:
    """Seconds that pass only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
