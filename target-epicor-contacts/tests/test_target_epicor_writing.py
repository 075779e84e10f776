"""The target against a simulated Kinetic: its writes and its decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Update = Callable[..., dict[str, Any]]

PAT = "pat@example.com"
PAT_ROWS = {
    "EPIC06/CustCnt/1//1": "Pat@Example.COM",
    "EPIC06/CustCnt/2//1": "mailto:pat@example.com",
    "EPIC07/CustCnt/2//1": " pat@example.com ",
    "EPIC06/Customer/3": '"Pat" <pat@example.com>',
    "EPIC07/Customer/1": "PAT@EXAMPLE.COM",
}


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person whose address is written differently in five rows of both companies."""
    for name, text in PAT_ROWS.items():
        alone = {"PerConID": 0} if "/CustCnt/" in name else {}
        bench.edit(name, EMailAddress=text, **alone)
    return bench


@pytest.mark.rule("R2")
def test_an_opt_out_reaches_every_row_of_the_address_and_no_other(pat: Any, update: Update) -> None:
    before = pat.flagged()
    states = pat.deliver(update(PAT, "unsubscribed", reason="manual"))
    assert pat.flagged() - before == set(PAT_ROWS)
    assert states[-1] == {"records": 1, "end": True}
    assert pat.actions() == [("flagged", "unsubscribed")]


def test_the_decision_lists_each_row_with_the_value_before_and_after(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed"))
    parts = pat.parts()
    assert {part["targets"] for part in parts} == {
        "{1} {0}/{2}".format(*name.split("/", 2)) for name in PAT_ROWS
    }
    assert all(part["changes"] == {"NoContact": [False, True]} for part in parts)


@pytest.mark.rule("R4")
@pytest.mark.rule("R8")
def test_the_same_event_again_writes_nothing(pat: Any, update: Update) -> None:
    event = update(PAT, "unsubscribed")
    pat.deliver(event)
    patches = pat.calls("PATCH")
    pat.deliver(event)
    assert pat.calls("PATCH") == patches
    assert pat.actions()[-1] == ("unchanged", "already_so")


def test_configured_columns_take_the_particulars(pat: Any, update: Update) -> None:
    pat.deliver(
        update(PAT, "complaint", reason="abuse", campaign_id="c0ffee"),
        status_column="MC_Status_c",
        reason_column="MC_StatusReason_c",
        date_column="MC_StatusDate_c",
        campaign_column="MC_Campaign_c",
        status_values={"complaint": "SPAM"},
    )
    row = pat.all_rows()["EPIC06/Customer/3"]
    assert [row[name] for name in ("MC_Status_c", "MC_StatusReason_c", "MC_Campaign_c")] == [
        "SPAM",
        "abuse",
        "c0ffee",
    ]
    assert row["MC_StatusDate_c"].startswith("2026-03-01T18:00:00")


@pytest.mark.rule("R1")
def test_a_subscribe_clears_only_flags_that_this_target_set(pat: Any, update: Update) -> None:
    pat.edit("EPIC06/CustCnt/1//1", NoContact=True)
    before = pat.flagged()
    pat.deliver(update(PAT, "unsubscribed"))
    pat.deliver(update(PAT, "subscribed", second=5))
    assert pat.flagged() == before
    assert pat.actions() == [("flagged", "unsubscribed"), ("cleared", "subscribed_again")]


@pytest.mark.rule("R7")
def test_an_older_event_that_arrives_later_is_superseded(pat: Any, update: Update) -> None:
    pat.deliver(update(PAT, "unsubscribed", second=10))
    pat.deliver(update(PAT, "subscribed", second=5))
    assert set(PAT_ROWS) <= pat.flagged()
    assert pat.actions()[-1] == ("superseded", "newer_event")


@pytest.mark.rule("R8")
def test_only_columns_that_differ_are_sent(pat: Any, update: Update) -> None:
    row = pat.all_rows()["EPIC06/CustCnt/1//1"]
    for name in PAT_ROWS:
        if "/CustCnt/" in name:
            pat.edit(name, FirstName=row["FirstName"], LastName=row["LastName"])
    pat.deliver(
        update(PAT, FirstName=row["FirstName"], LastName="Newname", type="profile"), match=["contacts"]
    )
    [sent] = [part for part in pat.parts() if part["targets"] == "CustCnt EPIC06/1//1"]
    assert sent["changes"] == {
        "LastName": [row["LastName"], "Newname"],
        "Name": [row["Name"], f"{row['FirstName']} Newname"],
    }


def test_a_person_whom_epicor_does_not_know_is_unmatched(bench: Any, update: Update) -> None:
    bench.deliver(update("nobody@example.net", "unsubscribed"))
    assert bench.actions() == [("unmatched", "no_row")]
    assert bench.calls("PATCH") == 0
