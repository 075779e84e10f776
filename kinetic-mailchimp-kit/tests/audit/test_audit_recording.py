"""Recording: what a target relies on when it hands over its decisions."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, default_database_url
from kinetic_mailchimp.audit.reading.runs import latest_runs
from kinetic_mailchimp.audit.state.ledger import values_of
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.audit.trail.environment import correlation, pipeline
from kinetic_mailchimp.console.cli import COMMANDS
from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.kit.errors import AmbiguousWriteError
from kinetic_mailchimp.mailchimp import MailchimpClient

Make = Callable[..., Decision]


def test_a_run_counts_decisions_and_not_their_parts(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
    run.read(2)
    rows = [decision(action=Action.FLAGGED, targets=f"CustCnt EPIC06/{n}") for n in range(3)]
    run.record([decision(action=Action.FLAGGED, parts=rows), decision(action=Action.UNCHANGED)])
    summary = run.finish()
    assert run.counts == {Action.FLAGGED: 1, Action.UNCHANGED: 1}
    assert summary.status == "succeeded"
    assert summary.read == summary.decided == 2
    assert "2 records read: 1 flagged, 1 unchanged" in str(summary)


def test_a_part_has_no_parts_of_its_own(decision: Make) -> None:
    with pytest.raises(ValueError, match="no parts and no dead letter"):
        decision(parts=[decision(parts=[decision()])])


def test_the_ledger_changes_with_the_decisions(trail: AuditTrail) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record(
        [], ledger={"members": {"a": {"FNAME": "Ada"}, "b": {"FNAME": "Bo"}}, "other": {"a": {"x": 1}}}
    )
    run.record([], ledger={"members": {"a": {"FNAME": "Eda"}, "b": None}})
    members = trail.ledger("members")
    assert members.get_many(["a", "b", "c"]) == {"a": {"FNAME": "Eda"}}
    assert members.get("b") is None
    assert members.count() == 1
    assert list(trail.ledger("other").items()) == [("a", {"x": 1})]


def test_whole_namespaces_and_the_keys_before_a_day_are_read(trail: AuditTrail) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    days: dict[str, dict[str, int]] = {
        f"{day}|members/Customer {day}": {} for day in ("0000-00-00", "2026-02-28", "2026-03-01")
    }
    bought = {f"of/{number}": {"a": {"n": number}, "b": {"n": 0}} for number in range(1_200)}
    run.record([], ledger={"due": days, **bought})
    due = [key for key, _ in trail.ledger("due").items(before="2026-03-01")]
    assert due == sorted(days)[:2]
    found = list(values_of(trail.database, ["of/7", "nobody", *bought]))
    assert len(found) == 2_400
    assert sorted(value for namespace, value in found if namespace == "of/7") == ['{"n":0}', '{"n":7}']


def test_the_ledger_is_read_in_pages(trail: AuditTrail) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    known = {f"key{n:05}": {"n": n} for n in range(12_345)}
    run.record([], ledger={"members": known})
    assert dict(trail.ledger("members").items()) == known
    assert trail.ledger("members").get_many(known) == known


def test_a_step_that_fails_leaves_no_trace_and_can_be_repeated(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(1)

    def fail(_connection: object) -> None:
        message = "the disk is full"
        raise OSError(message)

    with pytest.raises(OSError, match="the disk is full"):
        run.record([decision()], ledger={"members": {"a": {"x": 1}}}, alongside=fail)
    assert run.counts == {}
    assert trail.ledger("members").count() == 0
    run.record([decision()], ledger={"members": {"a": {"x": 1}}})
    assert run.finish().undecided == 0


def test_who_counts_does_not_wait_for_a_transaction(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    counted: list[bool] = []

    def count() -> None:
        run.read(2)
        counted.append(run.exceeds(0, None) or bool(run.counts) or run.records_read != 2)

    def count_beside(_: object) -> None:
        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        thread.join(60)

    run.record([decision()], alongside=count_beside)
    assert counted == [False]
    run.record([decision()])
    assert run.finish().undecided == 0


def test_a_run_that_lost_a_record_has_not_succeeded(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(3)
    run.record([decision()])
    summary = run.finish("succeeded")
    assert summary.status == "failed"
    assert summary.undecided == 2
    assert "2 without a decision" in str(summary)


def test_a_finished_run_takes_nothing_more_and_finishes_once(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    assert run.finish("stopped") is run.finish("succeeded")
    with pytest.raises(RuntimeError, match="is finished"):
        run.record([decision()])


@pytest.mark.parametrize(
    ("failed", "read", "max_failed", "max_ratio", "expected"),
    [
        (0, 0, 0, 0.0, False),
        (1, 10, None, None, False),
        (1, 10, 0, None, True),
        (1, 10, 1, None, False),
        (1, 10, None, 0.1, False),
        (2, 10, None, 0.1, True),
        (1, 10, 5, 0.0, True),
    ],
)
def test_limits_of_failures(
    sqlite_trail: AuditTrail,
    decision: Make,
    failed: int,
    read: int,
    max_failed: int | None,
    max_ratio: float | None,
    *,
    expected: bool,
) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(read)
    run.record([decision(n, Action.FAILED) for n in range(failed)])
    assert run.exceeds(max_failed, max_ratio) is expected


def test_text_that_a_database_would_refuse_is_stored(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    odd = "nul \0, half \ud83d, Zoë 日本"
    run.record(
        [decision(detail=odd, changes={"FNAME": (None, odd)}, dead_letter={"name": odd}, request_id=odd * 99)]
    )
    assert run.counts == {Action.UPDATED: 1}


def test_the_default_database_lies_in_the_meltano_project() -> None:
    assert (
        default_database_url({"MELTANO_PROJECT_ROOT": "/srv/sync"})
        == "sqlite:////srv/sync/data/sync-audit.sqlite3"
    )


def test_runs_of_one_meltano_command_share_a_correlation() -> None:
    assert correlation({"MELTANO_PARENT_CONTEXT_UUID": "one"}) == "one"
    assert correlation({"MELTANO_PARENT_CONTEXT_UUID": "one", "MELTANO_RUN_ID": "chosen"}) == "chosen"
    assert correlation({}) != correlation({})


def test_a_run_records_its_meltano_context(trail: AuditTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
    assert pipeline() == ""
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-one")
    trail.start_run(plugin="target-two", version="0.1.0")
    trail.start_run(plugin="target-two", version="0.1.0", pipeline="reconcile")
    assert [run.pipeline for run in latest_runs(trail)] == ["reconcile", "prod:tap-one"]
    assert pipeline({"MELTANO_EXTRACTOR_NAME": "tap-one"}) == "tap-one"


def test_an_error_of_the_database_shows_no_personal_data(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([decision()])
    with trail.database.writing() as connection:
        # What a commit whose answer was lost leaves behind: the next number is taken.
        connection.execute(sa.update(decisions).values(seq=2))
    with pytest.raises(AmbiguousWriteError, match="an answer was lost") as raised:
        run.record([decision(7)])
    assert "person7@example.com" not in "".join(traceback.format_exception(raised.value))
    assert trail.start_run(plugin="target-mailchimp", version="0.1.0").finish().status == "succeeded"


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (example for example in EXAMPLES if "AuditTrail.open" in example)
    monkeypatch.chdir(tmp_path)
    told = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True).stdout
    assert told.startswith("target-mailchimp run 1 failed: 2 records read: 1 failed, 1 updated;")


def test_the_examples_of_calls_use_what_the_clients_have() -> None:
    assert len(EXAMPLES) == 3
    called = set(re.findall(r"client\.(\w+)\(", "".join(EXAMPLES)))
    assert called == {"read", "patch", "upsert_members", "members"}
    assert [
        name for name in called if not hasattr(EpicorClient, name) and not hasattr(MailchimpClient, name)
    ] == []


def test_the_readme_names_every_command() -> None:
    assert [name for name in COMMANDS if f"`{name}" not in README] == []
