"""A repair sends what drifted and no run would send again, and then nothing."""

from __future__ import annotations

from typing import Any

import pytest

PERSON = "person@example.com"
ROW = {"email_address": PERSON, "source_key": "Customer EPIC06/1", "FNAME": "Ann", "COMPANY": "Acme"}

pytestmark = pytest.mark.rule("R8")


def fields(bench: Any) -> dict[str, Any]:
    shown: dict[str, Any] = bench.members()[PERSON]["merge_fields"]
    return shown


@pytest.mark.parametrize("both", [frozenset(), frozenset({"FNAME", "COMPANY"})], ids=["one way", "both ways"])
def test_a_value_that_was_not_stored_is_sent_again(bench: Any, both: frozenset[str]) -> None:
    settings = {"two_way_fields": sorted(both)}
    bench.run([ROW], **settings)
    bench.mailchimp.control.switch(unstored_merge_value="Acme Ltd")
    renamed = {**ROW, "COMPANY": "Acme Ltd"}
    [decided] = bench.run([renamed], **settings)
    assert "COMPANY (not_stored_by_mailchimp" in decided.detail
    bench.mailchimp.control.switch(unstored_merge_value="")

    [decided] = bench.run([renamed], repair=True, dry_run=True, **settings)
    assert (decided.changes["merge_fields.COMPANY"], fields(bench)["COMPANY"]) == (
        ["Acme", "Acme Ltd"],
        "Acme",
    )
    [decided] = bench.run([renamed], repair=True, **settings)
    assert (decided.action, fields(bench)["COMPANY"]) == ("updated", "Acme Ltd")
    bench.clear()
    [decided] = bench.run([renamed], repair=True, **settings)
    assert decided.action == "unchanged"
    assert not [call for call in bench.calls() if not call.startswith("GET")]


def test_a_value_that_mailchimp_changed_without_a_word_is_put_back(bench: Any) -> None:
    bench.run([ROW])
    # Its time of change lies before the last look: no listing of what changed since then has it.
    changed = {"email": PERSON, "state": "subscribed", "last_changed": 1_000_000_000}
    bench.mailchimp.control.put_members([{**changed, "merge_fields": {"FNAME": "Ann", "COMPANY": "Other"}}])
    [decided] = bench.run([ROW])
    assert (decided.action, fields(bench)["COMPANY"]) == ("unchanged", "Other")

    [decided] = bench.run([ROW], repair=True)
    assert (decided.action, decided.reason, fields(bench)["COMPANY"]) == ("updated", "restored", "Acme")
    assert bench.last_run()["pipeline"] == "repair"


def test_a_repair_emits_no_state(bench: Any) -> None:
    line = {"type": "STATE", "value": {"read": 0}}
    assert bench.states([line], repair=True) == []
    assert bench.states([line]) == [{"read": 0}]
