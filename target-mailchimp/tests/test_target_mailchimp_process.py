"""The target as a process of its own: however it ends, its state is never ahead of its writes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace

RECORDS = 400
BETWEEN_STATES = 25
# The installed command, with a state after every STATE message instead of one in ten seconds.
PROGRAM = (
    "from target_mailchimp.target import TargetMailchimp; from target_mailchimp.__main__ import main; "
    "TargetMailchimp.state_interval = {interval}; main()"
)
SCHEMA = {
    "type": "SCHEMA",
    "stream": "customers",
    "key_properties": ["email_address"],
    "schema": {"properties": {"email_address": {"type": "string"}, "FNAME": {"type": "string"}}},
}

Start = Callable[..., "subprocess.Popen[str]"]


def address(number: int) -> str:
    return f"p{number}@example.com"


def lines(first: int = 0) -> Iterator[str]:
    yield json.dumps(SCHEMA) + "\n"
    for number in range(first, RECORDS):
        record = {"email_address": address(number), "FNAME": f"P{number}", "source_key": str(number)}
        yield json.dumps({"type": "RECORD", "stream": "customers", "record": record}) + "\n"
        if (number + 1) % BETWEEN_STATES == 0:
            yield json.dumps({"type": "STATE", "value": {"read": number + 1}}) + "\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def _start(config: Mapping[str, Any], *, interval: float = 0) -> subprocess.Popen[str]:
        path = tmp_path / f"config-{len(started)}.json"
        path.write_text(json.dumps(config))
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(interval=interval), "--config", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def feed(process: subprocess.Popen[str], messages: Sequence[str]) -> None:
    """Write without closing, so that the target waits for more."""
    assert process.stdin is not None
    process.stdin.write("".join(messages))
    process.stdin.flush()


def wait_for_batches(bench: Any, count: int) -> None:
    for _ in range(2_400):
        posts = sum(number for key, number in bench.calls().items() if key.startswith("POST"))
        if posts >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"{count} batches were not seen: {bench.calls()}")


def last_state(stdout: str) -> int:
    states = [json.loads(line)["read"] for line in stdout.splitlines()]
    assert states == sorted(states)
    return states[-1] if states else 0


def assert_state_is_not_ahead(bench: Any, read: int) -> None:
    """Every record that the state passed is a member, and decided in the trail."""
    members = bench.members()
    decided = {
        entry.subject for entry in bench.decisions() if entry.action in {"created", "updated", "unchanged"}
    }
    for number in range(read):
        assert address(number) in members
        assert address(number) in decided


def assert_nothing_is_remembered_that_was_not_accepted(bench: Any) -> None:
    members = bench.members()
    with AuditTrail.open(bench.database_url) as trail:
        ledger = trail.ledger(members_namespace(bench.mailchimp.list_id))
        states = [MemberState.from_json(value) for _, value in ledger.items()]
    for state in states:
        assert state.sent["merge_fields.FNAME"] == members[state.address]["merge_fields"]["FNAME"]


def finish_from(bench: Any, start: Start, read: int) -> None:
    """Run again from the state, as the next run would."""
    process = start(bench.config(batch_size=20))
    out, err = process.communicate("".join(lines(read)), timeout=120)
    assert process.returncode == 0, err
    assert last_state(out) == RECORDS
    assert len(bench.members()) == RECORDS


@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
@pytest.mark.parametrize("batches", [1, 4, 9])
def test_after_a_kill_the_state_is_not_ahead_and_the_next_run_completes(
    bench: Any, start: Start, batches: int
) -> None:
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST"}, "effect": {"kind": "latency", "seconds": 0.05}}]
    )
    process = start(bench.config(batch_size=20, concurrency=3))
    feed(process, list(lines()))
    wait_for_batches(bench, batches)
    process.kill()
    out, _ = process.communicate()
    read = last_state(out)
    assert_state_is_not_ahead(bench, read)
    assert_nothing_is_remembered_that_was_not_accepted(bench)
    finish_from(bench, start, read)


@pytest.mark.rule("R3")
@pytest.mark.parametrize("interval", [0, 3600])
@pytest.mark.parametrize("batches", [1, 6])
def test_a_terminated_run_writes_what_it_read_and_says_so(
    bench: Any, start: Start, batches: int, interval: float
) -> None:
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST"}, "effect": {"kind": "latency", "seconds": 0.05}}]
    )
    process = start(bench.config(batch_size=20, concurrency=3), interval=interval)
    feed(process, list(lines()))
    wait_for_batches(bench, batches)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    read = last_state(out)
    assert_state_is_not_ahead(bench, read)
    run = bench.last_run()
    assert run["status"] == "stopped"
    assert run["records_read"] == len(bench.decisions(run["id"]))
    assert "stopped" in err
    finish_from(bench, start, read)


@pytest.mark.rule("R3")
def test_a_lasting_failure_ends_the_run_before_its_state(bench: Any, start: Start) -> None:
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST", "after": 2}, "effect": {"kind": "reset"}}]
    )
    process = start(bench.config(batch_size=20))
    feed(process, list(lines()))
    wait_for_batches(bench, 4)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert_state_is_not_ahead(bench, last_state(out))
    bench.mailchimp.control.clear_faults()
    finish_from(bench, start, last_state(out))
    assert "Traceback" not in err


@pytest.mark.rule("R9")
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_no_address_and_no_secret_reaches_the_log(
    bench: Any, start: Start, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("LOGLEVEL", level)
    process = start(bench.config(batch_size=20))
    _, err = process.communicate("".join(lines()), timeout=60)
    assert process.returncode == 0
    assert "@example.com" not in err
    assert bench.mailchimp.api_key not in err
    assert "400 records read" in err
    assert ("DEBUG" in err) is (level == "DEBUG")


def test_the_connection_check_says_what_works(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(bench.config()))
    command = [sys.executable, "-m", "target_mailchimp", "--config", str(path), "--test"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert "Audience Customers" in checked.stdout


@pytest.mark.rule("R10")
def test_wrong_credentials_are_said_in_words(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(bench.config(api_key="ffffffffffffffff-us1")))
    command = [sys.executable, "-m", "target_mailchimp", "--config", str(path), "--test"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 1
    assert "`api_key`" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_about_names_the_settings() -> None:
    command = [sys.executable, "-m", "target_mailchimp", "--about", "--format=json"]
    about = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert {"api_key", "list_id", "dry_run"} <= about["settings"]["properties"].keys()
    assert "load_method" not in about["settings"]["properties"]
