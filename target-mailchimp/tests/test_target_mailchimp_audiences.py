"""Settings, streams and records name their audience; a lost ledger is read back from it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.audience_matrix import AUDIENCES_NAMESPACE
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


# Companies and audiences


def of_company(company: str, address: str = PERSON, **more: Any) -> dict[str, Any]:
    return record_line(email_address=address, source_key=f"Customer {company}/1", **more)


@pytest.mark.rule("R6")
def test_a_row_goes_to_each_audience_that_its_company_feeds(bench: Any) -> None:
    main, second = bench.mailchimp.list_id, bench.mailchimp.control.add_list("Second")
    fed = {"EPIC06": [main, second, main], "EPIC07": [second], "EPIC08": []}
    lines = [
        schema_line(),
        of_company("EPIC06"),
        of_company("EPIC07", "other@example.com"),
        of_company("EPIC08", "nobody@example.com"),
        of_company("EPIC08", "not an address"),
        of_company("EPIC06", "not an address"),
        record_line(email_address="named@example.com", list_id=second),
    ]
    decided = bench.run_messages(lines, audiences_by_company=fed, list_id=None)
    assert list(bench.members(main)) == [PERSON]
    assert sorted(bench.members(second)) == ["named@example.com", "other@example.com", PERSON]
    assert Counter((entry.action, entry.reason) for entry in decided) == {
        ("created", "new_subscribed"): 4,
        ("skipped", "company_feeds_no_audience"): 2,
        ("skipped", "not_an_address"): 1,
    }
    assert bench.last_run()["records_read"] == len(decided)


def test_a_dead_letter_of_a_row_is_of_one_audience(start_bench: Any) -> None:
    bench = start_bench(reject_example_addresses=True)
    main, second = bench.mailchimp.list_id, bench.mailchimp.control.add_list("Second")
    fed = {"EPIC06": [main, second]}
    decided = bench.run_messages([schema_line(), of_company("EPIC06")], audiences_by_company=fed)
    letters = [entry.dead_letter for entry in decided]
    assert {letter["list_id"] for letter in letters} == {main, second}
    again = bench.run_messages(
        [schema_line(), {"type": "RECORD", "stream": "customers", "record": letters[0]}],
        audiences_by_company=fed,
    )
    assert [entry.action for entry in again] == ["failed"]


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("fed", "words"),
    [
        (
            {"EPIC06": ["nowhere"]},
            "`audiences_by_company`: the account has no audience with the id 'nowhere'",
        ),
        ({"EPIC06": ["Customers"]}, "no audience with the id 'Customers'.* has: Customers"),
        ({"EPIC06": []}, "feeds an audience"),
        ({"EPIC6": ["{main}"]}, r"says nothing about company EPIC06.*`EPIC06: \[\]`.* Is EPIC6 meant"),
    ],
)
def test_what_is_wrong_with_the_audiences_of_companies_ends_the_run(
    bench: Any, fed: dict[str, list[str]], words: str
) -> None:
    fed = {
        company: [one.format(main=bench.mailchimp.list_id) for one in lists] for company, lists in fed.items()
    }
    with pytest.raises(ConfigurationError, match=words):
        bench.run_messages([schema_line(), of_company("EPIC06")], audiences_by_company=fed)
    assert bench.members() == {}


@pytest.mark.rule("R10")
def test_a_row_without_a_company_ends_the_run(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="row `C-17` names no company"):
        bench.run_messages(
            [schema_line(), record_line(source_key="C-17")],
            audiences_by_company={"EPIC06": [bench.mailchimp.list_id]},
        )


def test_the_audiences_are_noted_for_the_pages(bench: Any) -> None:
    main, second = bench.mailchimp.list_id, bench.mailchimp.control.add_list("Second")

    def noted() -> dict[str, Any]:
        with AuditTrail.open(bench.database_url) as trail:
            return dict(trail.ledger(AUDIENCES_NAMESPACE).items())

    bench.run_messages([schema_line()], audiences_by_company={"EPIC06": [main]}, dry_run=True)
    assert noted() == {}
    bench.run_messages([schema_line()], audiences_by_company={"EPIC06": [main], "EPIC07": [main, second]})
    assert noted() == {
        main: {"name": "Customers", "companies": ["EPIC06", "EPIC07"]},
        second: {"name": "Second", "companies": ["EPIC07"]},
    }
    bench.run_messages([schema_line()], audiences_by_company={"EPIC06": [main]})
    assert noted() == {main: {"name": "Customers", "companies": ["EPIC06"]}}


def test_purchases_count_in_the_audiences_of_their_company(bench: Any) -> None:
    main, second = bench.mailchimp.list_id, bench.mailchimp.control.add_list("Second")
    lines = [
        schema_line(),
        of_company("EPIC07"),
        {**schema_line("orders"), "schema": {"properties": {"purchase_key": {"type": "string"}}}},
        *(
            {
                "type": "RECORD",
                "stream": "orders",
                "record": {
                    "purchase_key": f"Order {company}/7",
                    "purchase_of": f"customers/Customer {company}/1",
                    "purchase_on": "2026-03-01",
                },
            }
            for company in ("EPIC07", "EPIC08")
        ),
    ]
    decided = bench.run_messages(
        lines,
        audiences_by_company={"EPIC06": [main], "EPIC07": [second], "EPIC08": []},
        purchase_tag="Bought *",
        purchase_fields={"last_on": "LASTORDER"},
        create_merge_fields=True,
    )
    assert Counter(entry.reason for entry in decided)["counted_in_purchases"] == 1
    assert [entry.source_key for entry in decided if entry.reason == "company_feeds_no_audience"] == [
        "Order EPIC08/7"
    ]
    assert bench.members(second)[PERSON]["merge_fields"]["LASTORDER"] == "2026-03-01"
