"""Erasure: what is personal goes, also from the files, and the rest still verifies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase, export_person
from kinetic_mailchimp.audit.state.quality import QUALITY_NAMESPACE
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError
from kinetic_mailchimp.mailchimp import subscriber_hash

Make = Callable[..., Decision]
ADA = "Ada.Lovelace@example.com"
MD5 = hashlib.md5(ADA.lower().encode(), usedforsecurity=False).hexdigest()


def fill(trail: AuditTrail, decision: Make, *, dead_letter: bool = False) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    letter = {"email_address": ADA} if dead_letter else None
    run.read(7)
    run.record(
        [
            decision(
                subject=ADA, source_key="EPIC06/77", consent="unsubscribed", parts=[decision(subject=None)]
            ),
            decision(subject=f"  {ADA.upper()} ", event_id="e-77", dead_letter=letter),
            decision(subject="new@example.com", former_subject=ADA),
            decision(subject="new@example.com", changes={"EMail": [ADA, "new@example.com"]}),
            decision(subject=None, targets=f"list 1a2b3c member {MD5}"),
            decision(subject="x" + ADA, detail=f"Not {ADA}.au and not her-{ADA}."),
            decision(2),
        ],
        ledger={
            "members": {ADA.lower(): {"x": 1}, "other@example.com": {"x": 1}, "x" + ADA.lower(): {}},
            "rows": {"EPIC06/77": {"was": {"EMail": ADA}}, f"1a2b3c/{MD5}": {}, "EPIC06/1": {}},
        },
    )
    run.finish()


def test_everything_about_the_person_goes_and_the_chain_verifies(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    outcome = erase(trail, ADA.lower(), vendor_hash=subscriber_hash)
    assert (outcome.records, outcome.ledger_keys, outcome.cleaned_up) == (6, 3, True)
    assert verify(trail).problems == ()
    with trail.database.reading() as connection:
        left = (
            connection.execute(sa.select(decisions.c.subject).where(decisions.c.salt.is_not(None)))
            .scalars()
            .all()
        )
    assert {"x" + ADA, "person2@example.com"} <= set(left)
    assert trail.ledger("members").count() == 2
    assert dict(trail.ledger("rows").items()) == {"EPIC06/1": {}}


def test_a_flaw_of_a_row_goes_with_the_person_whom_its_address_field_names(trail: AuditTrail) -> None:
    flaw = {"kind": "several_addresses", "since": "2026-03-01T09:30:00.000000Z"}
    several = {**flaw, "address": f"second@example.com; {ADA}"}
    bounced = {**flaw, "kind": "bounced", "address": "other@example.com", "group": f"1a2b3c/{MD5}"}
    of_another = {**flaw, "address": "other@example.com; third@example.com"}
    findings = {
        "address/customers/1": several,
        "bounced/customers/1": bounced,
        "address/customers/2": of_another,
    }
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([], ledger={QUALITY_NAMESPACE: findings})
    run.finish()
    erase(trail, ADA, vendor_hash=subscriber_hash)
    assert dict(trail.ledger(QUALITY_NAMESPACE).items()) == {"address/customers/2": of_another}


def test_the_proof_of_the_opt_out_is_found_again_by_who_knows_the_address(
    trail: AuditTrail, decision: Make
) -> None:
    fill(trail, decision)
    erase(trail, ADA, vendor_hash=subscriber_hash)
    query = sa.select(decisions.c.recorded_at, decisions.c.consent).where(
        decisions.c.person == trail.person(ADA), decisions.c.consent.is_not(None)
    )
    with trail.database.reading() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    assert found == [("2026-03-01T09:30:00.000000Z", "unsubscribed")]


def test_a_second_erasure_finds_nothing(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    erase(trail, ADA, vendor_hash=subscriber_hash)
    again = erase(trail, ADA, vendor_hash=subscriber_hash)
    assert (again.records, again.ledger_keys) == (0, 0)
    assert verify(trail).is_whole


def test_nothing_is_left_in_the_files(sqlite_trail: AuditTrail, decision: Make, tmp_path: Path) -> None:
    fill(sqlite_trail, decision)

    def traces() -> int:
        everything = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir()).lower()
        mine = everything.replace(b"x" + ADA.lower().encode(), b"").replace(
            b"not " + ADA.lower().encode(), b""
        )
        return mine.replace(b"her-" + ADA.lower().encode(), b"").count(ADA.lower().encode()) + mine.count(
            b"epic06/77"
        )

    assert traces() > 0
    erase(sqlite_trail, ADA, vendor_hash=subscriber_hash)
    assert traces() == 0


def test_waiting_dead_letters_are_given_up_only_on_purpose(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision, dead_letter=True)
    with pytest.raises(DataError, match="1 dead letter"):
        erase(trail, ADA, vendor_hash=subscriber_hash)
    assert trail.ledger("members").count() == 3
    assert erase(trail, ADA, with_open_dead_letters=True, vendor_hash=subscriber_hash).open_dead_letters == 1
    assert verify(trail).problems == ()


def test_encrypted_records_are_searched_with_the_key_and_never_passed_over_without(
    sqlite_url: str, decision: Make
) -> None:
    key = Fernet.generate_key().decode()
    with AuditTrail.open(sqlite_url, encryption_key=key, keep_payloads=True) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
        run.read(1)
        run.record([decision(subject=None, source_key=None, payload={"members": [ADA]})])
        run.finish()
    with AuditTrail.open(sqlite_url) as trail, pytest.raises(ConfigurationError, match="no key is set"):
        erase(trail, ADA, vendor_hash=subscriber_hash)
    with AuditTrail.open(sqlite_url, encryption_key=key) as trail:
        assert erase(trail, ADA, vendor_hash=subscriber_hash).records == 1
        assert verify(trail).is_whole


def test_an_erased_entry_cannot_be_given_other_data(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    erase(trail, ADA, vendor_hash=subscriber_hash)
    with trail.database.writing() as connection:
        connection.execute(
            sa.update(decisions).where(decisions.c.seq == 1, decisions.c.run_id == 1).values(detail="No")
        )
    assert [problem.what for problem in verify(trail).problems] == ["was erased, and has personal data again"]


def test_data_that_vanished_without_an_erasure_is_found(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    gone = dict.fromkeys(
        ("salt", "subject", "former_subject", "source_key", "event_id", "targets", "detail", "changes")
    )
    with trail.database.writing() as connection:
        connection.execute(sa.update(decisions).where(decisions.c.seq == 1).values(gone))
    assert [problem.what for problem in verify(trail).problems] == [
        "its personal data is missing without a record of an erasure"
    ]


def test_failures_keep_their_action_when_the_person_is_erased(trail: AuditTrail, decision: Make) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(1)
    run.record([decision(subject=ADA, action=Action.FAILED)])
    run.finish()
    erase(trail, ADA, vendor_hash=subscriber_hash)
    query = sa.select(decisions.c.action).where(decisions.c.person == trail.person(ADA))
    with trail.database.reading() as connection:
        assert connection.execute(query).scalars().all() == ["failed"]


def test_the_erasure_lists_what_it_found_where(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision, dead_letter=True)
    outcome = erase(trail, ADA, vendor_hash=subscriber_hash, with_open_dead_letters=True)
    assert (outcome.dead_letters, outcome.open_dead_letters, outcome.payloads) == (1, 1, 0)
    assert outcome.namespaces == ("members", "rows")


def test_an_export_of_a_person_holds_what_an_erasure_would_remove(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision, dead_letter=True)
    found = list(export_person(trail, ADA.upper(), vendor_hash=subscriber_hash))
    assert [item["where"] for item in found] == ["trail"] * 6 + ["ledger members"] + ["ledger rows"] * 2
    assert json.loads(next(item["dead_letter"] for item in found if "dead_letter" in item)) == {
        "email_address": ADA
    }
    erase(trail, ADA, vendor_hash=subscriber_hash, with_open_dead_letters=True)
    assert list(export_person(trail, ADA, vendor_hash=subscriber_hash)) == []


@pytest.mark.parametrize("address", ['"ada lovelace"@example.com', '"ada\\\\l_o%"@example.com'])
def test_an_address_with_quotes_is_found_inside_of_what_is_stored(
    trail: AuditTrail, decision: Make, address: str
) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.read(2)
    run.record(
        [
            decision(subject=None, changes={"EMail": [address, "new@example.com"]}),
            decision(subject=None, changes={"EMail": ["ada@example.com", "new@example.com"]}),
        ]
    )
    run.finish()
    assert erase(trail, address, vendor_hash=subscriber_hash).records == 1
