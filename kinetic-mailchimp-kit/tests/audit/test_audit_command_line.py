"""The command line: every command as a person runs it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Direction
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.console.cli import main

Make = Callable[..., Decision]
Command = Callable[..., Result]
ADA = "ada@example.com"


@pytest.fixture
def sync_audit(sqlite_url: str) -> Command:
    def run(*arguments: str, width: int = 120) -> Result:
        return CliRunner(env={"COLUMNS": str(width)}).invoke(main, ["--database", sqlite_url, *arguments])

    return run


def fill(sqlite_trail: AuditTrail, decision: Make, clock: Any) -> AuditTrail:
    forward, reverse = Direction("Epicor", "Mailchimp"), Direction("Mailchimp", "Epicor")
    run = sqlite_trail.start_run(
        plugin="target-mailchimp",
        version="0.1.0",
        pipeline="dev:forward",
        direction=forward,
    )
    run.read(3)
    run.record(
        [
            decision(subject=ADA, source_key="EPIC06/12//3", http_status=200, request_id="0f1e2d"),
            decision(
                2,
                Action.FAILED,
                detail="The list refuses \x1b[2Jthe address.",
                dead_letter={"email_address": "x"},
            ),
            decision(3, targets="=cmd()"),
        ]
    )
    run.finish()
    clock.advance(days=1)
    run = sqlite_trail.start_run(
        plugin="target-epicor-contacts",
        version="0.1.0",
        pipeline="dev:reverse",
        direction=reverse,
    )
    run.read(1)
    rows = [
        decision(subject=None, targets=f"CustCnt EPIC06/{n}", changes={"NoContact": (False, True)})
        for n in (3, 4)
    ]
    run.record(
        [decision(subject=f" {ADA.upper()}", action=Action.FLAGGED, consent="unsubscribed", parts=rows)]
    )
    run.finish()
    return sqlite_trail


@pytest.fixture
def filled(sqlite_trail: AuditTrail, decision: Make, clock: Any) -> AuditTrail:
    return fill(sqlite_trail, decision, clock)


def test_a_person_is_one_story_in_both_directions(filled: AuditTrail, sync_audit: Command) -> None:
    told = sync_audit("person", "Ada@Example.com").output
    assert "2 decisions from 2026-03-01" in told
    assert "Last known consent: unsubscribed" in told
    order = [
        "Epicor → Mailchimp  updated",
        "FNAME: Ada → Eda",
        "HTTP 200 · id 0f1e2d",
        "Mailchimp → Epicor  flagged",
        "  consent: unsubscribed",
    ]
    order += ["CustCnt EPIC06/3", "NoContact: false → true", "CustCnt EPIC06/4"]
    history = told.partition("\n\n")[2]
    places = [history.index(part) for part in order]
    assert places == sorted(places)


def test_a_person_whom_the_trail_does_not_know(filled: AuditTrail, sync_audit: Command) -> None:
    outcome = sync_audit("person", "nobody@example.org")
    assert (outcome.exit_code, outcome.output) == (0, "The trail has no decision about nobody@example.org.\n")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--email", ADA], 4),
        ([ADA], 4),
        (["--source-key", "EPIC06/12//3"], 1),
        (["EPIC06/12//3"], 1),
        ([ADA, "--source-key", "EPIC06/12//3"], 1),
        (["--run", "2"], 3),
        (["--action", "failed"], 1),
        (["--plugin", "target-mailchimp"], 3),
        (["--since", "2026-03-02"], 3),
        (["--until", "2026-03-01T10:00"], 3),
        (["--until", "1m"], 6),
        (["--email", ADA, "--action", "failed"], 0),
        (["--limit", "2"], 2),
    ],
)
def test_search_finds_by(filled: AuditTrail, sync_audit: Command, arguments: list[str], found: int) -> None:
    lines = sync_audit("search", "--format", "json", *arguments).output.splitlines()
    assert len([json.loads(line) for line in lines]) == found


def test_csv_has_one_line_per_entry_and_no_formula(filled: AuditTrail, sync_audit: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(sync_audit("export", "--format", "csv").output)))
    assert [row["action"] for row in rows] == [
        "updated",
        "failed",
        "updated",
        "flagged",
        "updated",
        "updated",
    ]
    assert rows[2]["targets"] == "'=cmd()"
    assert json.loads(rows[0]["changes"]) == {"FNAME": ["Ada", "Eda"]}


def test_an_export_goes_to_a_file(filled: AuditTrail, sync_audit: Command, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    assert sync_audit("export", "--output", str(file)).exit_code == 0
    assert len(file.read_text(encoding="utf-8").splitlines()) == 6


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", [["search"], ["runs"], ["failures"], ["run", "1"], ["person", ADA]])
def test_output_fits_the_terminal_and_cannot_steer_it(
    filled: AuditTrail, sync_audit: Command, command: list[str], width: int
) -> None:
    outcome = sync_audit(*command, width=width)
    assert outcome.exit_code == 0
    assert max(len(line) for line in outcome.output.splitlines()) <= width
    assert "\x1b" not in outcome.output


@pytest.mark.usefixtures("filled")
def test_the_newest_run_needs_no_number(sync_audit: Command) -> None:
    newest = sync_audit("run").output
    assert newest == sync_audit("run", "2").output
    assert newest.startswith("Run 2: ")


@pytest.mark.usefixtures("filled")
def test_runs_are_json_for_programs(sync_audit: Command) -> None:
    runs = [json.loads(line) for line in sync_audit("runs", "--format", "json").stdout.splitlines()]
    assert [run["id"] for run in runs] == [2, 1]
    assert runs[1]["counts"] == {"updated": 2, "failed": 1}
    assert runs[1]["records_read"] == 3


def test_runs_of_one_command_are_counted_by_stream(
    sqlite_trail: AuditTrail,
    sync_audit: Command,
    decision: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams_of = {"other": ["members"], "mine": ["members", "members", "member_names"]}
    for correlation, streams in streams_of.items():
        monkeypatch.setenv("MELTANO_RUN_ID", correlation)
        run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read(len(streams))
        # The single writes of a decision are not counted.
        parts = [decision(subject=None, stream="members")]
        run.record([decision(number, stream=stream, parts=parts) for number, stream in enumerate(streams)])
        run.finish()

    asked = ("runs", "--correlation", "mine", "--format", "json")
    (found,) = map(json.loads, sync_audit(*asked).stdout.splitlines())
    assert found["streams"] == {"members": {"updated": 2}, "member_names": {"updated": 1}}
    assert sync_audit(*asked, "--plugin", "target-epicor-contacts").stdout == ""
    assert json.loads(sync_audit("runs", "--format", "json").stdout.splitlines()[0])["streams"] is None


@pytest.mark.usefixtures("sqlite_trail")
def test_the_newest_of_no_runs_is_an_error(sync_audit: Command) -> None:
    assert sync_audit("run").exit_code == 3


def test_a_run_is_a_story_with_its_counts(filled: AuditTrail, sync_audit: Command) -> None:
    told = sync_audit("run", "1").output
    assert told.startswith(
        "Run 1: target-mailchimp 0.1.0\ndev:forward · started 2026-03-01 09:30:00 UTC · succeeded"
    )
    assert "3 records read: 2 updated, 1 failed" in told
    assert "3 entries are shown" not in told
    assert "1 of 3 entries are shown" in sync_audit("run", "1", "--limit", "1").output


def test_failures_are_listed_until_they_are_settled(
    filled: AuditTrail, sync_audit: Command, decision: Make
) -> None:
    assert "person2@example.com" in sync_audit("failures").output
    handed_out = sync_audit("replay")
    schema, record = (json.loads(line) for line in handed_out.stdout.splitlines())
    assert schema["type"] == "SCHEMA"
    assert record == {"type": "RECORD", "stream": "customers", "record": {"email_address": "x"}}
    assert sync_audit("replay").stdout == ""
    assert "in_flight" in sync_audit("failures").output
    run = filled.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(1)
    run.record([decision(2)])
    run.finish()
    assert "1 resolved" in sync_audit("replay").stderr
    assert sync_audit("failures").output == "No dead letter waits.\n"
    assert verify(filled).problems == ()


TARGET = """
import json, sys
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, encryption_key
records = [line for line in map(json.loads, sys.stdin) if line["type"] == "RECORD"]
action, url = Action(sys.argv[1]), sys.argv[2]
with AuditTrail.open(url, encryption_key=encryption_key()) as trail:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(len(records))
    run.record([
        Decision(stream="customers", action=action, reason="replayed", subject="person2@example.com",
                 source_key="EPIC06/2", dead_letter=line["record"] if action.is_failure else None)
        for line in records
    ])
    run.finish()
"""


@pytest.mark.parametrize(
    ("action", "status", "told", "left"),
    [("updated", 0, "1 resolved", 0), ("failed", 1, "1 failed again", 1)],
)
def test_a_replay_into_a_target_records_the_result(
    filled: AuditTrail,
    sync_audit: Command,
    sqlite_url: str,
    tmp_path: Path,
    action: str,
    status: int,
    told: str,
    left: int,
) -> None:
    program = tmp_path / "target.py"
    program.write_text(TARGET, encoding="utf-8")
    outcome = sync_audit("replay", "--into", f"{sys.executable} {program} {action} {sqlite_url}")
    assert outcome.exit_code == status
    assert told in outcome.stderr
    waiting = sync_audit("failures", "--format", "json").output.splitlines()
    assert len(waiting) == left
    assert verify(filled).problems == ()


def test_a_replay_works_across_a_change_of_key(sqlite_url: str, decision: Make, tmp_path: Path) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    with AuditTrail.open(sqlite_url, encryption_key=old) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read()
        run.record([decision(2, Action.FAILED, dead_letter={"email_address": "x"})])
        run.finish()
    program = tmp_path / "target.py"
    program.write_text(TARGET, encoding="utf-8")

    def replay_with(keys: str, action: str) -> Result:
        target = f"{sys.executable} {program} {action} {sqlite_url}"
        arguments = ["--database", sqlite_url, "replay", "--into", target]
        return CliRunner(env={"AUDIT_ENCRYPTION_KEY": keys}).invoke(main, arguments)

    lost = replay_with(new, "failed")
    assert (lost.exit_code, "Check AUDIT_ENCRYPTION_KEY (NEW,OLD" in lost.stderr) == (3, True)
    assert "1 failed again" in replay_with(f"{new},{old}", "failed").stderr
    # The dead letter of the replay was written with the new key, which is enough from now on.
    assert "1 resolved" in replay_with(new, "updated").stderr
    with AuditTrail.open(sqlite_url) as trail:
        assert verify(trail).problems == ()


def test_a_target_that_breaks_leaves_the_dead_letter_open(filled: AuditTrail, sync_audit: Command) -> None:
    outcome = sync_audit("replay", "--into", f"{sys.executable} -c 'raise SystemExit(4)'")
    assert outcome.exit_code == 1
    assert "are open again; the target ended with status 4" in outcome.stderr
    (line,) = sync_audit("failures", "--format", "json").output.splitlines()
    assert json.loads(line)["dead_letter"] == "open"
    assert sync_audit("replay", "--into", "no-such-target").exit_code == 3
    assert len(sync_audit("replay").stdout.splitlines()) == 2
    assert verify(filled).problems == ()


@pytest.mark.parametrize("action", [Action.FAILED, Action.QUARANTINED])
def test_a_replay_that_failed_without_a_dead_letter_gives_the_old_one_back(
    filled: AuditTrail, sync_audit: Command, decision: Make, action: Action
) -> None:
    first = sync_audit("replay").stdout
    run = filled.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(1)
    run.record([decision(2, action)])
    run.finish("failed", "Stopped at the first failure.")
    settled = sync_audit("replay")
    assert (settled.exit_code, settled.stdout) == (1, "")
    assert "1 came to no end and are open again" in settled.stderr
    (line,) = sync_audit("failures", "--format", "json").output.splitlines()
    assert json.loads(line)["dead_letter"] == "open"
    assert sync_audit("replay").stdout == first
    assert "1 await their result" in sync_audit("replay").stderr
    assert verify(filled).problems == ()


def test_what_a_target_that_ended_early_took_can_be_given_back(
    filled: AuditTrail, sync_audit: Command
) -> None:
    first = sync_audit("replay").stdout
    assert "1 await their result" in sync_audit("replay").stderr
    given_back = sync_audit("replay", "--requeue")
    assert (given_back.exit_code, given_back.stdout) == (0, "")
    assert "1 came to no end and are open again" in given_back.stderr
    assert sync_audit("replay").stdout == first
    assert verify(filled).problems == ()


def test_a_replay_goes_out_under_the_schema_that_the_run_saw(
    filled: AuditTrail, sync_audit: Command, decision: Make
) -> None:
    run = filled.start_run(plugin="target-mailchimp", version="0.1.0")
    run.describe_stream("vendors", {"properties": {"email_address": {"type": "string"}}}, ["email_address"])
    run.read(1)
    run.record([decision(7, Action.FAILED, stream="vendors", dead_letter={"email_address": "y"})])
    run.finish()
    schema, _ = (json.loads(line) for line in sync_audit("replay", "--stream", "vendors").stdout.splitlines())
    assert schema["schema"] == {"properties": {"email_address": {"type": "string"}}}
    assert schema["key_properties"] == ["email_address"]


def test_dead_letters_of_two_targets_do_not_mix(
    filled: AuditTrail, sync_audit: Command, decision: Make
) -> None:
    run = filled.start_run(plugin="target-epicor-contacts", version="0.1.0")
    run.record([decision(7, Action.FAILED, dead_letter={"email": "y"})])
    outcome = sync_audit("replay")
    assert outcome.exit_code == 3
    assert "--plugin target-epicor-contacts" in outcome.stderr
    assert len(sync_audit("replay", "--plugin", "target-mailchimp").stdout.splitlines()) == 2


def test_the_exit_status_of_verify_shows_the_result(
    filled: AuditTrail, sync_audit: Command, sqlite_url: str
) -> None:
    whole = sync_audit("verify")
    assert (whole.exit_code, whole.output.splitlines()[0]) == (0, "6 entries of 2 runs checked, 0 problems.")
    anchor = whole.output.split("Anchor: ")[1].strip()
    assert sync_audit("verify", "--anchor", anchor).exit_code == 0
    assert sync_audit("verify", "--anchor", "4:" + "00" * 32).exit_code == 1
    assert sync_audit("verify", "--anchor", "nonsense").exit_code == 3


@pytest.mark.parametrize(
    ("changed", "more"), [(100, ""), (101, "… and 1 more problem."), (1_200, "… and 1,100 more problems.")]
)
def test_verify_prints_the_first_hundred_problems(
    sqlite_trail: AuditTrail, sync_audit: Command, decision: Make, changed: int, more: str
) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([decision(n) for n in range(changed)])
    with sqlite_trail.database.writing() as connection:
        connection.execute(sa.update(decisions).values(detail="Another."))
    outcome = sync_audit("verify")
    told = outcome.stderr.splitlines()
    assert told[:100] == [f"run 1 entry {n}: its personal data was changed" for n in range(1, 101)]
    assert told[100:] == ([more] if more else [])
    assert f"{changed:,} problems." in outcome.stdout
    assert outcome.exit_code == 1


def test_erase_asks_first_and_leaves_the_proof(filled: AuditTrail, sync_audit: Command) -> None:
    assert sync_audit("erase", "--email", ADA).exit_code == 1
    assert "FNAME: Ada" in sync_audit("person", ADA).output
    erased = sync_audit("erase", "--email", ADA, "--yes")
    assert erased.exit_code == 0
    assert "Erased in the trail: 4 entries" in erased.output
    told = sync_audit("person", ADA).output
    assert "Last known consent: unsubscribed" in told
    assert "FNAME" not in told
    assert sync_audit("verify").exit_code == 0


def test_prune_removes_what_is_old(filled: AuditTrail, sync_audit: Command) -> None:
    assert "Pruned: 2 entries; 4 kept" in sync_audit("prune", "--older-than", "1d").output
    assert sync_audit("verify").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["prune", "--older-than", "long"], 2, "is not an age: write 730d"),
        (["search", "--since", "soon"], 2, "is not a time: write 2026-03-01"),
        (["run", "99"], 3, "`sync-audit runs` lists them"),
        (["search", ADA, "--email", ADA], 2, "TEXT counts as --email here"),
        (["search", "EPIC06/1", "--source-key", "EPIC06/2"], 2, "TEXT counts as --source-key here"),
    ],
)
def test_wrong_usage_is_reported(
    filled: AuditTrail, sync_audit: Command, arguments: list[str], status: int, told: str
) -> None:
    outcome = sync_audit(*arguments)
    assert outcome.exit_code == status
    assert told in outcome.stderr


@pytest.mark.parametrize("error", ["RuntimeError", "ConfigurationError"])
def test_no_error_shows_the_password_of_the_database(error: str) -> None:
    program = (
        "from kinetic_mailchimp.kit.errors import ConfigurationError\n"
        "from kinetic_mailchimp.audit.cli import common\n"
        "from kinetic_mailchimp.console import cli\n"
        "def fail(url, **_):\n"
        f"    raise {error}(f'cannot open {{url}}')\n"
        "common.AuditTrail.open = fail\n"
        "cli.main(['--database', 'postgresql://audit:made-up-word@127.0.0.1/audit', 'runs'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "cannot open" in ended.stderr
    assert "made-up-word" not in ended.stderr + ended.stdout


def test_looking_into_a_trail_that_is_not_there_makes_none(sync_audit: Command, tmp_path: Path) -> None:
    outcome = sync_audit("runs")
    assert outcome.exit_code == 3
    assert "AUDIT_DATABASE_URL" in outcome.stderr
    assert list(tmp_path.iterdir()) == []
