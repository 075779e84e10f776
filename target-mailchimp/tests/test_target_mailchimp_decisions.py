"""Every record ends in one decision: dry runs, limits, dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.audit.targets.settings import TooManyFailuresError
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.encryption import SecretBox

PERSON = "person@example.com"


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A"}])
    bench.clear()
    lines = [
        schema_line(FNAME={"type": "string"}, NEWFIELD={"type": "string"}),
        record_line(FNAME="B"),
        {"type": "RECORD", "stream": "customers", "record": {"email_address": "new@example.com"}},
        {"type": "STATE", "value": {"done": True}},
    ]
    assert bench.states(lines, dry_run=True, create_merge_fields=True) == []
    decided = bench.decisions(bench.last_run()["id"])
    assert sorted(entry.action for entry in decided) == ["created", "updated"]
    assert {key.split()[0] for key in bench.calls()} == {"GET"}
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "A"
    assert sorted(entry.action for entry in bench.run_messages(lines)) == ["created", "updated"]


@pytest.mark.rule("R3")
def test_many_failures_end_the_run_before_its_state(start_bench: Any) -> None:
    bench = start_bench(reject_example_addresses=True)
    people = [{"email_address": f"p{number}@example.com"} for number in range(120)]
    lines = [
        schema_line(),
        *({"type": "RECORD", "stream": "customers", "record": person} for person in people),
        {"type": "STATE", "value": {"done": True}},
    ]
    with pytest.raises(TooManyFailuresError, match="max_failed"):
        bench.states(lines, max_failed=100)
    assert bench.last_run()["status"] == "failed"
    with pytest.raises(TooManyFailuresError, match="max_failed_ratio"):
        bench.states(lines, max_failed_ratio=0.5)
    assert bench.states(lines) == [{"done": True}]


def test_a_dead_letter_goes_back_in_as_it_came(start_bench: Any) -> None:
    bench = start_bench(reject_example_addresses=True)
    given = {"email_address": PERSON, "FNAME": "A", "COMPANY": None, "source_key": "1"}
    [decided] = bench.run([given])
    assert (decided.action, decided.reason, decided.dead_letter) == ("failed", "fake_address", given)
    bench.mailchimp.control.switch(reject_example_addresses=False)
    [replayed] = bench.run([decided.dead_letter])
    assert replayed.action == "created"


@pytest.mark.rule("R9")
@pytest.mark.parametrize("written", ["in clear", "encrypted"])
def test_dead_letters_are_encrypted_where_a_key_is_set(
    bench: Any, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    key, key_of_settings = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", key_of_settings)
    monkeypatch.setenv(
        "AUDIT_ENCRYPTION_KEY", key if written == "in clear" else SecretBox((key_of_settings,)).encrypt(key)
    )
    given = {"email_address": "nobody"}
    bench.states(
        [schema_line(), {"type": "RECORD", "stream": "customers", "record": given}], on_invalid="dead_letter"
    )
    with AuditTrail.open(bench.database_url) as trail, trail.database.reading() as connection:
        [stored] = connection.execute(sa.select(decisions.c.dead_letter)).scalars()
    assert "nobody" not in stored
    assert json.loads(record_encryption(key).decrypt(stored)) == given


@pytest.mark.rule("R10")
def test_a_key_that_cannot_encrypt_is_an_error_that_names_its_variable(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", "no-key")
    with pytest.raises(ConfigurationError, match="AUDIT_ENCRYPTION_KEY"):
        bench.run([{"email_address": PERSON}])


def test_invalid_records_become_dead_letters_on_request(bench: Any) -> None:
    [decided] = bench.run([{"email_address": "nobody"}], on_invalid="dead_letter")
    assert (decided.action, decided.dead_letter) == ("quarantined", {"email_address": "nobody"})


@pytest.mark.rule("R6")
def test_every_record_that_was_read_has_one_decision(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": "gone@example.com", "state": "forgotten"}])
    people = [
        {"email_address": "gone@example.com"},
        {"email_address": "x"},
        {"email_address": PERSON},
        {"email_address": PERSON.upper()},
        {"email_address": "out@example.com", "status": "unsubscribed"},
    ]
    decided = bench.run(people)
    run = bench.last_run()
    assert (len(decided), run["records_read"], run["status"]) == (5, 5, "succeeded")
    with AuditTrail.open(bench.database_url) as trail:
        # The member, and the one whom Mailchimp refuses: who is not sent again.
        assert trail.ledger(f"target-mailchimp/{bench.mailchimp.list_id}/members").count() == 2
