"""Who cannot be mailed: as a page, as CSV, and as a command."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.ledger import Ledger
from kinetic_mailchimp.audit.state.quality import (
    QUALITY_NAMESPACE,
    Finding,
    Findings,
    Flaw,
    MemberVerdict,
    RowVerdict,
)
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

    def read(path: str) -> list[dict[str, str]]:
        content = reader.get(path).content
        assert content.startswith(codecs.BOM_UTF8)  # or Excel takes it for another encoding
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))

    rows = read("/quality.csv")
    assert len(rows) == 63
    assert ("'=PURCHASING", Flaw.BAD_ADDRESS.sentence) in [(row["address"], row["why"]) for row in rows]
    assert [row["change"] for row in rows].count("gone") == 1
    assert [row["row"] for row in read("/quality.csv?rep=REP2")] == ["Customer EPIC06/2"]


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


SOURCE = "members/Customer EPIC06/1"


def changes(trail: AuditTrail, clock: Any, *rows: RowVerdict, members: Sequence[MemberVerdict] = ()) -> Any:
    """What a run of its own would change; kept in the ledger."""
    found = Findings(trail.ledger, clock).changes(rows, members)
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([], ledger=found)
    run.finish()
    return found[QUALITY_NAMESPACE]


def test_a_finding_is_kept_while_it_holds_and_shown_as_gone_for_three_months(
    flawed: AuditTrail, clock: Any
) -> None:
    assert changes(flawed, clock, RowVerdict(SOURCE, Flaw.BAD_ADDRESS, "=PURCHASING", "REP1")) == {}
    found = changes(flawed, clock, RowVerdict(SOURCE, Flaw.BAD_ADDRESS, "=PURCHASING", "REP9"))
    changed = found[f"address/{SOURCE}"]
    assert (changed.rep, changed.since < format_timestamp(clock())) == ("REP9", True)
    known = "bounced/members/Customer EPIC06/2"
    assert changes(flawed, clock, RowVerdict("members/Customer EPIC06/2", rep="REP7")).keys() == {known}
    clock.advance(days=91)
    assert changes(flawed, clock, RowVerdict("x/y")) == {
        "address/members/Customer EPIC06/4": None,
        "duplicate/members/Customer EPIC06/3": None,
    }


def test_of_two_rows_under_one_key_the_later_one_counts(flawed: AuditTrail, clock: Any) -> None:
    wrong, right = RowVerdict("x/y", Flaw.BAD_ADDRESS, "=PURCHASING"), RowVerdict("x/y")
    assert changes(flawed, clock, right, wrong)["address/x/y"].gone == ""
    assert changes(flawed, clock, RowVerdict("x/z", Flaw.BAD_ADDRESS), RowVerdict("x/z"))["address/x/z"].gone


def test_the_rows_of_a_member_come_and_go(flawed: AuditTrail, clock: Any) -> None:
    def of_member(group: str, *sources: str) -> Any:
        verdict = MemberVerdict(Flaw.DUPLICATE, group, "e@example.com", sources)
        found = changes(flawed, clock, members=[verdict])
        return {key.rpartition("/")[2]: bool(finding.gone) for key, finding in found.items()}

    assert of_member("l/m", "c/1", "c/2", "c/3") == {"1": False, "2": False, "3": False}
    assert of_member("l/m", "c/2", "c/1", "c/3") == {}
    assert of_member("l/m", "c/1", "c/2") == {"3": True}
    assert of_member("l/n", "c/2", "c/4") == {"2": False, "4": False}
    assert of_member("l/m") == {"1": True}  # the other row has another member by now
    assert of_member("l/n") == {"2": True, "4": True}
    assert of_member("l/n") == {}


def test_a_run_holds_no_finding_and_asks_about_those_alone_that_there_may_be(
    flawed: AuditTrail, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get_many = Ledger.get_many

    def noted(ledger: Ledger, keys: Iterable[str], *more: Any) -> Any:
        return get_many(ledger, [key for key in keys if not asked.append(key)], *more)  # type: ignore[func-returns-value]

    monkeypatch.setattr(Ledger, "get_many", noted)
    findings = Findings(flawed.ledger, clock)
    clean = [RowVerdict(f"members/clean {number}", rep="REP1") for number in range(1_000)]
    assert findings.changes(clean)[QUALITY_NAMESPACE] == {}
    findings.changes([RowVerdict(SOURCE)])
    assert len(asked) < 20
    assert f"address/{SOURCE}" in asked
