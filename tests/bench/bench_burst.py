"""A burst of opt-outs while Epicor is down: each is answered in time, none is lost, none is written twice.

The mail of a campaign makes 3,000 people unsubscribe in three seconds; Epicor is down, and the reverse run is
started again each time that it has failed, as a schedule does. Ten minutes of it are scaled to seconds: what
waits does not change meanwhile. The floor of what follows is the time that Epicor takes for as many calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

from receiver_load import load, request
from sizing import SMOKE, size
from stage import RECEIVER_SECRET, PipelineError, Stage, borrow_plugins, set_stage

PEOPLE = size(3_000, 30, "BENCH_PEOPLE")
RATE = 1_000
DOWN_SECONDS = size(20, 1)
CALL_SECONDS = 0.05
CONCURRENCY = 2
IN_TIME_MS = 10_000.0
"""Mailchimp gives a delivery up after that."""
MOST_TIMES_THE_FLOOR = 2.0
START_SECONDS = 30.0
"""A run to start, and the longest pause between two attempts of a call."""


def unsubscribed(stage: Stage, addresses: list[str], number: int) -> bytes:
    fields = {
        "type": "unsubscribe",
        "fired_at": "2026-03-01 12:00:00",
        "data[action]": "unsub",
        "data[reason]": "manual",
        "data[list_id]": str(stage.mailchimp["list_id"]),
        "data[email]": addresses[number],
        "data[web_id]": str(number),
    }
    return request(urlencode(fields).encode(), f"/webhooks/mailchimp/{RECEIVER_SECRET}")


def epicor_takes(stage: Stage, **effect: object) -> None:
    stage.epicor_control("PUT", "/faults", json=[{"match": {"path": "/api/"}, "effect": effect}])


def fully_flagged(stage: Stage) -> set[str]:
    """The addresses of which every row is flagged."""
    tables = ("Customer", "CustCnt")
    rows = [row for table in tables for row in stage.epicor_control("GET", f"/tables/{table}")]
    open_ones = {row["EMailAddress"].lower() for row in rows if not row["NoContact"]}
    return {row["EMailAddress"].lower() for row in rows if row["NoContact"]} - open_ones


def plain_addresses(stage: Stage) -> list[str]:
    contacts = stage.epicor_control("GET", "/tables/CustCnt")
    found = {row["EMailAddress"].lower() for row in contacts if not row["NoContact"]}
    return sorted(text for text in found if text.count("@") == 1 and not set(text) & set(" <>;,:"))


def test_a_burst_while_epicor_is_down_reaches_every_row_once(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    borrow_plugins(plugins)
    with set_stage(tmp_path / "stage", customers=PEOPLE, receiver=False, plugins=plugins) as stage:
        stage.environment["TARGET_EPICOR_CONTACTS_CONCURRENCY"] = str(CONCURRENCY)
        stage.start_receiver()
        addresses = plain_addresses(stage)[:PEOPLE]
        epicor_takes(stage, kind="status", status=503)
        burst = load(
            stage.receiver_url,
            len(addresses),
            RATE,
            request_of=lambda number: unsubscribed(stage, addresses, number),
        )
        seen = asyncio.run(burst)
        down_until = time.monotonic() + DOWN_SECONDS
        failed_runs = 0
        while time.monotonic() < down_until:
            with contextlib.suppress(PipelineError):
                stage.reverse("down", "--no-install")
                raise AssertionError("a run succeeded while Epicor was down")
            failed_runs += 1
        epicor_takes(stage, kind="latency", seconds=CALL_SECONDS)
        began = time.perf_counter()
        stage.reverse("back", "--no-install")
        took = time.perf_counter() - began
        stage.reverse("again", "--no-install")
        requests = stage.epicor_control("GET", "/requests")
        answered = [call for call in requests if call["status"] // 100 == 2]
        writes = Counter(call["path"] for call in answered if call["method"] == "PATCH")
        reached = fully_flagged(stage)
    floor = len(answered) * CALL_SECONDS / CONCURRENCY
    print(
        f"\n{len(seen.accepted):,} opt-outs in {len(addresses) / RATE:.1f} s while Epicor is down: answered "
        f"after {seen.percentile(0.5):.0f} ms (p50), {seen.percentile(1):.0f} ms (longest); {failed_runs} "
        f"runs failed; once it is back, {len(writes):,} rows are flagged in {took:.1f} s, {took / floor:.2f} "
        f"times the floor of {len(answered):,} calls of {CALL_SECONDS * 1000:.0f} ms"
    )
    assert len(seen.accepted) == len(addresses)
    assert SMOKE or seen.percentile(1) < IN_TIME_MS
    assert set(addresses) <= reached
    assert set(writes.values()) == {1}
    assert SMOKE or took < MOST_TIMES_THE_FLOOR * floor + START_SECONDS
