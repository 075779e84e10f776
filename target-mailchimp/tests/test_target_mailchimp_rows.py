"""Several source rows and streams with one address come together in one member."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

PERSON = "person@example.com"
CUSTOMER = {"email_address": PERSON, "COMPANY": "Acme", "source_key": "C", "source_updated_on": "2"}
NAMES_ONLY = {"update_only_streams": ["names"]}


def schema_line(stream: str = "customers", **properties: Any) -> dict[str, Any]:
    properties = {"email_address": {"type": "string"}, **properties}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}


def record_line(stream: str = "customers", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"email_address": PERSON, **record}}


def name_lines(**record: Any) -> list[dict[str, Any]]:
    """A stream that only updates, with a name of the person."""
    return [
        schema_line("names", FNAME={"type": "string"}),
        record_line("names", FNAME="A", source_key="N", source_updated_on="1", **record),
    ]


@pytest.mark.rule("R1")
def test_a_stream_that_only_updates_creates_nobody_and_is_remembered(bench: Any) -> None:
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert (decided.action, decided.reason) == ("skipped", "not_a_member")
    assert bench.members() == {}
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert decided.action == "created"
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("A", "Acme")
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert decided.action == "unchanged"


@pytest.mark.rule("R1")
def test_an_opt_out_that_comes_before_the_person_keeps_the_person_out(bench: Any) -> None:
    bench.run_messages(name_lines(status="unsubscribed"), **NAMES_ONLY)
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert (decided.action, decided.reason) == ("skipped", "opted_out_at_source")
    assert bench.members() == {}
    # Taken back at the source, it stands no longer in the way of the customer, who waited too.
    [decided] = bench.run_messages(name_lines(), **NAMES_ONLY)
    assert decided.action == "created"
    assert bench.members()[PERSON]["merge_fields"]["COMPANY"] == "Acme"


def test_what_a_row_said_under_another_address_does_not_wait_here(bench: Any) -> None:
    bench.run_messages(name_lines(status="unsubscribed"), **NAMES_ONLY)
    moved = [schema_line("names"), record_line("names", source_key="N", source_updated_on="2")]
    moved[1]["record"]["email_address"] = "elsewhere@example.com"
    bench.run_messages(moved, **NAMES_ONLY)
    [decided] = bench.run([CUSTOMER], **NAMES_ONLY)
    assert decided.action == "created"


@pytest.mark.rule("R1")
@pytest.mark.parametrize("names_first", [True, False])
def test_an_inactive_customer_is_not_created_by_a_name_in_the_same_batch(
    bench: Any, names_first: bool
) -> None:
    customer = [schema_line(), record_line(**CUSTOMER, source_active=False)]
    lines = [*name_lines(), *customer] if names_first else [*customer, *name_lines()]
    bench.run_messages(lines, **NAMES_ONLY)
    assert bench.members() == {}


@pytest.mark.rule("R7")
def test_rows_of_one_address_in_one_batch_come_together(bench: Any) -> None:
    decided = bench.run(
        [
            {
                "email_address": "Person@Example.com",
                "FNAME": "A",
                "source_key": "1",
                "source_updated_on": "2026-01-02",
            },
            {
                "email_address": PERSON,
                "FNAME": "B",
                "LNAME": "L",
                "source_key": "2",
                "source_updated_on": "2026-01-01",
            },
        ]
    )
    assert Counter(entry.action for entry in decided) == {"created": 1, "merged": 1}
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["LNAME"]) == ("A", "L")


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.5Z"),
        ("2026-10-25T02:50:00+02:00", "2026-10-25T02:10:00+01:00"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 500])
def test_the_later_of_two_rows_counts_whatever_the_digits_and_the_zone_of_its_time(
    bench: Any, earlier: str, later: str, batch_size: int
) -> None:
    new = {**CUSTOMER, "COMPANY": "New", "source_key": "A", "source_updated_on": later}
    bench.run([new, {**CUSTOMER, "source_updated_on": earlier}], batch_size=batch_size)
    assert bench.members()[PERSON]["merge_fields"]["COMPANY"] == "New"


@pytest.mark.rule("R8")
@pytest.mark.parametrize("batch_size", [1, 500])
def test_rows_of_one_address_do_not_take_turns(bench: Any, batch_size: int) -> None:
    rows = [
        {"email_address": PERSON, "FNAME": "Newer", "source_key": "1", "source_updated_on": "2026-01-02"},
        {"email_address": PERSON, "FNAME": "Older", "source_key": "2", "source_updated_on": "2026-01-01"},
    ]
    bench.run(rows, batch_size=batch_size)
    for _ in range(2):
        bench.clear()
        decided = bench.run(rows[::-1], batch_size=batch_size)
        assert {entry.action for entry in decided} <= {"unchanged", "superseded", "merged"}
        assert not any(key.startswith("POST") for key in bench.calls())
    assert bench.members()[PERSON]["merge_fields"]["FNAME"] == "Newer"


@pytest.mark.rule("R7")
@pytest.mark.parametrize("batch_size", [1, 500])
def test_a_newer_row_keeps_no_other_row_from_values_that_only_mailchimp_had(
    bench: Any, batch_size: int
) -> None:
    person = {"email": PERSON, "state": "subscribed", "merge_fields": {"FNAME": "B", "COMPANY": "Before"}}
    bench.mailchimp.control.put_members([person])
    newer = {"email_address": PERSON, "FNAME": "B", "source_key": "1", "source_updated_on": "2026-01-02"}
    older = {**newer, "FNAME": "C", "COMPANY": "Acme", "source_key": "2", "source_updated_on": "2026-01-01"}
    bench.run([newer, older], batch_size=batch_size)
    bench.run([older, newer], batch_size=batch_size)
    fields = bench.members()[PERSON]["merge_fields"]
    assert (fields["FNAME"], fields["COMPANY"]) == ("B", "Acme")
