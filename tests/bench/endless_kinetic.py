"""A Kinetic with as many customers as one likes: rows are not stored but made as they are asked for."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from epicor_load import COLUMNS, COMPANY

CHANGED = "2026-01-01T00:00:00.000Z"
_TEXT = "as asked for"
_NUMBER = "1234567890"
"""Stands in the text of a row where its number belongs."""


@contextmanager
def endless_kinetic(hello: Mapping[str, Any], customers: int) -> Iterator[str]:
    """The address of a server that passes on what is no page of customers to a simulator.

    Args:
        hello: What the simulator told about itself.
        customers: How many it gives.
    """
    parts = urlsplit(hello["base_url"])
    origin = f"{parts.scheme}://{parts.netloc}"
    special = {"Company": COMPANY, "CustNum": int(_NUMBER), "CreditHold": False, "NoContact": False}
    one = json.dumps({name: special.get(name, _TEXT) for name in COLUMNS} | {"UpdatedOn": CHANGED})
    before, _, after = one.partition(_NUMBER)

    def page(query: Mapping[str, list[str]]) -> str:
        condition, top = query.get("$filter", [""])[0], int(query["$top"][0])
        order = query.get("$orderby", [""])[0]
        if "null" in condition and top == 1 and " ne " not in condition:
            numbers = range(0)
        elif order.endswith(" desc"):
            numbers = range(customers, customers + 1)
        else:
            lowest = [int(n) for n in re.findall(r"CustNum ge (\d+)", condition)]
            lowest += [int(n) + 1 for n in re.findall(r"CustNum gt (\d+)", condition)]
            highest = [int(n) for n in re.findall(r"CustNum le (\d+)", condition)]
            begin = max([1, *lowest])
            numbers = range(begin, min([customers, begin + top - 1, *highest]) + 1)
        return '{"value":[' + ",".join(f"{before}{number}{after}" for number in numbers) + "]}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path.endswith("/Customers"):
                body, kind = page(parse_qs(asked.query)).encode(), "application/json"
            else:
                passed = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = requests.get(origin + self.path, headers=passed, timeout=60)
                body, kind = answer.content, answer.headers["Content-Type"]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{parts.path}"
    finally:
        server.shutdown()
        server.server_close()
