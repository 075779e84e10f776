"""The status of a person by company and audience: in words, on the command line and on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.audit.state.audience_matrix import (
    AUDIENCES_NAMESPACE,
    CountedOptOut,
    KnownAudience,
    company_of,
    counted_namespace,
)
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagCause, FlagState
from kinetic_mailchimp.audit.state.member_state import GONE, MemberState, SourceRow, members_namespace
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.mailchimp import subscriber_hash

ADA = "ada@example.com"
DEALERS, CONSUMERS = "37af3c02bc", "93426b2d3f"


def member(status: str, *rows: str, out: bool = False) -> MemberState:
    return MemberState(
        ADA, status=status, rows={f"members/Customer {row}": SourceRow(opted_out=out) for row in rows}
    )


def store(trail: AuditTrail, **more: Any) -> None:
    """Two companies, two audiences, and what the ledger has of Ada."""
    run = trail.start_run(plugin="target-mailchimp", version="1")
    run.read(1)
    run.record(
        [Decision(stream="members", action=Action.UNCHANGED, reason="no_field_differs", subject=ADA)],
        ledger={
            AUDIENCES_NAMESPACE: {
                DEALERS: KnownAudience("Dealers", ("EPIC06", "EPIC07")),
                CONSUMERS: KnownAudience("Consumers", ("EPIC07",)),
            },
            **more,
        },
    )
    run.finish()


def members(dealers: MemberState | None = None, consumers: MemberState | None = None) -> dict[str, Any]:
    hashed = subscriber_hash(ADA)
    return {
        members_namespace(DEALERS): {hashed: dealers},
        members_namespace(CONSUMERS): {hashed: consumers},
    }


def lines(trail: AuditTrail) -> list[str]:
    found = read_audiences(trail, " Ada@Example.com", vendor_hash=subscriber_hash)
    assert found is not None
    return list(found.lines())


@pytest.mark.parametrize(
    ("row", "company"),
    [
        ("Customer EPIC06/12", "EPIC06"),
        ("CustCnt EPIC06/12/A/B/3", "EPIC06"),
        ("Order EPIC06/1", "EPIC06"),
        ("suppressions line 7", ""),
        ("C-17", ""),
        ("", ""),
    ],
)
def test_the_name_of_a_row_names_its_company(row: str, company: str) -> None:
    assert company_of(row) == company


def test_nothing_is_shown_where_no_company_feeds_an_audience(sqlite_trail: AuditTrail) -> None:
    assert read_audiences(sqlite_trail, ADA, vendor_hash=subscriber_hash) is None


def test_each_company_shows_its_rows_and_the_audiences_that_it_feeds(sqlite_trail: AuditTrail) -> None:
    store(
        sqlite_trail,
        **members(member("unsubscribed", "EPIC06/1", "EPIC07/2"), member("subscribed", "EPIC07/2", out=True)),
        **{FLAGS_NAMESPACE: {"Customer EPIC06/1": FlagState(ADA, FlagCause.PERSON, list_id=DEALERS)}},
        **{counted_namespace(CONSUMERS): {ADA: CountedOptOut(ADA, DEALERS, "2026-03-01T10:00:00Z")}},
    )
    assert lines(sqlite_trail) == [
        "EPIC06 (flagged: left Dealers): Dealers: unsubscribed",
        "EPIC07 (flagged by a rep): Dealers: unsubscribed, Consumers: subscribed, to be unsubscribed",
    ]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("bounce", "bounced in Dealers"),
        ("complaint", "complained in Dealers"),
        ("rep", "a rep's wish on another row"),
    ],
)
def test_the_cause_of_a_flag_is_said(sqlite_trail: AuditTrail, cause: str, words: str) -> None:
    flag = FlagState(ADA, FlagCause(cause), list_id=DEALERS)
    store(
        sqlite_trail,
        **members(member("cleaned", "EPIC06/1")),
        **{FLAGS_NAMESPACE: {"Customer EPIC06/1": flag}},
    )
    assert lines(sqlite_trail) == [
        f"EPIC06 (flagged: {words}): Dealers: cleaned",
        "EPIC07 (no row known): Dealers: cleaned, Consumers: not a member",
    ]


def test_who_is_gone_is_no_member(sqlite_trail: AuditTrail) -> None:
    store(sqlite_trail, **members(member(GONE, "EPIC06/1")))
    assert lines(sqlite_trail)[0] == "EPIC06 (no flag): Dealers: not a member"


def test_the_command_and_the_page_show_it(
    sqlite_trail: AuditTrail, sqlite_url: str, logged_in: Callable[..., Any]
) -> None:
    store(sqlite_trail, **members(member("subscribed", "EPIC06/1")))
    printed = CliRunner().invoke(main, ["--database", sqlite_url, "person", ADA]).output
    assert "EPIC06 (no flag): Dealers: subscribed\n" in printed
    page = logged_in(sqlite_trail).look_up(ADA).text
    for text in ("Audiences, by company", ">Dealers<", ">EPIC06<", ">no flag<", ">subscribed<", ">not fed<"):
        assert text in page
