"""Campaign results in Epicor: columns, CRM calls, and the decision about each record."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.mailchimp import subscriber_hash
from target_epicor_contacts.contract.campaign_result import parse_result
from target_epicor_contacts.state.result_history import RESULTS_NAMESPACE, ResultHistory

PAT, KIM = "pat@example.com", "kim@example.com"
ROW, OTHER_ROW = "EPIC06/CustCnt/1//1", "EPIC06/CustCnt/2//1"
COLUMNS = {
    "sent": "MC_Sent_c",
    "opened": "MC_Opened_c",
    "clicked": "MC_Clicked_c",
    "bounced": "MC_Bounces_c",
    "last_opened_at": "MC_LastOpened_c",
    "last_campaign": "MC_LastCampaign_c",
}
CALLS = {"clicked": "MKTG", "bounced": "PHONE"}

Record = dict[str, Any]


def make_result(
    email: str = PAT,
    campaign: str = "c1",
    *,
    opens: int = 0,
    clicks: int = 0,
    bounce: str | None = None,
    day: int = 1,
) -> Record:
    sent = f"2026-03-{day:02}T11:00:00+00:00"
    return {
        "result_id": f"{campaign}/{email}",
        "campaign_id": campaign,
        "campaign_title": f"News {campaign}",
        "email": email,
        "sent_at": sent,
        "opens": opens,
        "last_open_at": f"2026-03-{day:02}T12:00:00+00:00" if opens else None,
        "clicks": clicks,
        "last_click_at": f"2026-03-{day:02}T12:01:00+00:00" if clicks else None,
        "bounce": bounce,
        "bounced_at": sent if bounce else None,
    }


@pytest.fixture
def pat(bench: Any) -> Any:
    """A person with a contact, another one with two addresses in its field."""
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.edit(OTHER_ROW, EMailAddress="kim@example.com; lee@example.com", PerConID=0)
    return bench


def shown(bench: Any, name: str = ROW) -> list[Any]:
    row = bench.all_rows()[name]
    return [row[column] for column in COLUMNS.values()]


def calls(bench: Any) -> list[tuple[str, ...]]:
    rows = bench.epicor.control.rows("CRMCall")
    return sorted((row["Key1"], row["CallDesc"], row["CallTypeCode"], str(row["CallConNum"])) for row in rows)


def writes(bench: Any) -> list[str]:
    """The requests that wrote or could write."""
    methods = {"POST", "PATCH"}
    return [one["path"] for one in bench.epicor.control.requests() if one["method"] in methods]


def test_without_a_setting_nothing_is_asked_or_written(pat: Any) -> None:
    pat.epicor.control.clear_requests()
    pat.deliver(make_result(opens=1, clicks=1, bounce="hard"))
    assert pat.actions() == [("ignored", "nothing_to_write")]
    assert writes(pat) == []
    assert not [one for one in pat.epicor.control.requests() if "CustCnts" in one["path"]]


@pytest.mark.rule("R4")
@pytest.mark.rule("R6")
@pytest.mark.rule("R8")
def test_columns_show_campaigns_and_last_times_and_a_third_run_writes_nothing(pat: Any) -> None:
    first = [make_result(), make_result(campaign="c2", bounce="soft", day=2)]
    then = [make_result(campaign="c2", opens=1, clicks=1, day=2)]
    pat.deliver(*first, result_columns=COLUMNS)
    assert shown(pat)[:4] == [2, 0, 0, 0]
    pat.deliver(*then, result_columns=COLUMNS)
    assert shown(pat) == [2, 1, 1, 0, "2026-03-02T12:00:00Z", "News c2"]

    pat.epicor.control.clear_requests()
    pat.deliver(*first, *then, result_columns=COLUMNS)

    assert writes(pat) == []
    assert shown(pat)[:4] == [2, 1, 1, 0]
    assert pat.actions() == [
        ("merged", "counted_with_later"),
        ("updated", "fields_differ"),
        ("updated", "fields_differ"),
        *[("unchanged", "already_so")] * 3,
    ]
    assert pat.decisions()[0]["source_key"] == "campaign c1"


@pytest.mark.rule("R7")
def test_an_older_result_that_comes_late_takes_nothing_back(pat: Any) -> None:
    pat.deliver(make_result(campaign="c2", opens=2, day=9), result_columns=COLUMNS)
    pat.deliver(make_result(campaign="c2", day=9), result_columns=COLUMNS)
    pat.deliver(make_result(campaign="c1", opens=1), result_columns=COLUMNS)
    assert shown(pat) == [2, 2, 0, 0, "2026-03-09T12:00:00Z", "News c2"]


@pytest.mark.rule("R4")
@pytest.mark.parametrize("fault", [None, {"kind": "reset", "applied": True}, {"kind": "reset"}])
def test_a_result_is_one_call_for_the_rep_of_the_customer(pat: Any, fault: Record | None) -> None:
    if fault:
        pat.epicor.control.faults(
            {"match": {"method": "POST", "path": "CRMCallSvc/Update", "count": 1}, "effect": fault}
        )
    result = make_result(opens=2, clicks=1, bounce="hard")
    for records in ([result, result], [result], [make_result(opens=5, clicks=3, bounce="hard")]):
        pat.deliver(*records, result_calls=CALLS)
    assert calls(pat) == [("1", "Mailchimp: bounced", "PHONE", "1"), ("1", "Mailchimp: clicked", "MKTG", "1")]
    rep = pat.all_rows()["EPIC06/Customer/1"]["SalesRepCode"]
    rows = pat.epicor.control.rows("CRMCall")
    assert rep
    assert {row["SalesRepCode"] for row in rows} == {rep}
    assert "Opened: 2, last at 2026-03-01 12:00 UTC" in rows[0]["CallText"]
    assert pat.actions()[0] == ("created", "call_added")
    assert pat.actions()[2:] == [("unchanged", "already_so")] * 2


@pytest.mark.rule("R4")
def test_a_title_with_lines_of_its_own_stands_for_no_other_call(pat: Any) -> None:
    title = "News\nResult: c2/clicked\u2028Row: EPIC06/CustCnt/1//1"
    pat.deliver({**make_result(clicks=1), "campaign_title": title}, result_calls=CALLS)
    pat.deliver(make_result(campaign="c2", clicks=1), result_calls=CALLS)
    assert len(calls(pat)) == 2


def test_a_soft_bounce_and_an_unopened_campaign_are_no_calls(pat: Any) -> None:
    pat.deliver(make_result(bounce="soft"), result_calls={**CALLS, "opened": "EMAIL"})
    assert calls(pat) == []
    assert pat.actions() == [("unchanged", "already_so")]


def test_a_customer_is_called_where_no_contact_has_the_address(bench: Any) -> None:
    bench.edit("EPIC06/Customer/3", EMailAddress=PAT)
    bench.deliver(make_result(clicks=1), result_calls=CALLS)
    assert calls(bench) == [("3", "Mailchimp: clicked", "MKTG", "0")]
    bench.edit(ROW, EMailAddress=PAT, PerConID=0)
    bench.deliver(make_result(campaign="c2", clicks=1), result_calls=CALLS)
    assert calls(bench)[0] == ("1", "Mailchimp: clicked", "MKTG", "1")
    assert len(calls(bench)) == 2


def test_a_call_about_a_contact_of_a_ship_to_names_both(bench: Any) -> None:
    contact = {"Company": "EPIC06", "CustNum": 1, "ShipToNum": "D1", "Name": "Dock", "EMailAddress": PAT}
    bench.epicor.control.insert("CustCnt", **contact)
    bench.deliver(make_result(clicks=1), result_calls=CALLS)
    [call] = bench.epicor.control.rows("CRMCall")
    assert (call["CallCustNum"], call["CallShipToNum"], call["CallConNum"]) == (1, "D1", 1)


@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
def test_a_run_that_is_killed_after_a_call_adds_no_second_one(pat: Any, messages: Callable[..., str]) -> None:
    result = make_result(clicks=1, opens=1)
    after_it = {"kind": "latency", "seconds": 600.0}
    pat.epicor.control.faults(
        {"match": {"path": "CRMCallSvc/GetNewCRMCall", "nth": 2}, "effect": after_it},
    )
    process = pat.start(result_calls={"opened": "EMAIL", "clicked": "MKTG"}, result_columns=COLUMNS)
    process.send(messages([result]))
    give_up = time.monotonic() + 120
    while not calls(pat):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    status, state = process.end(signal.SIGKILL)
    assert (status, state) == (-signal.SIGKILL, None)
    assert pat.decisions() == []
    pat.epicor.control.faults()

    pat.deliver(result, result_calls={"opened": "EMAIL", "clicked": "MKTG"}, result_columns=COLUMNS)

    assert [call[1] for call in calls(pat)] == ["Mailchimp: clicked", "Mailchimp: opened"]
    assert shown(pat)[:3] == [1, 1, 1]


@pytest.mark.rule("R6")
def test_what_epicor_refuses_is_a_dead_letter_and_counts_once_when_it_comes_again(pat: Any) -> None:
    pat.epicor.control.switches(business_errors={"CustCnt": "The row is locked."})
    pat.deliver(make_result(opens=1), result_columns=COLUMNS)
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "refused_by_epicor")
    pat.epicor.control.switches(business_errors={})
    pat.deliver(json.loads(decision["dead_letter"]), result_columns=COLUMNS)
    assert shown(pat)[:2] == [1, 1]


def test_a_call_that_epicor_refuses_is_a_dead_letter_and_the_columns_are_written(pat: Any) -> None:
    pat.deliver(make_result(clicks=1), result_columns=COLUMNS, result_calls={"clicked": "NOSUCH"})
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "evidence_failed")
    assert decision["dead_letter"] is not None
    assert shown(pat)[:3] == [1, 0, 1]


@pytest.mark.rule("R6")
def test_a_member_about_whom_nothing_can_be_asked_costs_no_other(pat: Any) -> None:
    broken = {"kind": "answer", "status": 500, "text": '{"ErrorMessage": "We apologize."}'}
    pat.epicor.control.faults({"match": {"query": "dock@example.com"}, "effect": broken})
    people = [make_result(email) for email in ("dock@example.com", PAT, "nobody@example.com")]
    odd = {**make_result(), "sent_at": "never"}, {**make_result(), "email": "no address"}
    pat.deliver(*people, *odd, {**make_result(), "opens": -1}, result_columns=COLUMNS)
    assert pat.actions() == [
        ("failed", "no_answer_about_it"),
        ("updated", "fields_differ"),
        ("unmatched", "no_row"),
        ("quarantined", "invalid_time"),
        ("quarantined", "not_an_address"),
        ("quarantined", "invalid_count"),
    ]
    assert shown(pat)[0] == 1


def test_a_field_with_several_addresses_takes_calls_and_no_columns(pat: Any) -> None:
    pat.deliver(make_result(KIM, opens=1), result_columns=COLUMNS)
    assert pat.actions() == [("skipped", "shared_address")]
    assert shown(pat, OTHER_ROW)[0] == 0
    pat.deliver(make_result(KIM, clicks=1), result_columns=COLUMNS, result_calls=CALLS)
    assert pat.actions()[1:] == [("created", "call_added")]


def test_a_campaign_from_before_an_address_change_reaches_the_person(
    pat: Any, update: Callable[..., Record]
) -> None:
    pat.deliver(update(PAT, new_email="new@example.com", second=60, type="upemail"))
    assert pat.all_rows()[ROW]["EMailAddress"] == "new@example.com"
    pat.deliver(make_result(opens=1), result_columns=COLUMNS)
    assert shown(pat)[:2] == [1, 1]
    pat.deliver(make_result(campaign="c2", day=20), result_columns=COLUMNS)
    assert pat.actions()[-1] == ("unmatched", "no_row")


def test_a_dry_run_says_what_would_be_and_writes_nothing(pat: Any) -> None:
    pat.epicor.control.clear_requests()
    settings = {"result_columns": COLUMNS, "result_calls": CALLS}
    pat.deliver(make_result(clicks=1), dry_run=True, **settings)
    assert writes(pat) == []
    [decision] = pat.decisions()
    assert (decision["action"], decision["detail"]) == ("updated", "1 row written. CRM calls added: 1.")
    pat.deliver(make_result(clicks=1), **settings)
    assert shown(pat)[:3] == [1, 0, 1]


def test_events_of_campaigns_go_to_the_trail(pat: Any) -> None:
    event = {
        "event_id": "e1",
        "sequence": 1,
        "campaign_id": "c1",
        "subject": "Spring news",
        "status": "sent",
        "reason": None,
        "occurred_at": "2026-03-01T11:00:00+00:00",
    }
    pat.deliver(event)
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("ignored", "campaign_event")
    assert (decision["source_key"], decision["detail"]) == ("campaign c1", "Spring news: sent.")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"sent": "MC_Nowhere_c"}, "Extended UD Table Maintenance"),
        ({"sent": "MC_LastOpened_c"}, "Edm.Int32"),
        ({"last_opened_at": "MC_Sent_c"}, "Edm.DateTimeOffset"),
    ],
)
def test_a_column_that_cannot_show_a_result_ends_the_run_at_its_start(
    pat: Any, columns: Record, words: str
) -> None:
    _, error = pat.attempt(make_result(), result_columns=columns)
    assert isinstance(error, ConfigurationError)
    assert words in str(error)
    program = [*pat.command(result_columns=columns), "--test"]
    tested = subprocess.run(program, capture_output=True, text=True, check=False)
    assert tested.returncode
    assert words in tested.stdout + tested.stderr


def test_the_connection_check_names_the_columns(pat: Any) -> None:
    program = [*pat.command(result_columns=COLUMNS), "--test"]
    tested = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "MC_LastCampaign_c" in tested.stdout + tested.stderr


def test_an_erasure_takes_the_campaigns_of_a_person(pat: Any) -> None:
    pat.deliver(make_result(opens=1), result_columns=COLUMNS)
    with AuditTrail.open(pat.audit_url) as trail:
        ledger = trail.ledger(RESULTS_NAMESPACE)
        assert ledger.get(PAT) is not None
        erase(trail, PAT, vendor_hash=subscriber_hash)
        assert ledger.get(PAT) is None


def test_a_campaign_counts_for_a_year_after_it() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    history = ResultHistory()
    for days in (0, 100, 400):
        sent = (start + timedelta(days=days)).isoformat()
        result = parse_result("results", {**make_result(campaign=f"c{days}"), "sent_at": sent})
        history = ResultHistory.from_json(history.with_result(result).to_json())
    assert set(history.campaigns) == {"c100", "c400"}
    assert history.values["sent"] == 2
    assert history.last_campaign == "News c400"
