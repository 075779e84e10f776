"""A bookmark that lies beyond everything on the server must not silence a stream for ever."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.epicor.row_values import TIMESTAMP
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.call import Answer
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.cursor import Cursor

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


def test_a_server_that_tells_no_time_is_measured_by_our_clock(
    start_epicor: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answer, "date", None)
    tap = runner(start_epicor(customers=20))
    whole = tap.run("customers")
    whole.bookmark()["replication_key_value"] = FUTURE
    assert numbers(tap.run("customers", state=whole.state)) == numbers(whole)


SCAN: dict[str, Any] = {"order": ["UpdatedOn", "CustNum"], "through": None, "is_first": True, "ranges": [{}]}


@pytest.mark.parametrize(
    "entry",
    [
        {"replication_key": "UpdatedOn", "replication_key_value": "yesterday"},
        {"replication_key": "UpdatedOn", "replication_key_value": 5},
        {"unfinished": ["a"]},
        {"unfinished": {"order": "a"}},
        {"unfinished": {**SCAN, "ranges": []}},
        {"unfinished": {**SCAN, "ranges": [{"after": ["2026-01-01T00:00:00Z"]}]}},
        {"unfinished": {**SCAN, "replication_key": "UpdatedOn", "through": "tomorrow"}},
    ],
)
def test_a_bookmark_that_somebody_edited_is_told_as_one(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"The bookmark .* from the start"):
        Bookmark.from_state(entry).checked(Cursor("UpdatedOn", TIMESTAMP), "customers", "")


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
