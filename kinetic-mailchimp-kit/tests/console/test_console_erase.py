"""Erasure and export of a person on the command line: the vendors first, then the trail."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import AuditTrail, Decision
from kinetic_mailchimp.console.cli import main

ADA = "ada@example.com"


@pytest.fixture
def sync_audit(
    sqlite_trail: AuditTrail, sqlite_url: str, decision: Callable[..., Decision]
) -> Callable[..., Result]:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(2)
    run.record([decision(subject=ADA), decision(2)], ledger={"members": {ADA: {"status": "subscribed"}}})
    run.finish()

    def call(*arguments: str, **environment: str) -> Result:
        return CliRunner(env=environment).invoke(main, ["--database", sqlite_url, *arguments])

    return call


def test_an_export_of_a_person_says_where_it_found_what(
    sync_audit: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "ada.json"
    result = sync_audit("export", "--email", ADA, "--output", str(file))
    assert [json.loads(line)["where"] for line in file.read_text().splitlines()] == [
        "trail",
        "ledger members",
    ]
    assert "1 in ledger members, 1 in trail" in result.stderr
    assert "mailchimp-webhooks export" in result.stderr
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_that_would_mix_forms_is_refused(sync_audit: Callable[..., Result]) -> None:
    assert sync_audit("export", "--email", ADA, "--format", "csv").exit_code == 2


def test_the_erasure_lists_what_it_found(sync_audit: Callable[..., Result]) -> None:
    result = sync_audit("erase", "--yes", "--email", ADA)
    assert "1 entries, 0 payloads, 0 dead letters" in result.output
    assert "1 ledger keys (members)" in result.output
    assert "mailchimp-webhooks erase" in result.output


@pytest.mark.rule("R1")
def test_the_opt_out_goes_to_the_target_before_anything_is_erased(
    sync_audit: Callable[..., Result], tmp_path: Path
) -> None:
    taken = tmp_path / "taken.jsonl"
    program = f"import sys, pathlib; pathlib.Path({str(taken)!r}).write_text(sys.stdin.read())"
    result = sync_audit(
        "erase", "--yes", "--email", ADA, "--flag-in-epicor", f'{sys.executable} -c "{program}"'
    )
    schema, record, state = map(json.loads, taken.read_text().splitlines())
    assert result.exit_code == 0, result.output
    assert (schema["type"], record["record"]["contact_status"]) == ("SCHEMA", "unsubscribed")
    assert (record["record"]["email"], state) == (ADA, {"type": "STATE", "value": {}})


def test_a_target_that_fails_leaves_everything(sync_audit: Callable[..., Result]) -> None:
    result = sync_audit("erase", "--yes", "--email", ADA, "--flag-in-epicor", f"{sys.executable} -c 1/0")
    assert result.exit_code == 3
    assert "nothing was erased" in result.output
    assert "1 in trail" in sync_audit("export", "--email", ADA).stderr


@pytest.mark.parametrize(("spelling", "ids"), [(ADA, "md5"), ("ADA@Example.com", "md5"), (ADA, "other")])
def test_a_person_is_deleted_permanently_in_mailchimp_on_request(
    sync_audit: Callable[..., Result], start_mailchimp: Any, spelling: str, ids: str
) -> None:
    mailchimp = start_mailchimp(member_ids=ids)
    mailchimp.control.subscribe(ADA)
    mailchimp.control.subscribe("bob@example.com")
    hello = mailchimp.hello
    access = {"MAILCHIMP_API_KEY": hello["api_key"], "MAILCHIMP_BASE_URL": hello["base_url"]}
    arguments = ("erase", "--yes", "--email", spelling, "--delete-in-mailchimp", hello["list_id"])

    first, second = sync_audit(*arguments, **access), sync_audit(*arguments, **access)

    assert "deleted permanently" in first.output
    assert "1 ledger keys (members)" in first.output
    assert (first.exit_code, second.exit_code) == (0, 0), second.output
    listed = requests.get(
        f"{hello['base_url']}/lists/{hello['list_id']}/members", auth=("", hello["api_key"]), timeout=60
    )
    assert [member["email_address"] for member in listed.json()["members"]] == ["bob@example.com"]


def test_nothing_is_erased_where_mailchimp_refuses(
    sync_audit: Callable[..., Result], start_mailchimp: Any
) -> None:
    hello = start_mailchimp().hello
    access = {"MAILCHIMP_API_KEY": "wrong-us1", "MAILCHIMP_BASE_URL": hello["base_url"]}
    option = ("--delete-in-mailchimp", hello["list_id"])
    assert sync_audit("erase", "--yes", "--email", ADA, *option, **access).exit_code == 3
    assert "1 in trail" in sync_audit("export", "--email", ADA).stderr


def test_an_address_that_nobody_has_is_told(sync_audit: Callable[..., Result], start_mailchimp: Any) -> None:
    hello = start_mailchimp().hello
    access = {"MAILCHIMP_API_KEY": hello["api_key"], "MAILCHIMP_BASE_URL": hello["base_url"]}
    option = ("--delete-in-mailchimp", hello["list_id"])
    result = sync_audit("erase", "--yes", "--email", ADA, *option, **access)
    assert "nobody has this address there" in result.output
    assert result.exit_code == 0, result.output
