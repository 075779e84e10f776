"""Stands between a reader and the simulator, and edits a customer after each page: people go on working."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from simulators.epicor.testing import EpicorControl

COMPANY = "EPIC06"


class Edits:
    """Edits one row for each page: of those that were read already, or any."""

    def __init__(self, control: EpicorControl, numbers: list[int], *, of_read: bool) -> None:
        self._control = control
        self._numbers = numbers
        self._of_read = of_read
        self._dice = random.Random(13)
        self._read: list[int] = []
        self._lock = threading.Lock()
        self.made = 0
        self.is_on = True

    def after_page(self, rows: list[dict[str, object]]) -> None:
        with self._lock:
            self._read.extend(int(str(row["CustNum"])) for row in rows)
            if not self.is_on or not self._read:
                return
            number = self._dice.choice(self._read if self._of_read else self._numbers)
            self.made += 1
            self._control.edit(
                "Customer", {"Company": COMPANY, "CustNum": number}, Name=f"Edited {self.made}"
            )


@contextmanager
def editing_proxy(base_url: str, edits: Edits) -> Iterator[str]:
    """The address to read from instead of the simulator's."""
    parts = urlsplit(base_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    session = requests.Session()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            passed = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = session.get(origin + self.path, headers=passed, timeout=60)
            page = urlsplit(self.path)
            top = int(parse_qs(page.query).get("$top", ["0"])[0])
            if answer.ok and top > 1 and page.path.endswith("/Customers"):
                edits.after_page(answer.json()["value"])
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Date"):
                if name in answer.headers and name != "Date":
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{parts.path}"
    finally:
        server.shutdown()
        server.server_close()
        session.close()
