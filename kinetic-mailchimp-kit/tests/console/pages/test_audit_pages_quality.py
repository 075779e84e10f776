"""Who cannot be mailed: as a page, as CSV, and as a command."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.quality import QUALITY_NAMESPACE, Finding, Findings, Flaw
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

Open = Callable[..., Any]


def keep(trail: AuditTrail, findings: dict[str, Finding | None]) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([], ledger={QUALITY_NAMESPACE: findings})
    run.finish()


@pytest.fixture
def flawed(sqlite_trail: AuditTrail, clock: Any) -> AuditTrail:
    def at(days: int) -> str:
        return format_timestamp(clock() - timedelta(days=days))

    many = {
        f"address/members/Customer EPIC06/{number:03}": Finding("no_address", at(200), rep="REP3")
        for number in range(100, 160)
    }
    keep(
        sqlite_trail,
        {
            **many,
            "address/members/Customer EPIC06/1": Finding("bad_address", at(2), "=PURCHASING", "REP1"),
            "bounced/members/Customer EPIC06/2": Finding("bounced", at(90), "b@example.com", "REP2", "l/m"),
            "duplicate/members/Customer EPIC06/3": Finding("duplicate", at(90), "c@example.com", gone=at(3)),
            "address/members/Customer EPIC06/4": Finding("refused", at(90), "d@example.com", gone=at(60)),
        },
    )
    return sqlite_trail


def test_the_page_counts_by_flaw_and_rep_and_says_what_changed(flawed: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(flawed)
    page = reader.get("/quality").text
    assert page.index("Customer EPIC06/1<") < page.index("Customer EPIC06/2<") < page.index("EPIC06/100")
    assert f'<a href="/people/{flawed.person("b@example.com").hex()}">b@example.com</a>' in page
    assert "Customer EPIC06/4<" not in page
    assert "REP3 60</a>" in page
    assert '<span class="word warn">new</span>' in page
    further = reader.get("/quality?kind=no_address&rep=REP3&start=50").text
    assert "EPIC06/159" in further
    assert "EPIC06/100" not in further
    only = reader.get("/quality?rep=REP2").text
    assert "Customer EPIC06/2<" in only
    assert "Customer EPIC06/1<" not in only
    assert 'href="/quality.csv?rep=REP2"' in only
    assert reader.get("/quality?kind=%3Cscript%3E&rep=%3Cscript%3E&start=x").status_code == 200


def test_the_csv_has_all_of_it_and_no_formula(flawed: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(flawed)
    rows = list(csv.DictReader(io.StringIO(reader.get("/quality.csv").text)))
    assert len(rows) == 63
    assert (rows[0]["address"], rows[0]["why"]) == ("'=PURCHASING", Flaw.BAD_ADDRESS.sentence)
    assert [row["change"] for row in rows].count("gone") == 1
    of_rep = list(csv.DictReader(io.StringIO(reader.get("/quality.csv?rep=REP2").text)))
    assert [row["row"] for row in of_rep] == ["Customer EPIC06/2"]


def test_the_command_prints_the_same(flawed: AuditTrail, sqlite_url: str, clock: Any) -> None:
    keep(flawed, {"address/members/C/9": Finding("bad_address", "2999-01-01T00:00:00.000000Z", "x")})

    def sync_audit(*arguments: str) -> str:
        runner = CliRunner(env={"COLUMNS": "140"})
        outcome = runner.invoke(main, ["--database", sqlite_url, "quality", *arguments])
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    assert "Mails came back" in sync_audit()
    assert "all of them: --format csv" in sync_audit()
    (line,) = sync_audit("--rep", "REP2", "--format", "json").splitlines()
    assert json.loads(line)["row"] == "Customer EPIC06/2"
    assert sync_audit("--kind", "bounced", "--format", "csv").count("\n") == 2
    assert "has no customer who cannot be mailed" in sync_audit("--rep", "nobody")


def test_a_finding_is_kept_while_it_holds_and_shown_as_gone_for_three_months(
    flawed: AuditTrail, clock: Any
) -> None:
    def findings() -> Findings:
        return Findings(flawed.ledger(QUALITY_NAMESPACE), clock)

    known, source = findings(), "members/Customer EPIC06/1"
    assert known.of_row(source, Flaw.BAD_ADDRESS, "=PURCHASING", "REP1") == {}
    changed = known.of_row(source, Flaw.BAD_ADDRESS, "=PURCHASING", "REP9")[f"address/{source}"]
    assert changed is not None
    assert (changed.rep, changed.since < format_timestamp(clock())) == ("REP9", True)
    assert known.of_row("members/Customer EPIC06/2", None, rep="REP7").keys() == {
        "bounced/members/Customer EPIC06/2"
    }
    assert known.of_member(Flaw.BOUNCED, "l/m", "", (), lambda _: "").keys() == {
        "bounced/members/Customer EPIC06/2"
    }
    assert known.of_member(Flaw.BOUNCED, "l/m", "", (), lambda _: "") == {}
    clock.advance(days=91)
    assert findings().of_row("x/y", None) == {
        "address/members/Customer EPIC06/4": None,
        "duplicate/members/Customer EPIC06/3": None,
    }
