"""A bookmark that lies beyond everything on the server must not silence a stream for ever."""

from __future__ import annotations

from typing import Any

import pytest

FUTURE = "2099-01-31T00:00:00Z"
BEYOND = {"stock": 10**12, "updated-on": FUTURE}


def numbers(result: Any) -> set[int]:
    return {row["CustNum"] for row in result.records()}


@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_a_bookmark_beyond_the_server_reads_the_stream_from_the_start(
    start_epicor: Any, runner: Any, caplog: pytest.LogCaptureFixture, profile: str
) -> None:
    epicor = start_epicor(customers=40, profile=profile)
    tap = runner(epicor)
    whole = tap.run("customers")
    state = whole.state
    whole.bookmark()["replication_key_value"] = BEYOND[profile]
    caplog.clear()
    again = tap.run("customers", state=state)
    assert numbers(again) == numbers(whole)
    assert "after a restored database" in caplog.text
    changed = min(numbers(whole))
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": changed}, Name="Renamed Ltd")
    assert "Renamed Ltd" in {row["Name"] for row in tap.run("customers", state=again.state).records()}


def test_an_interrupted_scan_towards_a_revision_that_is_gone_begins_again(
    start_epicor: Any, runner: Any
) -> None:
    tap = runner(start_epicor(customers=80, profile="stock"))
    whole = tap.run("customers")
    cut = tap.run("customers", states=1, page_size=10)
    cut.bookmark()["unfinished"]["through"] = BEYOND["stock"]
    resumed = tap.run("customers", state=cut.state)
    assert numbers(resumed) == numbers(whole)
    assert resumed.bookmark()["replication_key_value"] == whole.bookmark()["replication_key_value"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_row_stamped_in_the_future_does_not_hide_what_changes_now(
    start_epicor: Any, runner: Any, concurrency: int
) -> None:
    epicor = start_epicor(customers=80)
    tap = runner(epicor)
    how = {"page_size": 10, "concurrency": concurrency, "cursors": {"customers": "EstDate"}}
    odd, changed = sorted(numbers(tap.run("customers")))[:2]
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": odd}, EstDate=FUTURE)
    first = tap.run("customers", **how)
    assert {row["EstDate"][:4] for row in first.records() if row["CustNum"] == odd} == {"2099"}
    assert first.bookmark()["replication_key_value"] < "2099"
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": changed}, EstDate="2026-02-20T00:00:00Z")
    second = tap.run("customers", state=first.state, **how)
    assert {odd, changed} <= numbers(second)
    assert len(second.records()) < len(first.records())


def test_a_deleted_newest_row_within_the_overlap_changes_nothing(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=40, profile="stock")
    tap = runner(epicor)
    changed = min(numbers(tap.run("customers")))
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": changed}, Name="Renamed Ltd")
    first = tap.run("customers")
    epicor.control.delete("Customer", {"Company": "EPIC06", "CustNum": changed})
    second = tap.run("customers", state=first.state, overlap_revisions=5)
    assert len(second.records()) < len(first.records()) - 1
    assert second.bookmark()["replication_key_value"] == first.bookmark()["replication_key_value"]
