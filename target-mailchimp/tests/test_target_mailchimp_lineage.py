"""Runs are told to an OpenLineage collector, which costs none of them anything."""

from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

ANN = {"email_address": "ann@example.com", "FNAME": "Ann", "source_key": "1"}


class Collector(HTTPServer):
    """Keeps the events that it was sent."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.told: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, self.headers.get("Authorization", ""), event))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting(status: int = 201) -> Iterator[Collector]:
    with Collector(status) as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def test_a_run_is_told_from_its_start_to_its_end(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-one")
    with collecting() as collector:
        bench.run([ANN], openlineage_url=f"{collector.url}/", openlineage_api_key="a-key")
        for writes_nothing in ("dry_run", "reconcile"):
            bench.run([ANN], openlineage_url=collector.url, **{writes_nothing: True})
    assert {(path, key) for path, key, _ in collector.told} == {("/api/v1/lineage", "Bearer a-key")}
    started, ended = (event for _, _, event in collector.told)
    assert (started["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert started["run"] == ended["run"]
    assert uuid.UUID(started["run"]["runId"])
    assert parse_timestamp(started["eventTime"]) <= parse_timestamp(ended["eventTime"])
    assert started["job"] == {"namespace": "kinetic-mailchimp", "name": "prod:tap-one"}
    assert ended["inputs"] == [{"namespace": "epicor", "name": "customers"}]
    assert ended["outputs"] == [{"namespace": "mailchimp", "name": "members"}]
    assert ended["schemaURL"].endswith("/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
    assert "@example.com" not in json.dumps(collector.told)


def test_a_run_that_fails_is_told_as_failed(bench: Any) -> None:
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST"}, "effect": {"kind": "status", "status": 503}}]
    )
    with collecting() as collector, pytest.raises(ConnectorError):
        bench.run([ANN], openlineage_url=collector.url)
    assert [event["eventType"] for _, _, event in collector.told] == ["START", "FAIL"]


@pytest.mark.rule("R9")
@pytest.mark.parametrize("status", [0, 301, 401, 500])
def test_a_collector_that_is_away_or_refuses_costs_a_run_nothing(
    bench: Any, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with socket.socket() as unused, collecting(status) as collector:
        unused.bind(("127.0.0.1", 0))
        url = collector.url if status else f"http://127.0.0.1:{unused.getsockname()[1]}"
        [decided] = bench.run([ANN], openlineage_url=url, openlineage_api_key="a-secret-key")
    assert decided.action == "created"
    assert "OpenLineage was not told" in caplog.text
    assert "a-secret-key" not in caplog.text
    assert all(record.levelno <= logging.WARNING for record in caplog.records)


@pytest.mark.rule("R10")
def test_a_url_that_is_none_is_told_before_the_run_begins(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="`openlineage_url` is not a valid web address"):
        bench.run([ANN], openlineage_url="marquez")
