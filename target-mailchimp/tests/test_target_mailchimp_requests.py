"""Every request that writes has the form that the vendor's reference describes, from a table of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it publishes no types
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.transport import Transport

_STATUS = {"enum": ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]}
_COMMON = {
    "email_address": {"type": "string", "minLength": 3},
    "email_type": {"enum": ["html", "text"]},
    "status": _STATUS,
    "merge_fields": {
        "type": "object",
        "additionalProperties": {"type": ["object", "string", "number", "boolean"]},
    },
    "interests": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "language": {"type": "string"},
    "vip": {"type": "boolean"},
    "location": {"type": "object", "required": ["latitude", "longitude"]},
    "ip_signup": {"type": "string"},
    "timestamp_signup": {"type": "string"},
    "ip_opt": {"type": "string"},
    "timestamp_opt": {"type": "string"},
}
_TAGS = {"tags": {"type": "array", "items": {"type": "string"}}}
_PERMISSIONS = {
    "marketing_permissions": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["marketing_permission_id", "enabled"],
            "additionalProperties": False,
            "properties": {"marketing_permission_id": {"type": "string"}, "enabled": {"type": "boolean"}},
        },
    }
}


def _object(properties: Mapping[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


_TAG_CHANGE = _object(
    {"name": {"type": "string"}, "status": {"enum": ["active", "inactive"]}}, "name", "status"
)
_ITEM = _object(
    {**_COMMON, **_TAGS, "status_if_new": _STATUS},
    "email_address",
    anyOf=[{"required": ["status"]}, {"required": ["status_if_new"]}],
)
REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", r"/lists/\w+"): _object(
        {
            "members": {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": 500},
            "update_existing": {"type": "boolean"},
            "sync_tags": {"type": "boolean"},
        },
        "members",
    ),
    ("PUT", r"/lists/\w+/members/\w+"): _object(
        {**_COMMON, **_PERMISSIONS, **_TAGS, "status_if_new": _STATUS}, "email_address", "status_if_new"
    ),
    ("PATCH", r"/lists/\w+/members/\w+"): _object({**_COMMON, **_PERMISSIONS}),
    ("POST", r"/lists/\w+/members/\w+/tags"): _object(
        {
            "tags": {
                "type": "array",
                "items": _TAG_CHANGE,
            },
            "is_syncing": {"type": "boolean"},
        },
        "tags",
    ),
    ("POST", r"/lists/\w+/merge-fields"): _object(
        {
            "tag": {"type": "string", "maxLength": 10, "pattern": "^[A-Z][A-Z0-9_]*$"},
            "name": {"type": "string", "minLength": 1},
            "type": {
                "enum": [
                    "text", "number", "address", "phone", "date", "url",
                    "imageurl", "radio", "dropdown", "birthday", "zip",
                ]
            },
            "options": {"type": "object"},
        },
        "name",
        "type",
    ),
}  # fmt: skip


def complaints(request: Request) -> list[str]:
    """What is wrong with a request that writes, by the table."""
    if request.json is None:
        return []
    path = re.sub(r"^.*/3\.0", "", request.url)
    schema = next(
        (
            schema
            for (method, form), schema in REQUESTS.items()
            if method == request.method and re.fullmatch(form, path)
        ),
        None,
    )
    if schema is None:
        return [f"{request.method} {path} is not in the table"]
    errors = Draft202012Validator(schema).iter_errors(request.json)
    return [f"{request.method} {path}: {error.message}" for error in errors]


@pytest.mark.parametrize("single", [False, True])
def test_every_request_has_the_form_that_the_vendor_describes(
    bench: Any, single_call_target: Any, monkeypatch: pytest.MonkeyPatch, *, single: bool
) -> None:
    sent: list[Request] = []
    real = Transport.send

    def watched(self: Transport, request: Request) -> Answer:
        sent.append(request)
        return real(self, request)

    monkeypatch.setattr(Transport, "send", watched)
    if single:
        bench.target_class = single_call_target
    properties = {"SINCE": {"format": "date"}, "SIZE": {"enum": ["S", "L"]}, "BALANCE": {"type": "number"}}
    schema = {"type": "SCHEMA", "stream": "c", "schema": {"properties": properties}, "key_properties": []}
    record = {
        "email_address": "a@example.com",
        "SINCE": "2026-01-01",
        "SIZE": "s",
        "BALANCE": "1.5",
        "FNAME": True,
        "ADDRESS": {"addr1": "a", "city": "c", "state": "s", "zip": 1},
        "vip": "true",
        "language": "de",
        "tags": ["One"],
        "location": {"latitude": "1.5", "longitude": 2, "timezone": "x"},
        "source_key": "1",
    }
    for changes, options in (
        ({}, {}),
        ({"FNAME": "", "tags": ["Two"]}, {"tags": "replace"}),
        ({"email_address": "b@example.com"}, {}),
        ({"email_address": "b@example.com", "status": "unsubscribed"}, {}),
        ({"email_address": "b@example.com", "source_active": False}, {"inactive_action": "tag"}),
        ({"email_address": "b@example.com", "source_active": False}, {"inactive_action": "archive"}),
    ):
        line = {"type": "RECORD", "stream": "c", "record": {**record, **changes}}
        bench.run_messages([schema, line], create_merge_fields=True, **options)
    assert [complaint for request in sent for complaint in complaints(request)] == []
    assert {request.method for request in sent} >= {"GET", "POST", "PATCH", "DELETE"}


def test_what_only_shows_or_directs_changes_no_byte_that_is_written(
    start_bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[tuple[str, str, Any]] = []
    send = Transport.send

    def noting(self: Transport, request: Request) -> Answer:
        if request.method != "GET" and "lineage" not in request.url:
            written.append((request.method, request.url.partition("/3.0")[2], request.json))
        return send(self, request)

    monkeypatch.setattr(Transport, "send", noting)
    person = {"email_address": "ann@example.com", "FNAME": "Ann", "source_key": "Customer EPIC06/1"}

    def written_with(*properties: str) -> list[tuple[str, str, Any]]:
        written.clear()
        bench = start_bench()
        bench.database_url = f"sqlite:///{tmp_path / '-'.join(['audit', *properties])}"
        main = bench.mailchimp.list_id
        settings = {
            "audiences_by_company": {"EPIC06": [main]},
            "opt_outs_count_in": {main: []},
            "openlineage_url": "http://127.0.0.1:9",
        }
        given = {name: settings[name] for name in properties}
        for record in (person, {**person, "FNAME": "Anna"}, {**person, "status": "unsubscribed"}):
            bench.run([record], **given)
        return list(written)

    plain = written_with()
    assert len(plain) == 3
    assert written_with("openlineage_url") == plain
    assert written_with("audiences_by_company") == plain
    assert written_with("audiences_by_company", "opt_outs_count_in") == plain
