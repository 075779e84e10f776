"""One address or row over which a server always fails becomes a dead letter; the others are written."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE, Handover, HandoverAction
from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, PermissionDeniedError
from target_epicor_contacts.target import TargetEpicorContacts

Update = Callable[..., dict[str, Any]]

PEOPLE = [f"dock{number}@example.com" for number in range(12)]
PAGE = {
    "kind": "answer",
    "text": "<html><body>Rejected. Support ID 17</body></html>",
    "media_type": "text/html",
}


def answer(status: int, message: str, error_type: str = "") -> dict[str, Any]:
    document = {"HttpStatus": status, "ErrorMessage": message, "ErrorType": error_type}
    return {"kind": "answer", "status": status, "text": json.dumps(document)}


APOLOGY = answer(500, "We apologize, but an unexpected internal problem occurred.", "System.Exception")
REFUSALS = pytest.mark.parametrize(
    "effect",
    [APOLOGY, answer(400, "Something."), *({**PAGE, "status": status} for status in (403, 404))],
    ids=["500", "400", "403 of a firewall", "404 of IIS"],
)


@pytest.fixture
def crowd(start_bench: Any) -> Any:
    """Twelve people, each with a contact."""
    bench = start_bench(unknown_requests=True)
    for number, address in enumerate(PEOPLE):
        bench.epicor.control.insert(
            "CustCnt", Company="EPIC06", CustNum=1, ShipToNum=f"D{number}", Name="Dock", EMailAddress=address
        )
    return bench


def flagged(bench: Any) -> set[str]:
    rows = bench.all_rows().values()
    return {row["EMailAddress"] for row in rows if row["NoContact"] and row["EMailAddress"] in PEOPLE}


def opt_outs(update: Update) -> list[dict[str, Any]]:
    return [update(address, "unsubscribed") for address in PEOPLE]


@pytest.mark.rule("R2")
@REFUSALS
@pytest.mark.parametrize("at", [{0}, {3}, {0, 11}])
def test_an_address_that_cannot_be_looked_up_costs_no_other(
    crowd: Any, update: Update, effect: dict[str, Any], at: set[int]
) -> None:
    query = "|".join(f"dock{number}@" for number in at)
    crowd.epicor.control.faults({"match": {"query": query}, "effect": effect})
    crowd.deliver(*opt_outs(update))
    assert flagged(crowd) == {address for number, address in enumerate(PEOPLE) if number not in at}
    failed = [decision for decision in crowd.decisions() if decision["action"] == "failed"]
    assert [json.loads(decision["dead_letter"])["email"] for decision in failed] == [
        PEOPLE[n] for n in sorted(at)
    ]
    assert {decision["reason"] for decision in failed} == {"no_answer_about_it"}
    crowd.epicor.control.faults()
    crowd.deliver(*opt_outs(update))
    assert flagged(crowd) == set(PEOPLE)


@pytest.mark.rule("R2")
def test_a_handover_about_an_address_that_cannot_be_looked_up_waits_and_costs_no_other(
    crowd: Any, update: Update
) -> None:
    handovers = {
        f"CustCnt EPIC06/1/D{number}/{row['ConNum']}": Handover(
            address, HandoverAction.FLAG, status="unsubscribed"
        ).to_json()
        for row in crowd.all_rows().values()
        for number, address in enumerate(PEOPLE)
        if row["EMailAddress"] == address
    }
    with AuditTrail.open(crowd.audit_url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="1")
        run.record([], ledger={HANDOVER_NAMESPACE: handovers})
        run.finish()
    crowd.epicor.control.faults({"match": {"query": "dock3@"}, "effect": APOLOGY})
    crowd.deliver(update("another@example.com", "unsubscribed"))
    assert flagged(crowd) == {*PEOPLE} - {PEOPLE[3]}
    assert {reason for action, reason in crowd.actions() if action == "failed"} == {"no_answer_about_it"}
    crowd.epicor.control.faults()
    crowd.deliver()
    assert flagged(crowd) == {*PEOPLE}


@REFUSALS
@pytest.mark.parametrize("query", ["contains", "ShipToNum gt"])
@pytest.mark.parametrize("count", [1, 12])
def test_a_server_that_can_look_up_nobody_ends_the_run_without_a_dead_letter(
    crowd: Any, update: Update, effect: dict[str, Any], query: str, count: int
) -> None:
    # One row at once, so that what is behind a page is asked for.
    crowd.epicor.control.switches(max_top=1)
    crowd.epicor.control.faults({"match": {"query": query}, "effect": effect})
    _, error = crowd.attempt(*opt_outs(update)[:count])
    assert error is not None
    assert crowd.actions() == [("failed", "run_aborted")] * count
    assert not any(decision["dead_letter"] for decision in crowd.decisions())


@pytest.mark.rule("R6")
def test_a_run_that_ends_while_it_takes_a_batch_apart_decides_about_every_record(
    crowd: Any, update: Update
) -> None:
    crowd.epicor.control.faults(
        {"match": {"query": "dock3@.*dock9@|dock9@.*dock3@|dock3@"}, "effect": APOLOGY},
        {"match": {"query": "dock9@"}, "effect": answer(401, "Who are you?")},
    )
    _, error = crowd.attempt(*opt_outs(update))
    assert isinstance(error, CredentialsError)
    assert Counter(crowd.actions()) == {
        ("flagged", "unsubscribed"): 5,
        ("failed", "no_answer_about_it"): 1,
        ("failed", "run_aborted"): 6,
    }


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "effect",
    [
        *({**PAGE, "status": status} for status in (200, 403, 404)),
        answer(403, "Access denied to a field.", "Ice.Common.UnauthorizedAccessException"),
        answer(400, "Company EPIC06 is not valid for this rule."),
    ],
    ids=["200", "403 of a firewall", "404 of IIS", "permission", "company"],
)
@pytest.mark.parametrize("at", [0, 3, 11])
def test_a_row_that_cannot_be_written_costs_no_other(
    crowd: Any, update: Update, effect: dict[str, Any], at: int
) -> None:
    crowd.epicor.control.faults({"match": {"method": "PATCH", "path": rf"'D{at}'"}, "effect": effect})
    crowd.deliver(*opt_outs(update))
    assert flagged(crowd) == {*PEOPLE} - {PEOPLE[at]}
    assert Counter(crowd.actions()) == {("flagged", "unsubscribed"): 11, ("failed", "refused_by_epicor"): 1}


@pytest.mark.parametrize(
    ("write_mode", "path"), [("patch", "CustCnts"), ("update_ext", "UpdateExt|CustCnts.")]
)
def test_where_nothing_may_be_written_the_run_ends_soon(
    crowd: Any, update: Update, write_mode: str, path: str
) -> None:
    effect = answer(403, "Access denied.", "Ice.Common.UnauthorizedAccessException")
    crowd.epicor.control.faults(
        *({"match": {"method": m, "path": path}, "effect": effect} for m in ("PATCH", "POST"))
    )
    _, error = crowd.attempt(*opt_outs(update), write_mode=write_mode)
    assert isinstance(error, PermissionDeniedError)
    assert set(crowd.actions()) == {("failed", "run_aborted")}
    assert crowd.calls("PATCH") <= 8


@pytest.mark.parametrize(
    "effect",
    [
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16", "media_type": "application/json; charset=utf-16"},
        {"media_type": "text/plain"},
        {"pattern": r'"SysRevID":\s*(\d+)', "text": r'"SysRevID":"\1"'},
        {"pattern": r'"value":\s*\[\]', "text": '"value":null'},
    ],
    ids=["byte order mark", "UTF-16", "text/plain", "numbers as text", "null for no rows"],
)
def test_answers_in_another_form_are_read(crowd: Any, update: Update, effect: dict[str, Any]) -> None:
    match = {"path": "CustCnts|Customers"}
    crowd.epicor.control.faults({"match": match, "effect": {"kind": "rewrite", **effect}})
    crowd.deliver(*opt_outs(update))
    assert flagged(crowd) == set(PEOPLE)


@pytest.mark.rule("R2")
def test_numbers_that_came_as_text_go_back_with_the_whole_row(crowd: Any, update: Update) -> None:
    effect = {"kind": "rewrite", "pattern": r'"SysRevID":\s*(\d+)', "text": r'"SysRevID":"\1"'}
    crowd.epicor.control.faults({"match": {"method": "GET"}, "effect": effect})
    crowd.deliver(*opt_outs(update), write_mode="rpc")
    assert flagged(crowd) == set(PEOPLE)


def test_an_answer_that_is_empty_once_is_asked_for_again(crowd: Any, update: Update) -> None:
    effect = {"kind": "answer", "status": 200}
    crowd.epicor.control.faults({"match": {"path": "CustCnts$", "nth": 2}, "effect": effect})
    crowd.deliver(*opt_outs(update))
    assert flagged(crowd) == set(PEOPLE)


def test_a_server_that_sends_elsewhere_is_followed_nowhere(crowd: Any, update: Update) -> None:
    effect = {"kind": "answer", "status": 302, "headers": {"Location": crowd.epicor.base_url}}
    crowd.epicor.control.faults({"effect": effect})
    _, error = crowd.attempt(*opt_outs(update))
    assert isinstance(error, ConfigurationError)
    assert "sends elsewhere" in str(error)


@pytest.mark.parametrize(
    "line", ["", "   ", '{"type": "ACTIVATE_VERSION", "stream": "of_another_tap", "version": 1}'], ids=repr
)
def test_a_line_of_a_foreign_tap_that_says_nothing_is_passed_over(
    bench: Any, update: Update, messages: Any, line: str
) -> None:
    text = messages([update("nobody@example.com", "unsubscribed")])
    with redirect_stdout(io.StringIO()) as out:
        TargetEpicorContacts(config=bench.config()).listen(io.StringIO(f"\ufeff{line}\n{text}{line}\n"))
    assert json.loads(out.getvalue().splitlines()[-1]) == {"records": 1, "end": True}
    assert len(bench.decisions()) == 1
