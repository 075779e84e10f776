"""Every byte of a small run: a change of it is a change for every destination, and made on purpose."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.tap import TapEpicorKinetic

SNAPSHOT = Path(__file__).parent / "snapshots" / "small_run.jsonl"
COLUMNS = {
    "Company": {},
    "CustNum": {"$Type": "Edm.Int32"},
    "Name": {},
    "EMailAddress": {},
    "CreditLimit": {"$Type": "Edm.Decimal"},
    "EstDate": {"$Type": "Edm.DateTimeOffset"},
    "CustomerType": {},
    "Inactive": {"$Type": "Edm.Boolean"},
    "Region_c": {},
    "SysRevID": {"$Type": "Edm.Int64"},
    "SFPortalPassword": {},
}
METADATA = {
    "$EntityContainer": "Default.Container",
    "Erp": {"Customer": {"$Kind": "EntityType", "$Key": ["Company", "CustNum"], **COLUMNS}},
    "Default": {
        "Container": {
            "$Kind": "EntityContainer",
            "Customers": {"$Collection": True, "$Type": "Erp.Customer"},
        }
    },
}
ROWS: list[dict[str, Any]] = [
    {
        "Company": "EPIC06",
        "CustNum": 12,
        "Name": "Přííklad \u0026 Söhne",
        "EMailAddress": "A@example.com",
        "CreditLimit": 1000.5,
        "EstDate": "2024-06-10T00:00:00-05:00",
        "Inactive": False,
        "Region_c": "",
        # Some versions write 64-bit numbers as text.
        "SysRevID": "3493456999",
    },
    {
        "Company": "EPIC06",
        "CustNum": 7,
        "Name": "Sample Ltd",
        "EMailAddress": "",
        "CreditLimit": 0,
        "EstDate": None,
        "Inactive": True,
        "Region_c": None,
        "SysRevID": "3493457000",
    },
]


class Kinetic(BaseHTTPRequestHandler):
    """Two customers, and nothing else that could be read."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path.endswith("Erp.BO.CustomerSvc/$metadata"):
            self._send(200, METADATA)
        elif not parts.path.endswith("/Customers"):
            self._send(404, {"ErrorMessage": "Resource not found for the segment 'Other'."})
        elif query["$orderby"] == ["SysRevID desc"]:
            self._send(200, {"value": [{"SysRevID": ROWS[-1]["SysRevID"]}]})
        else:
            is_next = "SysRevID gt 3493457000" in query["$filter"][0]
            self._send(200, {"value": [] if is_next else ROWS})

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kinetic)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/erp"
    server.shutdown()
    thread.join()
    server.server_close()


@time_machine.travel("2026-01-31T12:00:00Z", tick=False)
def test_the_bytes_of_a_small_run(address: str) -> None:
    config = {
        "base_url": address,
        "companies": ["EPIC06"],
        "api_key": "made-up-key",
        "auth_method": "api_key",
        "inactive_customers": "flag",
    }
    catalog = TapEpicorKinetic(config=config).catalog_dict
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = entry["tap_stream_id"] == "customers"
    output = io.BytesIO()
    tap = TapEpicorKinetic(config=config, catalog=catalog, message_writer=BlockWriter(output))
    tap.sync_all()
    tap.client.close()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_bytes(output.getvalue())
    assert output.getvalue().decode().splitlines() == SNAPSHOT.read_text(encoding="utf-8").splitlines()
