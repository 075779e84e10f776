"""`sync-audit diff` and `skipped`: a run as what it changed, before and after, and whom it left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.console.cli import main

Make = Callable[..., Decision]
Command = Callable[..., Result]
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def sync_audit(sqlite_url: str, sqlite_trail: AuditTrail, decision: Make) -> Command:
    """Runs a command against a trail whose second run is a dry one."""
    plugin: dict[str, Any] = {"plugin": "target-mailchimp", "version": "0.1.0"}
    sqlite_trail.start_run(**plugin).finish()
    run = sqlite_trail.start_run(**plugin, dry_run=True)
    run.read(9)
    left = {"changes": None, "detail": "The stream only updates members.", "reason": "not_a_member"}
    run.record(
        [
            decision(1, Action.CREATED, changes={"FNAME": (None, "Ada"), "LNAME": (None, "=1+1")}),
            decision(2, changes={"FNAME": ("Ada", EVIL)}),
            decision(3, Action.UNCHANGED, changes=None),
            *(decision(number, Action.SKIPPED, **left) for number in range(4, 10)),
        ]
    )
    run.finish()

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--database", sqlite_url, *arguments])

    return command


def test_a_dry_run_reads_as_a_difference(sync_audit: Command) -> None:
    shown = sync_audit("diff")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        "Run 2 of target-mailchimp (dry run): what it would change",
        "created  person1@example.com  EPIC06/1  list 1a2b3c",
        "    FNAME: nothing → Ada",
        "    LNAME: nothing → =1+1",
        "updated  person2@example.com  EPIC06/2  list 1a2b3c",
        f"    FNAME: Ada → {EVIL}",
        "6 records skipped: not a member",
        "    The stream only updates members.",
        *(f"    person{number}@example.com" for number in range(4, 9)),
        "    … and 1 more",
    ]


def test_it_says_who_was_left_out_and_why(sync_audit: Command) -> None:
    lines = sync_audit("skipped", "2").stdout.splitlines()
    assert lines[:2] == [
        "Run 2 of target-mailchimp (dry run): what it left out",
        "6 records skipped: not a member",
    ]
    assert not any("person1@" in line for line in lines)
    assert sync_audit("skipped", "1").stdout.splitlines()[-1] == "Nothing."


def test_a_table_for_a_spreadsheet_holds_no_formula(sync_audit: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(sync_audit("diff", "--format", "csv").stdout)))
    assert [(row["action"], row["field"], row["before"], row["after"]) for row in rows[:3]] == [
        ("created", "FNAME", "nothing", "Ada"),
        ("created", "LNAME", "nothing", "'=1+1"),
        ("updated", "FNAME", "Ada", EVIL),
    ]
    assert len(rows) == 9


def test_a_page_shows_values_and_runs_none(sync_audit: Command) -> None:
    page = sync_audit("diff", "--format", "html").stdout
    assert page.startswith("<!doctype html>")
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_a_run_that_is_not_there(sync_audit: Command) -> None:
    shown = sync_audit("diff", "7")
    assert shown.exit_code == 3
    assert "The trail has no run 7. `sync-audit runs` lists them." in shown.stderr


def test_the_summary_names_fields_and_commands(sqlite_trail: AuditTrail, decision: Make) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(4)
    names = {"merge_fields.FNAME": ("a", "b"), "merge_fields.LNAME": ("a", "b")}
    made = [decision(1, changes=names), decision(2, changes={"merge_fields.FNAME": ("a", "b")})]
    run.record([*made, decision(3, Action.SKIPPED), decision(4, Action.CREATED)])
    told = str(run.finish())
    assert "; updated FNAME 2, LNAME 1; `sync-audit skipped 1` says who was left out and why" in told
    assert "sync-audit diff" not in told

    failed = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    failed.read(1)
    failed.record([decision(3, Action.SKIPPED)])
    assert "sync-audit skipped" not in str(failed.finish("failed", "It broke."))

    dry = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0", dry_run=True)
    dry.read()
    dry.record([decision(1)])
    assert str(dry.finish()).endswith("; updated FNAME 1; `sync-audit diff 3` shows what would change")
