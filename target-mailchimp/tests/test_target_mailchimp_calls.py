"""What the audit trail says about each write: the answer, Mailchimp's id of the call, how long it took."""

from __future__ import annotations

from typing import Any

import pytest

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
