"""Asynchronous batches: operations, their results in an archive, and limits."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
import requests
from simulators.mailchimp.batches import STAGES
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "ada@example.com"


def finished(api: PlainClient, batch: dict[str, Any]) -> dict[str, Any]:
    for _ in range(1000):
        shown: dict[str, Any] = api.get(f"/batches/{batch['id']}").json()
        if shown["status"] == STAGES[-1]:
            return shown
    raise AssertionError(f"The batch is still {shown['status']}.")


def results(batch: dict[str, Any]) -> dict[str, Any]:
    packed = requests.get(batch["response_body_url"], timeout=120).content
    found: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for entry in archive.getmembers():
            content = archive.extractfile(entry)
            assert content is not None
            found |= {result["operation_id"]: result for result in json.load(content)}
    return found


def test_operations_are_carried_out_and_answered(api: PlainClient) -> None:
    path = member_path(EMAIL).replace("{list}", api.list_id)
    body = json.dumps({"email_address": EMAIL, "status_if_new": "subscribed"})
    operations = [
        {"method": "PUT", "path": path, "operation_id": "put", "body": body},
        {"method": "GET", "path": path, "operation_id": "get", "params": {"fields": "status"}},
        {"method": "PATCH", "path": path, "operation_id": "bad", "body": '{"status": "happy"}'},
    ]
    submitted = api.post("/batches", {"operations": operations}).json()
    assert submitted["status"] in STAGES
    batch = finished(api, submitted)
    counts = ("total_operations", "finished_operations", "errored_operations")
    assert [batch[name] for name in counts] == [3, 3, 1]
    assert batch["completed_at"] >= batch["submitted_at"]
    found = results(batch)
    assert {name: result["status_code"] for name, result in found.items()} == {
        "put": 200,
        "get": 200,
        "bad": 400,
    }
    assert json.loads(found["get"]["response"]) == {"status": "subscribed"}
    assert json.loads(found["bad"]["response"])["title"] == "Invalid Resource"
    assert api.get("/batches").json()["total_items"] == 1


def test_the_link_to_the_results_ages(api: PlainClient) -> None:
    batch = finished(api, api.post("/batches", {"operations": [{"method": "GET", "path": "/ping"}]}).json())
    api.control.advance_clock(601)
    assert requests.get(batch["response_body_url"], timeout=120).status_code == 403
    assert len(results(api.get(f"/batches/{batch['id']}").json())) == 1
    assert api.delete(f"/batches/{batch['id']}").status_code == 204
    assert api.get(f"/batches/{batch['id']}").status_code == 404


@pytest.mark.parametrize(
    "operation",
    [
        {"path": "/ping"},
        {"method": "GET"},
        {"method": "LOOK", "path": "/ping"},
        {"method": "POST", "path": "/lists", "body": {"members": []}},
        "GET /ping",
    ],
)
def test_operations_of_the_wrong_shape_are_refused(api: PlainClient, operation: Any) -> None:
    assert api.post("/batches", {"operations": [operation]}).status_code == 400


def test_too_many_unfinished_batches_are_refused(api: PlainClient) -> None:
    api.control.switch(pending_batch_limit=1, batch_seconds=3600.0)
    body = {"operations": [{"method": "GET", "path": "/ping"}]}
    first = api.post("/batches", body)
    assert (first.status_code, first.json()["status"]) == (200, "pending")
    assert api.post("/batches", body).status_code == 429


def test_an_operation_that_nobody_knows_is_remembered(api: PlainClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.allows_unknown = True
    body = {"operations": [{"method": "GET", "path": "/nonsense", "operation_id": "x"}]}
    batch = finished(api, api.post("/batches", body).json())
    assert results(batch)["x"]["status_code"] == 404
    assert [entry["path"] for entry in api.control.unknown_requests()] == ["/3.0/nonsense"]
