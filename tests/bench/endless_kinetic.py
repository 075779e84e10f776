"""A Kinetic with as many customers and orders as one likes: rows are not stored but made when asked for."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from epicor_load import COLUMNS, COMPANY

CHANGED = "2026-01-01T00:00:00.000Z"
LINES = 4
"""Of an order."""
_TEXT = "as asked for"
_NUMBER = "1234567890"
"""Stands in the text of a row where its number belongs."""
_BUYER = "1234567899"
"""Stands there for the customer of an order."""
_LINE_COLUMNS = ("ProdCode", *(f"Column{number}" for number in range(250)))
"""The base product has hundreds in a line, which come where none is chosen."""

Query = Mapping[str, list[str]]


@contextmanager
def endless_kinetic(hello: Mapping[str, Any], customers: int, orders: int = 0) -> Iterator[str]:
    """The address of a server that passes on what is no page of customers or orders to a simulator.

    Args:
        hello: What the simulator told about itself.
        customers: How many it gives.
        orders: How many, of these customers in turns.
    """
    parts = urlsplit(hello["base_url"])
    origin = f"{parts.scheme}://{parts.netloc}"
    special = {"Company": COMPANY, "CustNum": int(_NUMBER), "CreditHold": False, "NoContact": False}
    one = json.dumps({name: special.get(name, _TEXT) for name in COLUMNS} | {"UpdatedOn": CHANGED})

    def customer(_: Query) -> Callable[[int], str]:
        return lambda number: one.replace(_NUMBER, str(number))

    def order(query: Query) -> Callable[[int], str]:
        chosen = re.search(r"OrderDtls\(\$select=([^)]*)\)", query.get("$expand", [""])[0])
        names = chosen[1].split(",") if chosen else _LINE_COLUMNS
        line = dict.fromkeys(names, _TEXT)
        text = json.dumps(
            {"Company": COMPANY, "OrderNum": int(_NUMBER), "CustNum": int(_BUYER), "VoidOrder": False}
            | {"OrderDate": CHANGED, "OrderAmt": 100.5, "UpdatedOn": CHANGED}
            | {"OrderDtls": [line | {"ProdCode": f"Group {place}"} for place in range(LINES)]}
        )
        return lambda number: text.replace(_NUMBER, str(number)).replace(_BUYER, str(number % customers + 1))

    sets = {"Customers": ("CustNum", customers, customer), "SalesOrders": ("OrderNum", orders, order)}

    def page(query: Query, key: str, most: int, row_of: Callable[[Query], Callable[[int], str]]) -> str:
        condition, top = query.get("$filter", [""])[0], int(query["$top"][0])
        ordering = query.get("$orderby", [""])[0]
        if "null" in condition and top == 1 and " ne " not in condition:
            numbers = range(0)
        elif ordering.endswith(" desc"):
            numbers = range(most, most + 1)
        else:
            lowest = [int(n) for n in re.findall(rf"{key} ge (\d+)", condition)]
            lowest += [int(n) + 1 for n in re.findall(rf"{key} gt (\d+)", condition)]
            highest = [int(n) for n in re.findall(rf"{key} le (\d+)", condition)]
            begin = max([1, *lowest])
            numbers = range(begin, min([most, begin + top - 1, *highest]) + 1)
        return '{"value":[' + ",".join(map(row_of(query), numbers)) + "]}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            found = sets.get(asked.path.rpartition("/")[2])
            if found:
                body, kind = page(parse_qs(asked.query), *found).encode(), "application/json"
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
