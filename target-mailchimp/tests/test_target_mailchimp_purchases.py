"""What a customer bought becomes merge fields and tags of its member, kept up as orders and days come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from simulators.mailchimp.plain_client import PlainClient
from target_mailchimp.contract.purchase_record import Bought
from target_mailchimp.loading import purchases
from target_mailchimp.planning.purchases import PurchaseLedger
from target_mailchimp.rules.purchases import Sum, months_after, months_between

PERSON = "person@example.com"
OTHER = "other@example.com"
SETTINGS = {
    "create_merge_fields": True,
    "purchase_fields": {"last_on": "LASTORDER", "orders": "ORDERS12", "revenue": "REVENUE12"},
    "purchase_tag": "Bought *",
    "lapsed_tags": {"6": "Lapsed 6 months", "12": "Lapsed 12 months"},
}
_TEXT = {"type": ["string", "null"]}
_SCHEMAS = {
    "members": {
        "email_address": _TEXT,
        "FNAME": _TEXT,
        "source_key": _TEXT,
        "tags": {"type": ["array", "null"]},
    },
    "purchases": {"purchase_key": _TEXT, "purchase_of": _TEXT, "purchase_on": _TEXT},
}


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel("2026-06-15T12:00:00Z") as coordinates:
        yield coordinates


def customer(number: int = 1, email: str = PERSON, **more: Any) -> dict[str, Any]:
    return {"email_address": email, "source_key": f"Customer {number}", **more}


def order(
    number: int, on: str, amount: float = 100.0, *groups: str, of: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "purchase_key": f"Order {number}",
        "purchase_of": f"members/Customer {of}",
        "purchase_on": f"{on}T00:00:00",
        "purchase_amount": amount,
        "purchase_groups": list(groups),
        **more,
    }


def load(bench: Any, *records: dict[str, Any], **settings: Any) -> list[Any]:
    lines: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}
        for stream, properties in _SCHEMAS.items()
    ]
    lines += [
        {"type": "RECORD", "stream": "purchases" if "purchase_key" in record else "members", "record": record}
        for record in records
    ]
    found: list[Any] = bench.run_messages(lines, **{**SETTINGS, **settings})
    return found


def shown(bench: Any, email: str = PERSON) -> tuple[Any, Any, Any, set[str]]:
    member = bench.members()[email]
    fields = member["merge_fields"]
    tags = {tag["name"] for tag in member["tags"]}
    return fields.get("LASTORDER"), fields.get("ORDERS12"), fields.get("REVENUE12"), tags


def test_orders_become_fields_and_tags_of_the_customers_member(bench: Any) -> None:
    decided = load(
        bench,
        customer(),
        order(1, "2024-01-10", 999.0, "Seals"),
        order(2, "2026-01-31", 10.1, "Pumps", "Valves"),
        order(3, "2026-05-01", 20.2, "Pumps"),
        order(4, "2026-05-02", -5.3, "Service"),
    )
    assert shown(bench) == ("2026-05-01", 2, 25, {"Bought Pumps", "Bought Seals", "Bought Valves"})
    assert [(entry.action, entry.reason) for entry in decided[1:]] == [
        ("merged", "counted_in_purchases")
    ] * 4 + [("updated", "purchases")]
    assert bench.last_run()["records_read"] == len(decided)


def test_a_run_without_changes_writes_nothing_and_decides_about_what_came(bench: Any) -> None:
    records = [customer(), order(1, "2026-05-01", 10, "Pumps")]
    load(bench, *records)
    bench.clear()
    assert [entry.action for entry in load(bench, *records)] == ["unchanged", "unchanged"]
    assert load(bench) == []
    assert not [call for call in bench.calls() if not call.startswith("GET")]


@pytest.mark.rule("R4")
def test_an_order_that_changes_goes_to_another_customer_or_is_cancelled_counts_as_it_is(bench: Any) -> None:
    load(
        bench,
        customer(),
        customer(2, OTHER),
        order(1, "2026-05-01", 10, "Pumps"),
        order(2, "2026-03-01", 5, "Seals"),
    )
    load(bench, order(1, "2026-05-01", 30, "Pumps", "Valves"))
    assert shown(bench) == ("2026-05-01", 2, 35, {"Bought Pumps", "Bought Valves", "Bought Seals"})
    load(bench, order(1, "2026-05-01", 30, "Pumps", of=2))
    assert shown(bench) == ("2026-03-01", 1, 5, {"Bought Seals"})
    assert shown(bench, OTHER) == ("2026-05-01", 1, 30, {"Bought Pumps"})
    load(
        bench, {"purchase_key": "Order 1", "purchase_void": True}, order(2, "2026-03-01", purchase_void=True)
    )
    assert shown(bench) == shown(bench, OTHER) == ("", 0, 0, set())


def test_time_alone_ends_the_twelve_months_and_makes_a_customer_lapsed(bench: Any, clock: Any) -> None:
    load(bench, customer(), order(1, "2025-07-01", 10, "Pumps"), order(2, "2026-02-28", 5, "Pumps"))
    assert shown(bench) == ("2026-02-28", 2, 15, {"Bought Pumps"})
    clock.move_to("2026-06-30T12:00:00Z")
    assert load(bench) == []
    clock.move_to("2026-07-01T00:30:00Z")
    [told] = load(bench)
    assert (told.action, told.reason, told.changes["merge_fields.ORDERS12"]) == (
        "updated",
        "purchases",
        [2, 1],
    )
    assert shown(bench) == ("2026-02-28", 1, 5, {"Bought Pumps"})
    clock.move_to("2026-08-28T00:30:00Z")
    [told] = load(bench)
    assert told.detail == "Tags added: Lapsed 6 months."
    clock.move_to("2027-03-01T00:30:00Z")
    load(bench)
    assert shown(bench) == ("2026-02-28", 0, 0, {"Bought Pumps", "Lapsed 12 months"})
    load(bench, order(3, "2027-02-28", 7, "Seals"))
    assert shown(bench) == ("2027-02-28", 1, 7, {"Bought Pumps", "Bought Seals"})


def test_orders_wait_for_the_member_and_follow_a_changed_address(bench: Any) -> None:
    load(bench, order(1, "2026-05-01", 10, "Pumps"))
    load(bench, customer())
    assert shown(bench) == ("2026-05-01", 1, 10, {"Bought Pumps"})
    load(bench, customer(email=OTHER))
    assert PERSON not in bench.members()
    assert shown(bench, OTHER) == ("2026-05-01", 1, 10, {"Bought Pumps"})
    bench.mailchimp.control.put_members([{"email": "third@example.com", "state": "subscribed"}])
    load(bench, order(2, "2026-05-02", 10, "Seals", of=3))
    load(bench, customer(3, "third@example.com"))
    assert shown(bench, "third@example.com") == ("2026-05-02", 1, 10, {"Bought Seals"})


def test_sums_are_made_for_some_members_at_a_time(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purchases, "_MOST_AT_ONCE", 2)
    sizes, next_due = [], PurchaseLedger.next_due

    def noted(self: PurchaseLedger, done: Any, *more: Any, **named: Any) -> Any:
        sizes.append(len(done))
        return next_due(self, done, *more, **named)

    monkeypatch.setattr(PurchaseLedger, "next_due", noted)
    people = [customer(number, f"p{number}@example.com") for number in range(5)]
    load(bench, *people, *(order(number, "2026-05-01", 10, of=number) for number in range(5)))
    assert sizes == [2, 2, 1]
    assert {shown(bench, person["email_address"])[:2] for person in people} == {("2026-05-01", 1)}


def test_customers_with_one_address_are_one_sum(bench: Any) -> None:
    load(
        bench,
        customer(),
        customer(2),
        order(1, "2026-05-01", 10, "Pumps"),
        order(2, "2026-04-01", 5, "Seals", of=2),
    )
    assert shown(bench) == ("2026-05-01", 2, 15, {"Bought Pumps", "Bought Seals"})


def test_tags_of_records_and_of_purchases_stay_beside_each_other(bench: Any) -> None:
    owned = {"owned_tags": ["ERP *", "Bought *"]}
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "subscribed", "tags": ["By hand"]}])
    load(bench, customer(tags=["ERP East"]), order(1, "2026-05-01", 10, "Pumps"), **owned)
    load(bench, customer(tags=["ERP West"]), **owned)
    assert shown(bench)[3] == {"By hand", "ERP West", "Bought Pumps"}
    load(bench, {"purchase_key": "Order 1", "purchase_void": True}, **owned)
    assert shown(bench)[3] == {"By hand", "ERP West"}


@pytest.mark.rule("R1")
def test_who_opted_out_is_told_nothing_that_makes_a_subscriber(bench: Any) -> None:
    bench.mailchimp.control.put_members(
        [{"email": PERSON, "state": "unsubscribed_by_contact"}, {"email": OTHER, "state": "archived"}]
    )
    load(
        bench,
        customer(),
        customer(2, OTHER),
        order(1, "2026-05-01", 10, "Pumps"),
        order(2, "2026-05-01", of=2),
    )
    assert {member["status"] for member in bench.members().values()} == {"unsubscribed", "archived"}
    assert shown(bench)[1] == 1
    assert shown(bench, OTHER)[1] in (None, "")


@pytest.mark.rule("R3")
def test_sums_that_were_not_written_are_made_by_the_next_run(bench: Any) -> None:
    load(bench, customer())
    bench.mailchimp.control.set_faults(
        [{"match": {"method": "POST", "path": "/3.0/lists/*"}, "effect": {"kind": "status", "status": 503}}]
    )
    with pytest.raises(ConnectorError):
        load(bench, order(1, "2026-05-01", 10, "Pumps"))
    bench.mailchimp.control.clear_faults()
    load(bench)
    assert shown(bench) == ("2026-05-01", 1, 10, {"Bought Pumps"})


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    "wrong",
    [
        {"purchase_key": ""},
        {"purchase_of": "Customer 1"},
        {"purchase_on": "soon"},
        {"purchase_amount": "many"},
        {"purchase_groups": "Pumps"},
    ],
)
def test_a_purchase_that_cannot_be_read_is_one_decision(bench: Any, wrong: dict[str, Any]) -> None:
    [decided] = load(bench, {**order(1, "2026-05-01"), **wrong}, on_invalid="dead_letter")
    assert (decided.action, decided.reason) == ("quarantined", "malformed_record")
    assert decided.dead_letter is not None


def test_purchases_are_left_alone_where_no_setting_sums_them(bench: Any) -> None:
    off = {"purchase_fields": {}, "purchase_tag": "", "lapsed_tags": {}}
    [decided] = load(bench, order(1, "2026-05-01"), **off)
    assert (decided.action, decided.reason) == ("ignored", "purchases_not_summed")


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    "wrong",
    [
        {"purchase_fields": {"orders": "orders12"}},
        {"purchase_fields": {"orders": ""}},
        {"purchase_fields": {"orders": "BOUGHT", "revenue": "BOUGHT"}},
        {"purchase_tag": "*"},
        {"purchase_tag": "Bought"},
        {"lapsed_tags": {"6": " "}},
        {"lapsed_tags": {"half": "Lapsed"}},
    ],
    ids=str,
)
def test_a_field_or_tag_that_cannot_be_is_refused(bench: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        load(bench, customer(), **wrong)


def test_a_dry_run_and_a_comparison_store_no_purchase(bench: Any) -> None:
    load(bench, customer())
    for setting in ("dry_run", "reconcile"):
        load(bench, order(1, "2026-05-01", 10, "Pumps"), **{setting: True})
    assert load(bench) == []
    assert shown(bench)[3] == set()


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        ("2026-01-31", 1, "2026-03-01"),
        ("2026-02-28", 6, "2026-08-28"),
        ("2024-02-29", 12, "2025-03-01"),
        ("2025-12-15", 1, "2026-01-15"),
    ],
)
def test_a_month_is_over_on_the_day_that_counts_it(day: str, months: int, then: str) -> None:
    begin, end = date.fromisoformat(day), date.fromisoformat(then)
    assert months_after(begin, months) == end
    assert months_between(begin, end) == months
    assert months_between(begin, date.fromordinal(end.toordinal() - 1)) == months - 1


def test_a_buyer_of_many_is_added_up_row_by_row(tmp_path: Any) -> None:
    with AuditTrail.open(f"sqlite:///{tmp_path / 'audit.sqlite3'}") as trail:
        run = trail.start_run(plugin="test", version="1")
        of = "target-mailchimp/a/purchases/of/members/1"
        one = Bought("members/1", "2026-05-01", 0.1, ("Pumps",))
        run.record([], ledger={of: {str(number): one for number in range(12_000)}})
        run.finish("succeeded")
        total = Sum(date(2026, 6, 15))
        for _, purchases in PurchaseLedger(trail, "a").bought(["members/1", "members/2"]):
            assert not isinstance(purchases, list)
            for bought in purchases:
                total.add(bought)
    assert json.dumps(total.summary([], monthly=False).values) == json.dumps(
        {"last_on": "2026-05-01", "orders": 12_000, "revenue": 1200.0, "months": 1}
    )


def test_a_date_by_mistake_ends_no_run_and_a_later_day_is_waited_for(bench: Any, clock: Any) -> None:
    load(
        bench,
        customer(),
        order(1, "2025-12-01", 10, "Pumps"),
        order(2, "9999-12-31", 99, "Seals"),
        order(3, "0001-01-01", 99, "Belts"),
        order(4, "2026-08-01", 5, "Valves"),
        order(5, "2026-06-16", 1),  # in Auckland, it is tomorrow
    )
    assert shown(bench) == ("2026-06-16", 2, 11, {"Bought Pumps", "Bought Belts"})
    clock.move_to("2026-08-01T00:30:00Z")
    load(bench)
    assert shown(bench) == ("2026-08-01", 3, 16, {"Bought Pumps", "Bought Belts", "Bought Valves"})


def test_amounts_add_up_to_the_cent(bench: Any) -> None:
    amounts = [0.1, 0.2, 0.125, 0.125, 1234567890.12, -0.55, 1.005]
    orders = [order(number, "2026-05-01", amount) for number, amount in enumerate(amounts)]
    load(bench, customer(), *orders)
    assert shown(bench)[2] == 1234567891.12  # 1234567891.125, to the even cent
    [told] = load(bench, order(99, "2026-05-01", 1e300), on_invalid="dead_letter")
    assert told.detail.startswith("`purchase_amount`")


def test_sums_are_told_again_in_other_fields_and_tags(bench: Any) -> None:
    orders = [order(1, "2019-01-01", 10, "Pumps"), order(2, "2026-05-01", 20, "Seals", of=2)]
    load(bench, customer(), customer(2, OTHER), *orders, purchase_fields={}, lapsed_tags={})
    assert shown(bench)[3] == {"Bought Pumps"}
    load(bench)
    assert shown(bench) == ("2019-01-01", 0, 0, {"Bought Pumps", "Lapsed 12 months"})
    assert shown(bench, OTHER) == ("2026-05-01", 1, 20, {"Bought Seals"})
    load(bench, purchase_tag="Has *", lapsed_tags={"24": "Lapsed 24 months"})
    assert shown(bench)[3] == {"Has Pumps", "Lapsed 24 months"}
    bench.clear()
    assert load(bench, purchase_tag="Has *", lapsed_tags={"24": "Lapsed 24 months"}) == []
    assert not [call for call in bench.calls() if not call.startswith("GET")]


def test_a_field_that_was_made_anew_gets_its_sums_again(bench: Any) -> None:
    orders = [order(1, "2026-05-01", 10)]
    load(bench, customer(), *orders)
    api, path = PlainClient(bench.mailchimp.hello), "/lists/{list}/merge-fields"
    found = api.get(path, count=100).json()["merge_fields"]
    [number] = [field["merge_id"] for field in found if field["tag"] == "REVENUE12"]
    assert api.delete(f"{path}/{number}").status_code == 204
    load(bench, *orders)
    assert shown(bench) == ("2026-05-01", 1, 10, set())


@pytest.mark.rule("R3")
def test_a_member_that_could_not_be_written_is_told_by_the_next_run(bench: Any) -> None:
    load(bench, customer(), customer(2, OTHER))
    answer = {"kind": "answer", "status": 400, "text": "{}"}
    bench.mailchimp.control.set_faults(
        [
            {"match": {"method": method, "body": PERSON}, "effect": answer}
            for method in ("POST", "PUT", "PATCH")
        ]
    )
    orders = [order(1, "2026-05-01", 10), order(2, "2026-05-02", 20, of=2)]
    decided = load(bench, *orders)
    assert {entry.subject: entry.action for entry in decided[2:]} == {PERSON: "failed", OTHER: "updated"}
    bench.mailchimp.control.clear_faults()
    load(bench)
    assert shown(bench)[:3] == ("2026-05-01", 1, 10)
    assert load(bench) == []


def test_who_was_archived_is_told_after_they_come_back(bench: Any, clock: Any) -> None:
    bench.mailchimp.control.put_members([{"email": PERSON, "state": "archived"}])
    load(bench, customer(), order(1, "2026-05-01", 10))
    bench.mailchimp.control.subscribe(PERSON)
    clock.move_to("2026-06-16T12:00:00Z")
    load(bench, customer())
    assert shown(bench)[:3] == ("2026-05-01", 1, 10)


def test_groups_that_differ_in_case_are_one_tag(bench: Any) -> None:
    records = [
        customer(),
        order(1, "2026-05-01", 10, "Pumps", "Süd-Öl 🛢"),
        order(2, "2026-05-01", 10, "PUMPS"),
    ]
    load(bench, *records)
    assert {tag.lower() for tag in shown(bench)[3]} == {"bought pumps", "bought süd-öl 🛢"}
    bench.clear()
    load(bench, *records)
    assert not [call for call in bench.calls() if not call.startswith("GET")]
    load(bench, {"purchase_key": "Order 1", "purchase_void": True})
    assert {tag.lower() for tag in shown(bench)[3]} == {"bought pumps"}
