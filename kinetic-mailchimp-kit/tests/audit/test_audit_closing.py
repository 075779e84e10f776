"""Closing by hand: who may be given up, what is kept of it, and who must be asked first."""

from __future__ import annotations

import getpass
import io
import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.dead_letters.closing import EntryId, close, find_open
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.audit.dead_letters.replay import replay_to, requeue
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.privacy.retention import prune
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.storage.schema import dead_letters, decisions
from kinetic_mailchimp.console.alerts.collect import collect_dead_letters
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.mailchimp import subscriber_hash

Make = Callable[..., Decision]
Command = Callable[..., Result]
PURCHASING, OPT_OUT, NO_LETTER, OTHER = EntryId(1, 1), EntryId(1, 2), EntryId(1, 3), EntryId(1, 4)


@pytest.fixture
def filled(trail: AuditTrail, decision: Make) -> AuditTrail:
    """One run: a letter, the letter of an opt-out, a decision without one, and another letter."""
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
    run.read(4)
    run.record(
        [
            decision(1, Action.QUARANTINED, dead_letter={"email": "PURCHASING"}),
            decision(2, Action.FAILED, consent="unsubscribed", dead_letter={"email": "x@example.com"}),
            decision(3),
            decision(4, Action.FAILED, dead_letter={"email": "y@example.com"}),
        ]
    )
    run.finish()
    return trail


@pytest.fixture
def sync_audit(filled: AuditTrail, url: str) -> Command:
    def run(*arguments: str, answer: str = "") -> Result:
        runner = CliRunner(env={"COLUMNS": "120"})
        return runner.invoke(main, ["--database", url, *arguments], input=answer)

    return run


def close_at(trail: AuditTrail, *places: EntryId) -> int:
    return close(trail, find_open(trail, places), because="Corrected at the source.", closed_by="night-shift")


def states(trail: AuditTrail) -> list[str]:
    with trail.database.reading() as connection:
        query = sa.select(dead_letters.c.state).order_by(dead_letters.c.run_id, dead_letters.c.seq)
        return list(connection.execute(query).scalars())


def test_what_is_closed_waits_no_more(filled: AuditTrail) -> None:
    assert close_at(filled, PURCHASING, OPT_OUT, PURCHASING) == 2
    assert [letter.note.seq for letter in waiting(filled)] == [OTHER.seq]
    (fact,) = collect_dead_letters(filled)
    assert (fact.waiting, fact.opt_outs) == (1, 0)
    output = io.StringIO()
    assert replay_to(filled, output).dispatched == 1
    assert "PURCHASING" not in output.getvalue()
    assert verify(filled).problems == ()


def test_the_trail_keeps_who_closed_a_letter_and_why(filled: AuditTrail, clock: Any) -> None:
    clock.advance(days=2)
    run_id = close_at(filled, OPT_OUT)
    (letter,) = entries(filled, EntryFilter(email="person2@example.com"))
    assert letter.dead_letter == "closed"
    assert letter.closed_at == "2026-03-03T09:30:00.000000Z"
    assert letter.closed_because == "Closed by night-shift: Corrected at the source."
    (closing,) = entries(filled, EntryFilter(action="closed"))
    assert (closing.run_id, closing.plugin, closing.pipeline) == (run_id, "sync-audit", "close")
    assert (closing.targets, closing.detail) == ("dead letter 1/2", letter.closed_because)
    assert closing.refers_to is not None
    assert closing.refers_to.startswith("1:2:")
    assert closing.subject is None


def test_a_letter_that_was_given_back_can_be_closed(filled: AuditTrail) -> None:
    replay_to(filled, io.StringIO())
    assert states(filled) == ["in_flight"] * 3
    requeue(filled)
    close_at(filled, PURCHASING)
    assert states(filled) == ["closed", "open", "open"]
    assert verify(filled).problems == ()


@pytest.mark.parametrize(
    "forged",
    [
        {"state": "open", "result_run_id": None, "result_seq": None},
        {"state": "resolved"},
        {"result_seq": 2},
        {"result_run_id": 1, "result_seq": 3},
    ],
)
def test_a_closed_letter_that_is_changed_is_found(filled: AuditTrail, forged: dict[str, object]) -> None:
    close_at(filled, PURCHASING)
    with filled.database.writing() as connection:
        connection.execute(sa.update(dead_letters).where(dead_letters.c.seq == 1).values(forged))
    assert {problem.where for problem in verify(filled).problems} == {"dead letter of run 1 entry 1"}


def test_a_letter_that_nobody_closed_is_found(filled: AuditTrail) -> None:
    run_id = close_at(filled, PURCHASING)
    forged = {"state": "closed", "result_run_id": run_id, "result_seq": 1}
    with filled.database.writing() as connection:
        connection.execute(sa.update(dead_letters).where(dead_letters.c.seq == OTHER.seq).values(forged))
    assert [str(problem) for problem in verify(filled).problems] == [
        "dead letter of run 1 entry 4: is marked as closed, and its entries say otherwise"
    ]


def test_a_letter_that_a_replay_took_meanwhile_is_not_closed(filled: AuditTrail) -> None:
    found = find_open(filled, [PURCHASING, OTHER])
    replay_to(filled, io.StringIO())
    with pytest.raises(TransientError, match="1/1 is not open any more"):
        close(filled, found, because="Corrected at the source.", closed_by="night-shift")
    assert states(filled) == ["in_flight"] * 3
    assert [entry.seq for entry in entries(filled, EntryFilter(action="closed"))] == []
    assert verify(filled).problems == ()


def test_retention_takes_what_is_closed_and_no_opt_out(filled: AuditTrail, clock: Any) -> None:
    close_at(filled, PURCHASING, OPT_OUT)
    clock.advance(days=800)
    assert prune(filled, timedelta(days=730)).kept == 2
    assert [entry.seq for entry in entries(filled, EntryFilter(run_id=1))] == [OPT_OUT.seq, OTHER.seq]
    assert verify(filled).problems == ()
    close_at(filled, OTHER)
    assert prune(filled, timedelta(days=730)).removed == 1
    assert [entry.seq for entry in entries(filled, EntryFilter(run_id=1))] == [OPT_OUT.seq]
    assert verify(filled).problems == ()


def test_an_erasure_takes_a_closed_letter_without_an_option(filled: AuditTrail) -> None:
    close_at(filled, OPT_OUT)
    outcome = erase(filled, "person2@example.com", vendor_hash=subscriber_hash)
    assert (outcome.records, outcome.open_dead_letters) == (1, 0)
    assert verify(filled).problems == ()


def test_what_failures_shows_can_be_typed(sync_audit: Command, filled: AuditTrail) -> None:
    assert " 1/4 " in sync_audit("failures").output
    outcome = sync_audit("close", "1/1", "1/4", "--because", " Corrected\n at the source.")
    assert outcome.output == "Closed: 2 dead letters. Run 2 of the trail proves it.\n"
    left = sync_audit("failures", "--format", "json").output.splitlines()
    assert [json.loads(line)["seq"] for line in left] == [OPT_OUT.seq]
    told = sync_audit("person", "person1@example.com").output
    assert "dead letter closed" in told
    assert f"  Closed by {getpass.getuser()}: Corrected at the source." in told
    assert verify(filled).problems == ()


def test_a_user_without_a_name_is_a_number(
    sync_audit: Command, filled: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", fail)
    sync_audit("close", "1/1", "--because", "Gone.")
    (closing,) = entries(filled, EntryFilter(action="closed"))
    assert closing.detail == f"Closed by user {os.getuid()}: Gone."


def test_closing_an_opt_out_asks_for_confirmation(sync_audit: Command, filled: AuditTrail) -> None:
    command = ("close", "1/1", "1/2", "--because", "The person left.")
    for answer in ("", "n\n"):
        refused = sync_audit(*command, answer=answer)
        assert refused.exit_code == 1
        assert "1/2: a person opted out" in refused.output
    assert states(filled) == ["open"] * 3
    assert sync_audit(*command, answer="y\n").exit_code == 0
    assert states(filled) == ["closed", "closed", "open"]


def test_nobody_is_asked_where_yes_is_said(sync_audit: Command, filled: AuditTrail) -> None:
    outcome = sync_audit("close", "1/2", "--because", "The person left.", "--yes")
    assert (outcome.exit_code, outcome.output) == (
        0,
        "Closed: 1 dead letter. Run 2 of the trail proves it.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["1/1", "9/1", "--because", "Gone."], 3, "The trail has no run 9."),
        (["1/1", "1/9", "--because", "Gone."], 3, "The trail has no entry 9 of run 1."),
        (["1/1", "1/3", "--because", "Gone."], 3, "The entry 1/3 has no dead letter."),
        (["12", "--because", "Gone."], 2, "'12' is not an entry: write its run and its number, as in 12/34."),
        (["1/1"], 2, "--because"),
        (["1/1", "--because", "  "], 2, "Say why, in a sentence."),
        (["1/1", "--because", "x@example.com left."], 2, "name nobody"),
        (["--because", "Gone."], 2, "RUN/ENTRY"),
    ],
)
def test_wrong_use_closes_nothing(
    sync_audit: Command, filled: AuditTrail, arguments: list[str], status: int, told: str
) -> None:
    outcome = sync_audit("close", *arguments)
    assert (outcome.exit_code, told in outcome.stderr) == (status, True), outcome.stderr
    assert states(filled) == ["open"] * 3


def test_only_an_open_letter_can_be_closed(sync_audit: Command, filled: AuditTrail, decision: Make) -> None:
    command = ("close", "1/4", "--because", "Gone.")
    replay_to(filled, io.StringIO())
    handed_out = sync_audit(*command)
    assert (handed_out.exit_code, "--requeue" in handed_out.stderr) == (3, True)
    run = filled.start_run(plugin="target-epicor-contacts", version="0.1.0")
    run.record([decision(4)])
    run.finish()
    replay_to(filled, io.StringIO())
    resolved = sync_audit(*command)
    assert resolved.exit_code == 3
    assert "The dead letter 1/4 does not wait: it is resolved already." in resolved.stderr
    requeue(filled)
    sync_audit("close", "1/1", "--because", "Gone.")
    assert "it is closed already" in sync_audit("close", "1/1", "--because", "Gone.").stderr


def test_a_closed_entry_is_covered_by_the_chain(filled: AuditTrail) -> None:
    close_at(filled, PURCHASING)
    with filled.database.writing() as connection:
        of_closing = decisions.c.action == "closed"
        connection.execute(sa.update(decisions).where(of_closing).values(detail="Closed by nobody."))
    assert [str(problem) for problem in verify(filled).problems] == [
        "run 2 entry 1: its personal data was changed"
    ]
