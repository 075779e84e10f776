"""A new address at the source or in Mailchimp stays the same member."""

from __future__ import annotations

from typing import Any

import pytest
from target_mailchimp.rules.plan import Write
from target_mailchimp.writing.write_result import WriteResult
from target_mailchimp.writing.writer import MailchimpWriter

PERSON = "person@example.com"


def test_a_new_address_at_the_source_moves_the_member(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A", "source_key": "1"}])
    before = bench.members()[PERSON]["contact_id"]
    [decided] = bench.run([{"email_address": "new@example.com", "FNAME": "A", "source_key": "1"}])
    assert decided.action == "moved"
    members = bench.members()
    assert list(members) == ["new@example.com"]
    assert members["new@example.com"]["contact_id"] == before
    [again] = bench.run([{"email_address": "new@example.com", "FNAME": "A", "source_key": "1"}])
    assert again.action == "unchanged"


@pytest.mark.rule("R4")
def test_a_move_whose_answer_was_lost_is_found_again(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "PATCH", "count": 1}, "effect": {"kind": "reset", "applied": True}}]
    )
    [decided] = bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    assert decided.action == "moved"
    assert list(bench.members()) == ["new@example.com"]


def test_a_new_address_that_is_a_member_already_is_updated(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": "new@example.com", "state": "subscribed"}])
    left, decided = bench.run([{"email_address": "new@example.com", "FNAME": "N", "source_key": "1"}])
    assert (left.subject, left.reason) == (PERSON, "left_behind")
    assert (decided.action, decided.reason) == ("updated", "fields_differ")
    assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == "N"


@pytest.mark.rule("R4")
def test_a_new_address_that_becomes_a_member_before_the_move_is_updated(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    move = MailchimpWriter.write_single

    def overtaken(writer: MailchimpWriter, write: Write) -> WriteResult:
        bench.mailchimp.control.put_members([{"email": "new@example.com", "state": "subscribed"}])
        return move(writer, write)

    monkeypatch.setattr(MailchimpWriter, "write_single", overtaken)
    [decided] = bench.run([{"email_address": "new@example.com", "FNAME": "N", "source_key": "1"}])
    assert (decided.action, decided.reason) == ("updated", "address_taken")
    assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == "N"


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "state", ["unsubscribed_by_contact", "unsubscribed_by_admin", "archived", "forgotten"]
)
def test_an_opt_out_moves_along_with_the_person(bench: Any, state: str) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    members = bench.members()
    assert members.get("new@example.com", {}).get("status") in {None, "unsubscribed"}
    assert bench.mailchimp.control.raises("raised") == []


def test_a_member_whose_address_was_changed_in_mailchimp_goes_on_being_updated(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "FNAME": "A", "source_key": "1"}])
    bench.mailchimp.control.change_address(PERSON, "new@example.com")
    moved = {"email_address": "new@example.com", "source_key": "1"}
    for name in ("B", "C"):
        [decided] = bench.run([{**moved, "FNAME": name}])
        assert decided.action == "updated"
        assert bench.members()["new@example.com"]["merge_fields"]["FNAME"] == name


def test_an_address_that_another_row_still_has_stays(bench: Any) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}, {"email_address": PERSON, "source_key": "2"}])
    [decided] = bench.run([{"email_address": "new@example.com", "source_key": "1"}])
    assert decided.action == "created"
    assert set(bench.members()) == {PERSON, "new@example.com"}


@pytest.mark.rule("R1")
@pytest.mark.parametrize("state", ["subscribed", "unsubscribed_by_contact"])
def test_an_address_that_another_row_takes_over_at_once_stays(bench: Any, state: str) -> None:
    bench.run([{"email_address": PERSON, "source_key": "1"}])
    bench.mailchimp.control.put_members([{"email": PERSON, "state": state}])
    bench.run(
        [
            {"email_address": "new@example.com", "source_key": "1"},
            {"email_address": PERSON, "source_key": "2"},
        ]
    )
    expected = {PERSON: state, **({"new@example.com": "subscribed"} if state == "subscribed" else {})}
    assert bench.states_of_people() == expected
    assert bench.mailchimp.control.raises("raised") == []
