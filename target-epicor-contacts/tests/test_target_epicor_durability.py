"""However the target ends, what its state covers is written, and the next run writes the rest."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from simulators.epicor.expectations import classify_email

Update = Callable[..., dict[str, Any]]
Messages = Callable[..., str]


def seen(bench: Any, method: str) -> bool:
    return any(request["method"] == method for request in bench.epicor.control.requests())


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


def addresses(bench: Any) -> list[str]:
    """Addresses of the seed that are alone in their field, each once."""
    found = {classify_email(row["EMailAddress"]).address for row in bench.all_rows().values()}
    return sorted(address for address in found if address)


def test_a_record_that_arrives_alone_is_written_and_its_state_follows_while_the_source_stays_open(
    bench: Any, update: Update, messages: Messages
) -> None:
    address = addresses(bench)[0]
    process = bench.start()
    process.send(messages([update(address, "unsubscribed")]))
    assert process.next_state() == {"records": 1, "end": True}
    assert bench.actions() == [("flagged", "unsubscribed")]
    status, _ = process.end(signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert [run["status"] for run in bench.runs()] == ["stopped"]


@pytest.mark.rule("R9")
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_no_log_holds_an_address_or_a_secret(
    bench: Any, update: Update, messages: Messages, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("TARGET_EPICOR_CONTACTS_LOGLEVEL", level)
    address = addresses(bench)[0]
    records = [
        update(address, "unsubscribed", LastName="Secretive"),
        update("nobody.knows@example.com", "unsubscribed"),
        update("wrong address", "unsubscribed"),
    ]
    bench.epicor.control.faults(
        {"match": {"method": "PATCH", "count": 1}, "effect": {"kind": "status", "status": 429}}
    )
    done = subprocess.run(
        bench.command(auth_method="token_resource"),
        input=messages(records),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "3 records read" in done.stderr
    personal = (address, "nobody.knows", "wrong address", "Secretive")
    secrets = (bench.epicor.password, bench.epicor.api_key)
    found = [text for text in (*personal, *secrets) if text.lower() in done.stderr.lower()]
    assert found == []


@pytest.mark.rule("R3")
def test_sigterm_in_the_middle_of_a_batch_finishes_it_and_emits_its_state(
    bench: Any, update: Update, messages: Messages
) -> None:
    people = addresses(bench)[:10]
    bench.epicor.control.faults(
        {"match": {"method": "PATCH"}, "effect": {"kind": "latency", "seconds": 0.05}}
    )
    process = bench.start(concurrency=1)
    records = [update(address, "unsubscribed") for address in people]
    process.send(messages(records, state_every=5))
    wait_until(lambda: seen(bench, "PATCH"))
    status, state = process.end(signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert state is not None
    decided = [decision["subject"] for decision in bench.decisions()]
    assert decided == people[: state["records"]]
    assert {action for action, _ in bench.actions()} == {"flagged"}
    assert bench.runs()[0]["status"] == "stopped"


@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
def test_sigkill_leaves_no_state_before_its_write_and_the_next_run_completes(
    bench: Any, update: Update, messages: Messages
) -> None:
    people = addresses(bench)[:10]
    before = bench.flagged()
    records = [update(address, "unsubscribed") for address in people]
    bench.epicor.control.faults(
        {"match": {"method": "PATCH"}, "effect": {"kind": "latency", "seconds": 0.05}}
    )
    process = bench.start(concurrency=1)
    process.send(messages(records, state_every=2))
    first = process.next_state()
    assert first is not None
    status, last = process.end(signal.SIGKILL)
    assert status == -signal.SIGKILL
    covered = (last or first)["records"]
    assert len(bench.decisions()) >= covered
    bench.epicor.control.faults()
    bench.deliver(*records[covered:])
    assert bench.flagged() - before == rows_of(bench, set(people)) - before


def rows_of(bench: Any, people: set[str]) -> set[str]:
    """Rows that hold one of these addresses, as the simulator's own judge reads them, or among others."""
    return {
        name
        for name, row in bench.all_rows().items()
        if classify_email(row["EMailAddress"]).address in people
        or any(address in row["EMailAddress"].lower() for address in people)
    }


@pytest.mark.rule("R2")
@pytest.mark.rule("R3")
@pytest.mark.rule("R7")
@pytest.mark.timeout(900)
def test_no_opt_out_is_lost_and_no_other_row_is_flagged(
    start_bench: Callable[..., Any], update: Update, messages: Messages
) -> None:
    """10,000 events over 2,000 people: repeated, out of order, through faults and two kills."""
    bench = start_bench(customers=2_000, seed=7)
    dice = random.Random(7)
    people = dice.sample(addresses(bench), 2_000)
    flagged_before = bench.flagged()
    events = [
        update(
            dice.choice(people),
            dice.choice(["subscribed", "unsubscribed", "unsubscribed", "complaint", "cleaned"]),
            second=dice.randrange(3_000),
            sequence=number,
            event_id=f"e{number}",
        )
        for number in range(9_000)
    ]
    arriving = [*events, *dice.sample(events, 1_000)]
    arriving = [arriving[index] for index in sorted(range(10_000), key=lambda i: i + dice.randrange(400))]
    bench.epicor.control.faults(
        {"match": {"method": "PATCH", "every": 151}, "effect": {"kind": "reset", "applied": True}},
        {"match": {"method": "PATCH", "every": 97}, "effect": {"kind": "status", "status": 503}},
        {"match": {"method": "GET", "every": 89}, "effect": {"kind": "status", "status": 429}},
    )
    done = 0
    for kill_after in (3, 6):
        process = bench.start(linked_people="same_address")
        process.send(messages(arriving[done:], state_every=500, first=done))
        states = [process.next_state() for _ in range(kill_after)]
        assert states[-1] is not None
        _, last = process.end(signal.SIGKILL)
        done = (last or states[-1])["records"]
    process = bench.start(linked_people="same_address")
    process.send(messages(arriving[done:], state_every=500, first=done))
    while (state := process.next_state()) and not state.get("end"):
        done = state["records"]
    assert process.end(signal.SIGTERM)[0] == 128 + signal.SIGTERM
    newest = {
        event["email"]: event["contact_status"]
        for event in sorted(events, key=lambda event: (event["occurred_at"], event["sequence"]))
    }
    opted_out = {address for address, status in newest.items() if status != "subscribed"}
    rows = bench.all_rows()
    flagged = {name for name, row in rows.items() if row["NoContact"]}
    expected = rows_of(bench, opted_out) | flagged_before
    assert not expected - flagged
    assert not {name for name in flagged - expected if not shares_its_field(rows[name])}
    assert not [decision for decision in bench.decisions() if decision["dead_letter"]]


def shares_its_field(row: dict[str, Any]) -> bool:
    """Whether a row holds several addresses: its flag stays when one of them opts out and returns."""
    return classify_email(row["EMailAddress"]).kind == "several"
