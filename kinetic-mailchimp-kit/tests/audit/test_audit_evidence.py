"""Evidence of consent, from the command line: a document of its own, and the check of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase, export_person
from kinetic_mailchimp.audit.privacy.retention import prune
from kinetic_mailchimp.audit.reading.evidence import check, facts_of, gather
from kinetic_mailchimp.audit.reading.reports.evidence_document import read_facts, write_document
from kinetic_mailchimp.audit.storage.schema import decisions
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.mailchimp import subscriber_hash

Make = Callable[..., Decision]


@pytest.fixture
def sync_audit(trail: AuditTrail, url: str, decision: Make) -> Callable[..., Result]:
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0")
    part = decision(targets="CustCnt EPIC06/1/4")
    run.read(3)
    run.record(
        [
            decision(1),
            decision(1, Action.FLAGGED, consent="unsubscribed", detail="</script><b>", parts=[part]),
            decision(2, Action.FAILED, consent="cleaned", dead_letter={"email": "person2@example.com"}),
        ]
    )
    run.finish()
    return lambda *given: CliRunner().invoke(main, ["--database", url, "evidence", *given])


def test_a_document_tells_of_consent_alone_and_is_checked(
    sync_audit: Callable[..., Result], tmp_path: Path
) -> None:
    for number, entries in ((1, 2), (2, 1), (3, 0)):
        file = tmp_path / f"{number}.html"
        written = sync_audit(f"person{number}@example.com", "--output", str(file))
        assert written.exit_code == 0, written.output
        checked = sync_audit("--check", str(file))
        assert checked.exit_code == 0, checked.output
        assert checked.output.count("in the trail, as it is here") == entries
    document = (tmp_path / "1.html").read_text(encoding="utf-8")
    assert document.count("</script>") == 1
    assert "&lt;/script&gt;&lt;b&gt;" in document
    changed = tmp_path / "changed.html"
    changed.write_text(document.replace('"unsubscribed"', '"subscribed"'), encoding="utf-8")
    forged = sync_audit("--check", str(changed))
    assert (forged.exit_code, "its facts do not make its digest" in forged.output) == (1, True)


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    "change",
    [
        sa.update(decisions).where(decisions.c.seq == 2).values(consent="subscribed"),
        sa.update(decisions).where(decisions.c.seq == 2).values(detail="He agreed."),
        sa.delete(decisions).where(decisions.c.seq == 1),
    ],
    ids=["facts", "personal", "removed"],
)
def test_a_document_of_a_trail_that_was_changed_says_so(
    sync_audit: Callable[..., Result], trail: AuditTrail, tmp_path: Path, change: sa.Executable
) -> None:
    with trail.database.writing() as connection:
        connection.execute(change)
    file = tmp_path / "evidence.html"
    written = sync_audit("person1@example.com", "--output", str(file))
    assert (written.exit_code, "Run 1 entry 2 was changed in the trail." in written.stderr) == (1, True)
    assert "The trail was changed: its " in file.read_text(encoding="utf-8")
    checked = sync_audit("--check", str(file))
    assert (checked.exit_code, "do not make its digest" in checked.output) == (1, True)


@pytest.mark.rule("R6")
def test_a_document_that_is_made_after_a_pruning_proves_what_was_kept(
    sync_audit: Callable[..., Result], trail: AuditTrail, clock: Any, tmp_path: Path
) -> None:
    clock.advance(days=800)
    assert prune(trail, timedelta(days=730)).kept == 3
    file = tmp_path / "evidence.html"
    assert sync_audit("person1@example.com", "--output", str(file)).exit_code == 0
    facts = read_facts(file.read_text(encoding="utf-8"))
    assert all(entry["previous"] for entry in facts["entries"])
    assert [one.is_good for one in check(trail, facts)] == [True] * 3


def test_wrong_use_is_told(sync_audit: Callable[..., Result], tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    for content in ("<p>Hello</p>", '<script type="application/json" id="facts">[1]</script>'):
        other.write_text(content, encoding="utf-8")
        refused = sync_audit("--check", str(other))
        assert (refused.exit_code, "is not one that" in refused.stderr) == (3, True)
    assert sync_audit().exit_code == 2
    assert sync_audit("a@example.com", "--check", str(other)).exit_code == 2


SAID = {
    "told_by": "webhook",
    "received_at": "2026-03-01T09:30:00+00:00",
    "is_signed": True,
    "ip_opt": "192.0.2.7",
    "reason": "manual",
}


def record_statements(trail: AuditTrail, decision: Make) -> None:
    """An opt-out with what Mailchimp said, a look at the same member, and a dry run of both."""
    made = [
        decision(
            1, Action.FLAGGED, consent="unsubscribed", statement=SAID, parts=[decision(payload={"a": 1})]
        ),
        decision(1, Action.UNCHANGED, statement={"told_by": "read", "ip_signup": "192.0.2.8"}),
        decision(1, Action.UPDATED, payload={"merge_fields": {}}),
    ]
    for dry_run in (False, True):
        run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0", dry_run=dry_run)
        run.read(3)
        run.record(made)
        run.finish()


@pytest.mark.rule("R6")
@pytest.mark.parametrize("key", [None, Fernet.generate_key().decode()], ids=["clear", "encrypted"])
@pytest.mark.parametrize("keep_payloads", [False, True])
def test_what_mailchimp_said_is_evidence_and_goes_with_the_person(
    url: str, decision: Make, key: str | None, *, keep_payloads: bool
) -> None:
    address = "person1@example.com"
    with AuditTrail.open(url, encryption_key=key, keep_payloads=keep_payloads) as trail:
        record_statements(trail, decision)
        assert verify(trail).problems == ()
        found = gather(trail, trail.person(address))
        assert [proof.statement and proof.statement["told_by"] for proof in found.proofs] == [
            "webhook",
            None,  # the row that was written
            "read",
        ]
        shown = write_document(found, address, trail.clock()).partition("<script")[0]
        for told in ("a webhook of Mailchimp, its signature checked", "192.0.2.7", "192.0.2.8"):
            assert told in shown
        assert all(one.is_good for one in check(trail, facts_of(found)))
        stored = [
            row["payload"]
            for row in export_person(trail, address, vendor_hash=subscriber_hash)
            if "payload" in row and "192.0.2" in row["payload"]
        ]
        assert len(stored) == 2  # the dry run proves nothing
        with trail.database.reading() as connection:
            texts = connection.execute(sa.select(decisions.c.payload)).scalars().all()
        assert any("192.0.2.7" in text for text in texts if text) is (key is None)
        erase(trail, address, vendor_hash=subscriber_hash)
        assert verify(trail).problems == ()
        assert [proof.statement for proof in gather(trail, trail.person(address)).proofs] == [None, None]


def test_without_the_key_the_rest_is_evidence_still(url: str, decision: Make) -> None:
    with AuditTrail.open(url, encryption_key=Fernet.generate_key().decode()) as trail:
        record_statements(trail, decision)
    with AuditTrail.open(url) as trail:
        found = gather(trail, trail.person("person1@example.com"))
        assert len(found.proofs) == 2
        document = write_document(found, None, trail.clock())
    assert "the key is not set in AUDIT_ENCRYPTION_KEY" in document
