"""A first load: old opt-outs come in, then it is planned, approved, and written as it was planned."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.plans.approved import BeyondPlanError
from kinetic_mailchimp.audit.plans.plans import list_plans
from kinetic_mailchimp.audit.reading.queries import EntryFilter, EntryView, entries
from kinetic_mailchimp.audit.reading.runs import latest_runs
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.kit.parsing.email_address import email_key
from pipelines import FORWARD, REVERSE, Kill, Pipeline, Runner, settings_of
from simulators.epicor.testing import RunningEpicor, running_epicor
from simulators.mailchimp.testing import RunningMailchimp, running_mailchimp
from stage import PROGRAMS


@dataclass
class Company:
    """Both systems, and the pipelines between them in this process."""

    epicor: RunningEpicor
    mailchimp: RunningMailchimp
    folder: Path
    runner: Runner = field(init=False)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'audit.sqlite3'}"

    def __post_init__(self) -> None:
        epicor, mailchimp = self.epicor, self.mailchimp
        variables = {
            "EPICOR_BASE_URL": epicor.base_url,
            "EPICOR_COMPANIES": epicor.companies,
            "EPICOR_API_KEY": epicor.api_key,
            "EPICOR_USERNAME": epicor.username,
            "EPICOR_PASSWORD": epicor.password,
            "MAILCHIMP_API_KEY": mailchimp.api_key,
            "MAILCHIMP_BASE_URL": mailchimp.base_url,
            "MAILCHIMP_LIST_ID": mailchimp.list_id,
            "AUDIT_DATABASE_URL": self.url,
        }
        self.runner = Runner(variables, time.time)

    def command(self, pipeline: Pipeline, **settings: Any) -> str:
        """The command line of the target of a pipeline."""
        name = pipeline.target.name
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({**settings_of(name, self.runner.variables), **settings}))
        return f"{PROGRAMS / name} --config {file}"

    def flags(self, address: str) -> list[bool]:
        """The flags of the rows with an address."""
        return [
            row["NoContact"]
            for table in ("Customer", "CustCnt")
            for row in self.epicor.control.rows(table)
            if email_key(row["EMailAddress"]) == email_key(address)
        ]

    def read(self) -> list[str]:
        return self.runner.extract(FORWARD, {})

    def load(self, lines: list[str], **settings: Any) -> dict[str, Any] | None:
        # More batches than one: names come in others than their people.
        return self.runner.load(FORWARD, lines, kill=Kill(), batch_size=50, **settings)

    def sync_audit(self, *arguments: str, status: int = 0) -> str:
        ended = CliRunner().invoke(main, ["--database", self.url, *arguments])
        assert ended.exit_code == status, ended.output
        return ended.output

    def decisions(self, run_id: int) -> list[EntryView]:
        with AuditTrail.open(self.url) as trail:
            return list(entries(trail, EntryFilter(run_id=run_id)))

    def newest_plan(self) -> int:
        with AuditTrail.open(self.url) as trail:
            return list_plans(trail)[0].run.id

    def newest_run(self) -> int:
        with AuditTrail.open(self.url) as trail:
            return latest_runs(trail, limit=1)[0].id


@pytest.fixture
def company(tmp_path) -> Iterator[Company]:
    with running_epicor(customers=400) as epicor, running_mailchimp() as mailchimp:
        yield Company(epicor, mailchimp, tmp_path)


def writes(found: list[EntryView]) -> list[tuple[Any, ...]]:
    """What was written, or would be, in an order of its own."""
    return sorted(
        (entry.subject, entry.action, entry.reason, json.dumps(entry.changes, sort_keys=True))
        for entry in found
        if entry.action in {"created", "updated", "flagged", "moved", "archived"}
    )


@pytest.mark.rule("R3")
def test_a_plan_is_approved_and_written_to_the_letter(company):
    lines = company.read()
    few = sorted(row["EMailAddress"] for row in company.epicor.control.rows("Customer"))[-3:]
    assert company.load(lines, only=few) is None
    assert set(company.mailchimp.control.members()) <= {address.strip().lower() for address in few}

    assert company.load(lines, dry_run=True) is None
    first = company.newest_plan()
    assert f"Plan {first}" in company.sync_audit("plan", "list")
    shown = company.sync_audit("plan", "show", str(first))
    assert "waiting" in shown
    assert "created" in shown
    assert "Plan" in company.sync_audit("plan", "approve", str(first), "--because", "as agreed")

    # The world changes: nothing of the batch with the change is written, and no bookmark moves.
    row = company.epicor.control.rows("Customer")[3]
    key = {name: row[name] for name in ("Company", "CustNum")}
    company.epicor.control.edit("Customer", key, Name="Another name")
    with pytest.raises(BeyondPlanError, match=r"\(merge_fields\.COMPANY\)"):
        company.load(company.read(), approved_plan=first)
    failed = company.decisions(company.newest_run())
    assert [entry.reason for entry in failed].count("not_in_plan") == 1

    # The next plan has what is left; it is written to the letter, and then nothing is left to plan.
    lines = company.read()
    assert company.load(lines, dry_run=True) is None
    second = company.newest_plan()
    company.sync_audit("plan", "reject", str(first), "--because", "old", status=3)
    company.sync_audit("plan", "approve", str(second))
    assert company.load(lines, approved_plan=second) is not None
    written = writes(company.decisions(company.newest_run()))
    assert written == writes(company.decisions(second))
    assert {action for _, action, *_ in written} >= {"created", "updated"}
    assert company.load(lines, dry_run=True) is None
    assert writes(company.decisions(company.newest_plan())) == []
    assert "Approved by" in company.sync_audit("plan", "list")
    company.sync_audit("verify")


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
def test_old_opt_outs_reach_both_sides_and_keep_people_out_who_come_later(company):
    customers = company.epicor.control.rows("Customer")
    known = next(row["EMailAddress"] for row in customers if row["CustNum"] == 3 and not row["NoContact"])
    company.mailchimp.control.put_members([{"email": "reader@example.com", "state": "subscribed"}])
    file = company.folder / "old.csv"
    rows = [known, "later@example.com", "reader@example.com", "no address"]
    lines = ["Email Address;UNSUB_TIME;UNSUB_REASON", *(f"{row};2024-05-01 10:00;N/A" for row in rows)]
    file.write_bytes("\n".join(lines).encode("utf-8-sig"))

    told = company.sync_audit("import-suppressions", str(file), status=1)
    assert "3 people; addresses from 'Email Address'" in told
    assert "Line 5: not an address." in told
    assert "Nothing was handed on" in told
    assert not any(company.flags(known))

    company.sync_audit(
        "import-suppressions", str(file), "--epicor", company.command(REVERSE, dry_run=True), status=1
    )
    with AuditTrail.open(company.url) as trail:
        [dry] = latest_runs(trail)
    assert (dry.dry_run, dry.status) == (True, "succeeded")  # nothing says that the input broke off
    assert not any(company.flags(known))

    epicor = ("--epicor", company.command(REVERSE))
    for into in (("--mailchimp", company.command(FORWARD), *epicor), epicor):
        company.sync_audit("import-suppressions", str(file), *into, status=1)
        assert set(company.flags(known)) == {True}
        assert company.mailchimp.control.members()["reader@example.com"]["status"] == "unsubscribed"
    assert "flagged" not in [entry.action for entry in company.decisions(company.newest_run())]
    failures = company.sync_audit("failures", "--format", "csv")
    assert [failures.count(target) for target in ("target-mailchimp", "target-epicor-contacts")] == [1, 1]
    assert "line 5" not in company.sync_audit("quality", "--format", "csv")  # no customer has that address

    # The first load subscribes none of them, nor a row that gets such an address later, which is flagged.
    company.load(company.read())
    key = {name: customers[8][name] for name in ("Company", "CustNum")}
    company.epicor.control.edit("Customer", key, EMailAddress="Later@example.com")
    company.load(company.read())
    members = company.mailchimp.control.members()
    assert len(members) > 1
    assert not {email_key(known), "later@example.com"} & members.keys()
    company.runner.load(REVERSE, [json.dumps({"type": "STATE", "value": {}}) + "\n"], kill=Kill())
    assert company.flags("later@example.com") == [True]
    company.sync_audit("verify")
