"""What the audit trail says about each write: the answer, Mailchimp's id of the call, how long it took."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.trail.environment import record_encryption
from kinetic_mailchimp.mailchimp import subscriber_hash

ANN, BOB = "ann@example.com", "bob@example.com"
KEYS = {"source_key": "C/1"}


def answer(entry: Any) -> tuple[int | None, bool, bool]:
    """The status, whether there is an id, and whether there is a duration."""
    return entry.http_status, bool(entry.request_id), bool(entry.duration_ms and entry.duration_ms > 0)


@pytest.fixture(params=[False, True], ids=["in a batch", "in a call of its own"])
def either_bench(bench: Any, single_call_target: Any, request: pytest.FixtureRequest) -> Any:
    if request.param:
        bench.target_class = single_call_target
    return bench


def test_who_was_written_has_the_answer_of_the_call(either_bench: Any) -> None:
    [created] = either_bench.run([{"email_address": ANN, "FNAME": "Ann", **KEYS}])
    [updated] = either_bench.run([{"email_address": ANN, "FNAME": "Anna", **KEYS}])
    assert [created.action, updated.action] == ["created", "updated"]
    assert [answer(created), answer(updated)] == [(200, True, True)] * 2
    assert created.request_id != updated.request_id


def test_who_was_moved_or_archived_has_it_too(bench: Any) -> None:
    bench.run([{"email_address": ANN, **KEYS}])
    [moved] = bench.run([{"email_address": BOB, **KEYS}])
    [archived] = bench.run(
        [{"email_address": BOB, "source_active": False, **KEYS}], inactive_action="archive"
    )
    assert [moved.action, archived.action] == ["moved", "archived"]
    assert [answer(moved), answer(archived)] == [(200, True, True), (204, True, True)]


def test_one_that_was_refused_within_a_batch_has_the_answer_of_the_batch(bench: Any) -> None:
    bench.mailchimp.control.put_members([{"email": ANN, "state": "forgotten"}])
    refused, created = bench.run([{"email_address": ANN}, {"email_address": BOB}])
    assert (refused.action, created.action) == ("refused", "created")
    assert answer(refused) == (200, True, True)
    assert refused.request_id == created.request_id


def test_one_that_was_refused_alone_has_the_refusal(bench: Any, single_call_target: Any) -> None:
    bench.target_class = single_call_target
    bench.mailchimp.control.put_members([{"email": ANN, "state": "forgotten"}])
    [refused] = bench.run([{"email_address": ANN}])
    assert (refused.action, answer(refused)) == ("refused", (400, True, True))


def test_what_needs_no_call_has_no_answer(bench: Any) -> None:
    bench.run([{"email_address": ANN}])
    for decided in (bench.run([{"email_address": ANN}]), bench.run([{"email_address": BOB}], dry_run=True)):
        assert [answer(entry) for entry in decided] == [(None, False, False)]


def test_what_was_sent_is_kept_by_setting_alone(bench: Any) -> None:
    [decided] = bench.run([{"email_address": ANN, "FNAME": "Ann"}])
    assert (decided.action, decided.payload) == ("created", None)


def test_what_was_sent_about_each_member_is_kept(either_bench: Any) -> None:
    people = [{"email_address": ANN, "FNAME": "Ann"}, {"email_address": BOB, "FNAME": "Bob"}]
    for name, decided in zip(("Ann", "Bob"), either_bench.run(people, keep_payloads=True), strict=True):
        sent = json.loads(decided.payload)
        assert (sent["email_address"], sent["merge_fields"]) == (decided.subject, {"FNAME": name})
        assert sent["status_if_new"] == "subscribed"


def test_what_was_sent_is_kept_of_a_move_and_of_a_refusal(bench: Any) -> None:
    bench.run([{"email_address": ANN, **KEYS}])
    [moved] = bench.run([{"email_address": BOB, "FNAME": "Bob", **KEYS}], keep_payloads=True)
    assert json.loads(moved.payload) == {"email_address": BOB, "merge_fields": {"FNAME": "Bob"}}
    bench.mailchimp.control.put_members([{"email": "gone@example.com", "state": "forgotten"}])
    [refused] = bench.run([{"email_address": "gone@example.com"}], keep_payloads=True)
    assert json.loads(refused.payload)["email_address"] == "gone@example.com"


def test_what_was_sent_can_be_read_with_the_key_alone_and_goes_with_the_person(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("AUDIT_ENCRYPTION_KEY", key)
    people = [{"email_address": ANN, "FNAME": "Annabella"}, {"email_address": BOB}]
    stored = bench.run(people, keep_payloads=True)[0].payload
    assert "Annabella" not in stored
    assert json.loads(record_encryption(key).decrypt(stored))["merge_fields"] == {"FNAME": "Annabella"}
    with AuditTrail.open(bench.database_url, encryption_key=key) as trail:
        erase(trail, ANN, vendor_hash=subscriber_hash)
        assert verify(trail).is_whole
    left = [
        json.loads(record_encryption(key).decrypt(entry.payload))
        for entry in bench.decisions()
        if entry.payload
    ]
    assert [sent["email_address"] for sent in left] == [BOB]
