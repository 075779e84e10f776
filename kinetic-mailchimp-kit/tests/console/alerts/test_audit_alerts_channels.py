"""Services that answer a message with more than the memory holds, or without an end."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests.sessions
from kinetic_mailchimp.console.alerts import channels
from kinetic_mailchimp.console.alerts.channels import open_channels
from kinetic_mailchimp.console.alerts.messages import Message

# Of apprise.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Message(title="A run failed", body="See the trail.", is_good=False)
BOMB = gzip.compress(bytes(50 * 2**20))


@contextmanager
def service(answer: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            if answer == "bomb":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                self.wfile.write(BOMB if answer == "bomb" else b"ok")
                while answer == "endless":
                    self.wfile.write(bytes(65_536))
            except OSError:
                pass  # hung up, as it should

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_mail_server_that_drips_keeps_no_alert_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "PATIENCE_SECONDS", 0.5)
    is_over = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                while not is_over.wait(0.05):
                    connection.sendall(b"220-wait\r\n")  # a line of a greeting that goes on

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=drip, daemon=True)
        server.start()
        port = listening.getsockname()[1]
        [channel] = open_channels([f"mailto://user:word@example.com:{port}?to=a@example.com&smtp=127.0.0.1"])
        assert channel.send(MESSAGE) is False
        is_over.set()
        server.join()
    for thread in threading.enumerate():
        if thread.name == "alert":
            thread.join()


@pytest.mark.parametrize(("answer", "is_sent"), [("short", True), ("bomb", False), ("endless", False)])
def test_the_answer_to_a_message_has_bounds(answer: str, is_sent: bool) -> None:
    before = requests.sessions.HTTPAdapter
    with service(answer) as url:
        [channel] = open_channels([url])
        assert channel.send(MESSAGE) is is_sent
    assert requests.sessions.HTTPAdapter is before
