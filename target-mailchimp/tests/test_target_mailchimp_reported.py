"""What people of this trade report of Mailchimp, each kind once."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.mark.rule("R1")
def test_who_is_archived_under_another_id_stays_archived(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.mailchimp.control.put_members([{"email": ANN, "state": "archived"}])
    [decided] = bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}])
    assert (decided.action, decided.reason) == ("refused", "archived")
    assert bench.states_of_people() == {ANN: "archived"}


def test_a_member_of_another_id_is_written_tagged_moved_and_archived(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    key = {"source_key": "1"}
    gone = {"source_active": False}
    steps = [
        ({"email_address": ANN, "FNAME": "Ann"}, {}, "updated"),
        ({"email_address": ANN, "FNAME": "Ann", **gone}, {"inactive_action": "tag"}, "updated"),
        ({"email_address": BOB, "FNAME": "Ann"}, {}, "moved"),
        ({"email_address": BOB, "FNAME": "Ann", "status": "unsubscribed"}, {}, "flagged"),
        ({"email_address": BOB, "FNAME": "Ann", **gone}, {"inactive_action": "archive"}, "archived"),
    ]
    for record, settings, action in steps:
        assert [entry.action for entry in bench.run([{**record, **key}], **settings)] == [action]
    assert bench.members()[BOB]["state"] == "archived"


def test_a_comparison_knows_members_of_another_id(bench: Any) -> None:
    bench.mailchimp.control.switch(member_ids="other")
    bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}])
    [decided] = bench.run([{"email_address": ANN, "source_key": "1", "FNAME": "Ann"}], reconcile=True)
    assert (decided.action, decided.reason) == ("unchanged", "no_field_differs")


@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_contacts_without_an_address_end_no_run(
    bench: Any, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    bench.mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    bench.mailchimp.control.switch(contacts_without_address=form)
    records = [{"email_address": ANN, "status": "unsubscribed"}, {"email_address": BOB}]
    with caplog.at_level(logging.WARNING):
        decided = bench.run(records)
    assert Counter(entry.action for entry in decided) == {"flagged": 1, "created": 1}
    assert "2 contacts without an e-mail address" in caplog.text
