"""Old opt-outs of another tool: they lower consent once, and nobody becomes a member by a row afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.handover import (
    HANDOVER_NAMESPACE,
    Handover,
    HandoverAction,
    read_handovers,
)

ANN, BOB = "ann@example.com", "bob@example.com"
AT = "2024-05-01T10:00:00.000000Z"


def opt_out(address: str, **more: Any) -> dict[str, Any]:
    return {
        "email_address": address,
        "status": "unsubscribed",
        "source_consent": "person",
        "source_updated_on": AT,
        **more,
    }


def row(address: str, number: int) -> dict[str, Any]:
    return {"email_address": address, "COMPANY": "Acme", "source_key": f"Customer 1/{number}"}


def outcome(decided: list[Any]) -> list[tuple[str, str]]:
    return [(one.action, one.reason) for one in decided]


def waiting_flags(bench: Any) -> dict[str, Handover]:
    with AuditTrail.open(bench.database_url) as trail:
        return read_handovers(trail.ledger(HANDOVER_NAMESPACE))


@pytest.mark.rule("R1")
def test_who_is_nowhere_yet_is_not_subscribed_by_the_first_load_and_is_flagged_in_epicor(bench: Any) -> None:
    for _ in range(2):
        assert outcome(bench.run([opt_out(ANN)])) == [("skipped", "opted_out_elsewhere")]
    for _ in range(2):
        decided = bench.run([row(ANN, 1), row(BOB, 2)])
        assert outcome(decided)[0] == ("skipped", "opted_out_elsewhere")
        assert list(bench.members()) == [BOB]
        flag = waiting_flags(bench)["Customer 1/1"]
        assert (flag.action, flag.status, flag.cause) == (
            HandoverAction.FLAG,
            "unsubscribed",
            FlagCause.PERSON,
        )
        assert (flag.address, flag.at) == (ANN, AT)
    # Their own act makes them a member, and a second import of the old list changes nothing about it.
    bench.mailchimp.control.advance_clock(600)
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    bench.mailchimp.control.advance_clock(600)
    assert outcome(bench.run([opt_out(ANN)])) == [("superseded", "opted_out_elsewhere")]
    assert bench.states_of_people()[ANN] == "subscribed"


@pytest.mark.rule("R1")
def test_a_member_is_unsubscribed_once_on_the_persons_own_word(bench: Any) -> None:
    bench.run([row(ANN, 1)])
    [decided] = bench.run([opt_out(ANN)])
    assert (decided.action, decided.reason, decided.consent) == (
        "flagged",
        "opted_out_elsewhere",
        "unsubscribed",
    )
    bench.clear()
    assert outcome(bench.run([opt_out(ANN)])) == [("unchanged", "opted_out_elsewhere")]
    assert {key.split()[0] for key in bench.calls()} == {"GET"}
    # The row of the member is flagged as for any opt-out of the person.
    bench.run([row(ANN, 1)])
    flag = waiting_flags(bench)["Customer 1/1"]
    assert (flag.action, flag.cause) == (HandoverAction.FLAG, FlagCause.PERSON)
    bench.mailchimp.control.advance_clock(600)
    bench.mailchimp.control.subscribe(ANN)
    bench.mailchimp.control.advance_clock(600)
    assert outcome(bench.run([opt_out(ANN)])) == [("superseded", "opted_out_elsewhere")]
    assert bench.states_of_people()[ANN] == "subscribed"


@pytest.mark.rule("R6")
def test_a_line_that_names_nobody_is_kept_as_a_dead_letter(bench: Any) -> None:
    [decided] = bench.run([opt_out("ann(at)example.com", source_key="suppressions line 7")])
    assert (decided.action, decided.reason, decided.source_key) == (
        "quarantined",
        "not_an_address",
        "suppressions line 7",
    )
    assert decided.dead_letter


@pytest.mark.rule("R2")
@pytest.mark.parametrize("dated", [True, False], ids=["dated", "of the file"])
def test_who_left_the_old_tool_again_after_they_came_back_is_unsubscribed_by_the_next_list(
    bench: Any, dated: bool
) -> None:
    # An hour behind: no row counts as newer than now.
    bench.mailchimp.control.advance_clock(-3600)
    bench.run([row(ANN, 1)])
    bench.run([opt_out(ANN, source_dated=dated)])
    bench.mailchimp.control.advance_clock(600)
    bench.mailchimp.control.subscribe(ANN)
    bench.run([])
    later = opt_out(ANN, source_updated_on="2099-01-01T00:00:00.000000Z", source_dated=dated)
    bench.run([later])
    assert (bench.states_of_people()[ANN] == "subscribed") == (not dated)
