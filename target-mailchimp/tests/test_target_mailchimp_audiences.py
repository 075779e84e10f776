"""Settings, streams and records name their audience; a lost ledger is read back from it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError

PERSON = "person@example.com"


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


def test_streams_and_records_may_name_their_audience(bench: Any) -> None:
    second = bench.mailchimp.control.add_list("Second")
    third = bench.mailchimp.control.add_list("Third")
    bench.run_messages(
        [
            schema_line("customers"),
            schema_line("others"),
            record_line("customers"),
            record_line("others"),
            record_line("others", list_id="third"),
        ],
        list_id_by_stream={"others": "Second"},
    )
    assert [list(bench.members(found)) for found in (None, second, third)] == [[PERSON]] * 3


def test_a_record_that_names_no_audience_of_the_account_is_a_dead_letter(bench: Any) -> None:
    decided = bench.run_messages([schema_line(), record_line(list_id="nowhere"), record_line()])
    assert sorted((entry.action, entry.reason) for entry in decided) == [
        ("created", "new_subscribed"),
        ("failed", "no_such_audience"),
    ]


@pytest.mark.rule("R10")
def test_no_audience_at_all_is_a_wrong_setting(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="list_id"):
        bench.run_messages([schema_line(), record_line()], list_id=None)


@pytest.mark.rule("R4")
def test_a_lost_ledger_is_read_back_from_the_audience(bench: Any, tmp_path: Any) -> None:
    people = [{"email_address": f"p{number}@example.com", "FNAME": f"P{number}"} for number in range(30)]
    bench.run(people)
    bench.database_url = f"sqlite:///{tmp_path / 'another.sqlite3'}"
    bench.clear()
    decided = bench.run([*people[:-1], {**people[-1], "FNAME": "New"}])
    assert Counter(entry.action for entry in decided) == {"unchanged": 29, "updated": 1}
    assert sum(count for key, count in bench.calls().items() if key.startswith("POST")) == 1


def test_records_that_name_no_audience_of_the_account_fail_once(bench: Any) -> None:
    decided = bench.run([{"email_address": PERSON, "list_id": "nowhere"}] * 2)
    assert [(entry.action, entry.reason) for entry in decided] == [("failed", "no_such_audience")] * 2
    assert bench.last_run()["status"] == "succeeded"
