"""Correcting by hand: the corrected record waits in place of the original, which stays beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Direction
from kinetic_mailchimp.audit.dead_letters.closing import EntryId
from kinetic_mailchimp.audit.dead_letters.correction import correct, parse_corrections, read_letter
from kinetic_mailchimp.audit.dead_letters.dispatch import waiting
from kinetic_mailchimp.audit.dead_letters.replay import replay_to
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.privacy.retention import prune
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.storage.schema import dead_letters, decisions
from kinetic_mailchimp.console.alerts.collect import collect_dead_letters, collect_runs
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.mailchimp import subscriber_hash

Make = Callable[..., Decision]
Command = Callable[..., Result]
PLUGIN = "target-mailchimp"
TO_MAILCHIMP = Direction("Epicor", "Mailchimp")
RECORD = {
    "email_address": "ada@example,com",
    "FNAME": "Ada",
    "AGE": 36,
    "ADDRESS": {"city": "London"},
    "status": None,
    "source_key": "Customer EPIC06/1",
}
LETTER, OPT_OUT, NAMELESS = EntryId(1, 1), EntryId(1, 2), EntryId(1, 3)


@pytest.fixture
def filled(trail: AuditTrail, decision: Make) -> AuditTrail:
    """One run: a letter, the letter of an opt-out, and one without a key at its source."""
    run = trail.start_run(plugin=PLUGIN, version="0.1.0", pipeline="prod:forward", direction=TO_MAILCHIMP)
    run.describe_stream("customers", {"properties": {"email_address": {}}}, ["email_address"])
    run.read(3)
    named = {"subject": "ada@example,com", "source_key": "Customer EPIC06/1"}
    out = {"email_address": "bob@example.com", "status": "unsubscribed", "source_key": "EPIC06/2"}
    run.record(
        [
            decision(1, Action.QUARANTINED, dead_letter=RECORD, **named),
            decision(2, Action.FAILED, subject="bob@example.com", consent="unsubscribed", dead_letter=out),
            decision(3, Action.FAILED, source_key=None, dead_letter={"email_address": "person3@example.com"}),
        ]
    )
    run.finish()
    return trail


def correct_at(trail: AuditTrail, place: EntryId, **texts: str) -> int:
    found = read_letter(trail, place)
    return correct(trail, found, parse_corrections(found, texts), corrected_by="night-shift")


def states(trail: AuditTrail) -> list[str]:
    with trail.database.reading() as connection:
        query = sa.select(dead_letters.c.state).order_by(dead_letters.c.run_id, dead_letters.c.seq)
        return list(connection.execute(query).scalars())


def decide(trail: AuditTrail, *made: Decision) -> None:
    run = trail.start_run(plugin=PLUGIN, version="0.1.0", pipeline="prod:forward")
    run.read(len(made))
    run.record(made)
    run.finish()


@pytest.mark.rule("R6")
def test_the_corrected_record_goes_out_and_the_original_stays(filled: AuditTrail, decision: Make) -> None:
    number = correct_at(filled, LETTER, email_address="ada@example.com", AGE="37")
    assert states(filled) == ["corrected", "open", "open", "open"]
    output = io.StringIO()
    replay_to(filled, output)
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    sent = next(line["record"] for line in lines if line.get("record", {}).get("AGE"))
    assert sent == {**RECORD, "email_address": "ada@example.com", "AGE": 37}
    assert "ada@example,com" not in output.getvalue()
    assert {"email_address": {}} in [line["schema"]["properties"] for line in lines if "schema" in line]
    decide(filled, decision(1, subject="ada@example.com", source_key="Customer EPIC06/1"))
    replay_to(filled, io.StringIO())
    assert states(filled)[-1] == "resolved"
    original, correction, *_ = entries(filled, EntryFilter(email="ada@example,com"))
    assert (original.dead_letter, original.closed_because) == ("corrected", "Corrected by night-shift.")
    assert (correction.run_id, correction.action, correction.subject) == (
        number,
        "corrected",
        "ada@example.com",
    )
    assert correction.changes == {"email_address": ["ada@example,com", "ada@example.com"], "AGE": [36, 37]}
    with filled.database.reading() as connection:
        query = sa.select(decisions.c.dead_letter).where(decisions.c.run_id == 1, decisions.c.seq == 1)
        assert json.loads(connection.execute(query).scalar_one()) == RECORD
    assert verify(filled).problems == ()


def test_a_correction_can_be_corrected_and_one_without_a_key_too(filled: AuditTrail) -> None:
    first = correct_at(filled, NAMELESS, email_address="eve@example.com")
    second = correct_at(filled, EntryId(first, 1), email_address="una@example.com")
    assert states(filled) == ["open", "open", "corrected", "corrected", "open"]
    assert [letter.note.run_id for letter in waiting(filled)] == [1, 1, second]
    assert verify(filled).problems == ()


def test_a_later_success_at_the_source_ends_the_wait_of_a_correction(
    filled: AuditTrail, decision: Make
) -> None:
    correct_at(filled, LETTER, email_address="ada@example.com")
    decide(filled, decision(1, subject="ada.k@example.com", source_key="Customer EPIC06/1"))
    assert states(filled) == ["corrected", "open", "open", "resolved"]
    assert verify(filled).problems == ()


@pytest.mark.rule("R2")
def test_what_is_corrected_goes_on_counting_as_an_opt_out_that_waits(filled: AuditTrail) -> None:
    correct_at(filled, OPT_OUT, email_address="bob@example.org")
    (fact,) = collect_dead_letters(filled)
    assert (fact.waiting, fact.opt_outs) == (3, 1)
    waiting_ones = entries(filled, EntryFilter(waiting=True))
    assert [entry.consent for entry in waiting_ones] == [None, None, "unsubscribed"]


def test_a_correction_is_no_run_of_its_target_for_alerts(filled: AuditTrail) -> None:
    before = collect_runs(filled)
    correct_at(filled, LETTER, FNAME="Eda")
    assert collect_runs(filled) == before
    with filled.database.reading() as connection:
        assert read_directions(connection)[PLUGIN] == TO_MAILCHIMP


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"email_address": "PURCHASING"}, "`email_address` is not one e-mail address"),
        ({"email_address": "a@example.com; b@example.com"}, "is not one e-mail address"),
        ({"status": "subscribed"}, "`status` cannot be corrected"),
        ({"source_key": "Customer EPIC06/2"}, "These can: email_address, FNAME, AGE, ADDRESS."),
        ({"LNAME": "King"}, "`LNAME` cannot be corrected in this record"),
        ({"AGE": "old"}, "`AGE` is a number in the record"),
        ({"ADDRESS": "London"}, "`ADDRESS` is an object in the record"),
        ({"FNAME": "Ada"}, "Nothing is corrected"),
        ({}, "Nothing is corrected"),
    ],
)
@pytest.mark.rule("R1")
def test_no_correction_says_who_agreed_or_makes_nonsense(
    filled: AuditTrail, texts: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_corrections(read_letter(filled, LETTER), texts)
    assert told in str(caught.value)


@pytest.mark.rule("R1")
def test_an_opt_in_is_not_made_the_word_of_another_person(trail: AuditTrail, decision: Make) -> None:
    record = {"email": "ada@example,com", "contact_status": "subscribed", "FirstName": "Ada"}
    decide(trail, decision(1, Action.QUARANTINED, consent="subscribed", dead_letter=record))
    with pytest.raises(ConfigurationError, match=r"These can: FirstName\."):
        correct_at(trail, LETTER, email="bob@example.com")
    assert correct_at(trail, LETTER, FirstName="Eda") == 2


def test_what_a_replay_took_meanwhile_is_not_corrected(filled: AuditTrail) -> None:
    found = read_letter(filled, LETTER)
    replay_to(filled, io.StringIO())
    with pytest.raises(TransientError, match="1/1 is not open any more"):
        correct(filled, found, {"FNAME": "Eda"}, corrected_by="night-shift")
    assert states(filled) == ["in_flight"] * 3
    assert verify(filled).problems == ()


def test_an_erasure_and_retention_take_a_correction_with_its_original(filled: AuditTrail, clock: Any) -> None:
    correct_at(filled, LETTER, email_address="ada@example.com")
    outcome = erase(filled, "ada@example.com", vendor_hash=subscriber_hash, with_open_dead_letters=True)
    assert (outcome.records, outcome.open_dead_letters) == (2, 1)  # with the note about the original
    erase(filled, "ada@example,com", vendor_hash=subscriber_hash)
    text = "".join(str(entry) for entry in entries(filled, EntryFilter()))
    assert "ada@" not in text.casefold()
    correct_at(filled, NAMELESS, email_address="eve@example.com")
    decide(filled)
    clock.advance(days=800)
    prune(filled, timedelta(days=730))
    assert verify(filled).problems == ()
    assert "eve@example.com" in "".join(str(entry) for entry in entries(filled, EntryFilter(waiting=True)))


@pytest.fixture
def sync_audit(filled: AuditTrail, url: str) -> Command:
    def run(*arguments: str, answer: str = "") -> Result:
        runner = CliRunner(env={"COLUMNS": "120"})
        return runner.invoke(main, ["--database", url, *arguments], input=answer)

    return run


def test_the_command_shows_the_record_and_corrects_it(sync_audit: Command, filled: AuditTrail) -> None:
    shown = sync_audit("correct", "1/1").stdout.splitlines()
    assert shown[0] == "* email_address = ada@example,com"
    assert shown[-1] == "  source_key = Customer EPIC06/1"
    outcome = sync_audit("correct", "1/1", "--set", "email_address=ada@example.com", "--set", "AGE=37")
    assert (
        outcome.output
        == "Corrected: run 2 of the trail holds the new record, `sync-audit replay` sends it.\n"
    )
    refused = sync_audit("correct", "1/1", "--set", "FNAME=Eda")
    assert (refused.exit_code, "it is corrected already" in refused.stderr) == (3, True)
    assert "dead letter corrected" in sync_audit("person", "ada@example,com").output
    assert sync_audit("correct", "1/1", "--set", "FNAME").exit_code == 2
    assert sync_audit("correct", "12").exit_code == 2
    assert verify(filled).problems == ()


@pytest.mark.rule("R2")
def test_another_address_for_an_opt_out_asks_first(sync_audit: Command, filled: AuditTrail) -> None:
    command = ("correct", "1/2", "--set", "email_address=rob@example.com")
    refused = sync_audit(*command, answer="n\n")
    assert (refused.exit_code, "1/2: a person opted out" in refused.output) == (1, True)
    assert states(filled) == ["open"] * 3
    assert sync_audit(*command, "--yes").exit_code == 0
    assert states(filled) == ["open", "corrected", "open", "open"]
