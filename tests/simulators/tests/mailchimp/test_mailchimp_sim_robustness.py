"""Whatever is sent, the simulator answers as the vendor would and never breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulators.mailchimp.merge_fields import TYPES
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp

EMAIL = "ada@example.com"
TAGS = [
    "FNAME", "ADDRESS", "PHONE", "COMPANY", "CREDIT", "SINCE", "BIRTHDAY",
    "POSTCODE", "WEBSITE", "LOGO", "TIER", "SIZE", "MOBILE", "NOSUCH",
]  # fmt: skip

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ADDRESS = st.dictionaries(st.sampled_from(["addr1", "city", "state", "zip", "country", "x"]), SCALARS)
PROBABLE: Mapping[str, st.SearchStrategy[Any]] = {
    "email_address": st.emails() | st.just(EMAIL) | st.just("Ada@EXAMPLE.com"),
    "status": st.sampled_from(["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]),
    "status_if_new": st.sampled_from(["subscribed", "pending"]),
    "merge_fields": st.dictionaries(st.sampled_from(TAGS), SCALARS | ADDRESS),
    "interests": st.dictionaries(st.text(max_size=5), st.booleans()),
    "tags": st.lists(st.text(max_size=5)),
    "location": st.dictionaries(st.sampled_from(["latitude", "longitude"]), NUMBERS),
    "marketing_permissions": st.lists(
        st.fixed_dictionaries({"marketing_permission_id": st.text(max_size=5), "enabled": st.booleans()})
    ),
    "timestamp_opt": st.datetimes().map(str) | st.text(max_size=30),
    "ip_signup": st.ip_addresses().map(str),
    "vip": st.booleans(),
}
BODIES = st.fixed_dictionaries(
    {}, optional={name: likely | JSON for name, likely in PROBABLE.items()}
)  # fmt: skip

relaxed = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(answer: requests.Response) -> None:
    assert answer.status_code in (200, 204, 400, 404, 405), answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert {"title", "status", "detail", "instance"} <= set(answer.json())


@relaxed
@given(body=BODIES, method=st.sampled_from(["PUT", "PATCH"]))
def test_any_body_for_a_member(api: PlainClient, mailchimp: RunningMailchimp, body: Any, method: str) -> None:
    check(api.call(method, member_path(EMAIL, mailchimp.lists["Events"]), body))


@relaxed
@given(items=st.lists(BODIES | JSON, max_size=4), sync=st.booleans())
def test_any_items_for_a_batch(
    api: PlainClient, mailchimp: RunningMailchimp, items: list[Any], *, sync: bool
) -> None:
    answer = api.batch(*items, list_id=mailchimp.lists["Events"], sync_tags=sync)
    check(answer)
    if answer.status_code == 200:
        body = answer.json()
        assert body["total_created"] + body["total_updated"] + body["error_count"] == len(items)


@relaxed
@given(
    body=st.fixed_dictionaries(
        {"name": JSON, "type": st.sampled_from(sorted(TYPES)) | JSON},
        optional={"tag": st.text(max_size=12) | JSON, "options": JSON, "required": JSON},
    )
)
def test_any_body_for_a_merge_field(api: PlainClient, body: Any) -> None:
    made = api.post("/lists/{list}/merge-fields", body)
    check(made)
    if made.status_code == 200:
        values = {made.json()["tag"]: "x"}
        check(api.upsert(EMAIL, merge_fields=values))
        check(api.delete(f"/lists/{{list}}/merge-fields/{made.json()['merge_id']}"))


@relaxed
@given(body=JSON)
@pytest.mark.parametrize(
    "path",
    [
        "/lists/{list}",
        "/lists/{list}/members",
        "/lists/{list}/webhooks",
        "/lists/{list}/interest-categories",
        "/batches",
    ],
)
def test_any_json_for_any_path(api: PlainClient, path: str, body: Any) -> None:
    check(api.post(path, body))


FAULTS: list[dict[str, Any]] = [
    {"kind": "truncate"},
    {"kind": "slow_body", "distribution": "fixed", "seconds": 0.01, "chunks": 4},
    {"kind": "maintenance", "status": 503},
]


@pytest.mark.parametrize("effect", FAULTS, ids=[fault["kind"] for fault in FAULTS])
def test_faults_strike_the_api_and_spare_the_control_api(api: PlainClient, effect: dict[str, Any]) -> None:
    api.control.set_faults([{"name": "it", "effect": effect}])
    answer = api.get("/ping")
    whole = b'{"health_status":"Everything\'s Chimpy!"}'
    if effect["kind"] == "maintenance":
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html")
    else:
        assert (answer.content == whole) is (effect["kind"] == "slow_body")
        assert whole.startswith(answer.content)
    assert api.control.faults()["struck"] == {"it": 1}
    assert [entry["faults"] for entry in api.control.requests()] == [["it"]]
    api.control.clear_faults()
    assert api.get("/ping").content == whole
