"""Erasure from the ledger, with the entries that the two targets keep there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.privacy.forgetting import blank, find_in_ledger, hashes_of, mentions
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.mailchimp import subscriber_hash

OLD, NEW, OTHER = "ada.old@example.com", "ada.new@example.com", "eve@example.org"
AT = {"occurred_at": "2026-03-01T09:30:00+00:00", "event_id": "e-1"}
STATUS = {"status": {**AT, "value": "unsubscribed", "cause": AT, "reason": None, "pending": False}}
CONTACTS = "target-epicor-contacts"
LIST = "target-mailchimp/1a2b3c"


def md5(address: str) -> str:
    return hashlib.md5(address.encode(), usedforsecurity=False).hexdigest()


def raw(address: str, **more: str) -> dict[str, Any]:
    return {"email_address": address, "status": "unsubscribed", "source_key": "EPIC06/77//1", **more}


def remember(trail: AuditTrail, **namespaces: Any) -> None:
    run = trail.start_run(plugin="target-epicor-contacts", version="0.1.0", personal_fields=["moved"])
    run.record([], ledger=namespaces)
    run.finish()


def known(trail: AuditTrail, namespace: str) -> dict[str, Any]:
    return dict(trail.ledger(namespace).items())


def test_the_address_that_a_person_moved_to_goes_with_the_move(trail: AuditTrail) -> None:
    remember(trail, **{CONTACTS: {OLD: {"moved": {**AT, "to": NEW}}, NEW: {**STATUS, "settled": AT}}})
    assert erase(trail, NEW.title(), vendor_hash=subscriber_hash).ledger_keys == 2
    assert known(trail, CONTACTS) == {}


def test_who_has_the_old_address_now_stays_opted_out(trail: AuditTrail) -> None:
    remember(trail, **{CONTACTS: {OLD: {**STATUS, "moved": {**AT, "to": NEW}}}})
    assert erase(trail, NEW, vendor_hash=subscriber_hash).ledger_keys == 1
    assert known(trail, CONTACTS) == {OLD: STATUS}


def test_the_entry_of_the_old_address_goes_with_the_old_address(trail: AuditTrail) -> None:
    remember(trail, **{CONTACTS: {OLD: {"moved": {**AT, "to": NEW}}, NEW: STATUS}})
    erase(trail, OLD, vendor_hash=subscriber_hash)
    assert known(trail, CONTACTS) == {NEW: STATUS}


def test_everything_that_is_known_of_a_member_goes(trail: AuditTrail) -> None:
    member = {
        "address": NEW.upper(),
        "status": "subscribed",
        "sent": {"merge_fields.FNAME": "Ada"},
        "rows": {"EPIC06/77//1": {}},
    }
    others = {md5(OTHER): {"address": OTHER, "status": "subscribed", "rows": {"EPIC06/9": {}}}}
    waiting = {"EPIC06/77//1": {"stream": "customer_contacts", "raw": raw(NEW, FNAME="Ada")}}
    remember(
        trail,
        **{
            f"{LIST}/members": {md5(NEW): member, **others},
            f"{LIST}/sources": {"EPIC06/77//1": {"member": md5(NEW)}, "EPIC06/9": {"member": md5(OTHER)}},
            f"{LIST}/waiting": {md5(NEW): waiting},
            f"{LIST}/audience": {"listing": {"from": "2026-03-01T09:30:00+00:00"}},
        },
    )
    assert erase(trail, NEW, vendor_hash=subscriber_hash).ledger_keys == 3
    assert known(trail, f"{LIST}/members") == others
    assert known(trail, f"{LIST}/sources") == {"EPIC06/9": {"member": md5(OTHER)}}
    assert known(trail, f"{LIST}/waiting") == {}
    assert trail.ledger(f"{LIST}/audience").count() == 1


def test_a_dead_letter_about_another_person_loses_only_the_mention(trail: AuditTrail) -> None:
    waiting = {"EPIC06/9": {"stream": "customers", "raw": raw(OTHER, MANAGER=f"Ada <{NEW}>")}}
    sent = {
        "address": OTHER,
        "sent": {"merge_fields.MANAGER": NEW, "merge_fields.FNAME": "Eve", "tags": [NEW]},
    }
    remember(trail, **{f"{LIST}/waiting": {md5(OTHER): waiting}, f"{LIST}/members": {md5(OTHER): sent}})
    assert erase(trail, NEW, vendor_hash=subscriber_hash).ledger_keys == 2
    left = {"EPIC06/9": {"stream": "customers", "raw": raw(OTHER)}}
    assert known(trail, f"{LIST}/waiting") == {md5(OTHER): left}
    assert known(trail, f"{LIST}/members") == {
        md5(OTHER): {"address": OTHER, "sent": {"merge_fields.FNAME": "Eve"}}
    }
    assert erase(trail, NEW, vendor_hash=subscriber_hash).ledger_keys == 0


@pytest.mark.parametrize("spelling", ["straße@example.com", "jose\N{COMBINING ACUTE ACCENT}@example.com"])
def test_a_hash_of_an_address_outside_ascii_is_found(trail: AuditTrail, spelling: str) -> None:
    remember(trail, **{f"{LIST}/sources": {"EPIC06/77": {"member": md5(spelling)}}})
    assert erase(trail, spelling, vendor_hash=subscriber_hash).ledger_keys == 1
    assert known(trail, f"{LIST}/sources") == {}


def test_no_trace_is_left_in_the_files(sqlite_trail: AuditTrail, tmp_path: Path) -> None:
    waiting = {"EPIC06/9": {"stream": "customers", "raw": raw(OTHER, MANAGER=NEW)}}
    remember(
        sqlite_trail,
        **{
            CONTACTS: {OLD: {**STATUS, "moved": {**AT, "to": NEW}}},
            f"{LIST}/waiting": {md5(OTHER): waiting, md5(NEW): {"x": {"stream": "x", "raw": raw(NEW)}}},
        },
    )

    def traces() -> int:
        everything = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
        return everything.count(NEW.encode()) + everything.count(md5(NEW).encode())

    assert traces() > 0
    assert erase(sqlite_trail, NEW, vendor_hash=subscriber_hash).cleaned_up
    assert traces() == 0


def test_what_a_run_wrote_meanwhile_is_not_lost(trail: AuditTrail) -> None:
    remember(trail, **{CONTACTS: {OLD: {"fields": {"x": {}}, "moved": {**AT, "to": NEW}}}})
    found = find_in_ledger(trail, mentions(NEW, hashes_of(NEW, subscriber_hash)))
    newer = {OLD: {**STATUS, "moved": {**AT, "to": NEW}}}
    remember(trail, **{CONTACTS: newer})
    with (
        pytest.raises(TransientError, match="while the person was erased"),
        trail.database.writing() as connection,
    ):
        blank(trail, 1, found, connection)
    assert known(trail, CONTACTS) == newer


def test_an_object_that_no_run_registered_keeps_what_is_about_another_person(trail: AuditTrail) -> None:
    remember(trail, **{CONTACTS: {OLD: {**STATUS, "works_for": {**AT, "chief": NEW}}}})
    erase(trail, NEW, vendor_hash=subscriber_hash)
    assert known(trail, CONTACTS) == {OLD: {**STATUS, "works_for": AT}}
