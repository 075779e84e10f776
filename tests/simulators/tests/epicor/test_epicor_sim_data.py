from __future__ import annotations

import json
from collections import Counter

import pytest
from simulators.epicor import tables, timestamps
from simulators.epicor.expectations import classify_email, expected_customers
from simulators.epicor.seed import seed_rows
from simulators.epicor.seed_rows import MASS_UPDATE
from simulators.epicor.seed_words import EMAIL_FORMS
from simulators.epicor.storage import Row
from simulators.epicor.testing import RunningEpicor


def of(table: str, customers: int = 400, seed: int = 1) -> list[Row]:
    return [values for name, values, _ in seed_rows(customers, seed) if name == table]


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    assert list(seed_rows(50, 1)) == list(seed_rows(50, 1))
    assert list(seed_rows(50, 1)) != list(seed_rows(50, 2))


@pytest.mark.parametrize("customers", [0, 1, 2, 7, 61])
def test_any_size(customers: int) -> None:
    assert len(of("Customer", customers)) == customers


def test_rows_come_in_the_order_of_their_commits_and_fit_their_tables() -> None:
    declared = tables.tables(with_updated_on=True)
    rows = list(seed_rows(100, 1))
    assert [ticks for *_, ticks in rows] == sorted(ticks for *_, ticks in rows)
    for name, values, _ in rows:
        assert set(values) <= set(declared[name].by_name)
    for name, table in declared.items():
        keys = [tuple(values[column] for column in table.key) for n, values, _ in rows if n == name]
        assert len(set(keys)) == len(keys)


def test_a_quarter_of_the_customers_changed_in_one_moment() -> None:
    moments_of = Counter(ticks for name, _, ticks in seed_rows(400, 1) if name == "Customer")
    assert moments_of[MASS_UPDATE] >= 90
    assert sum(count == 3 for count in moments_of.values()) > 5


def test_every_way_of_typing_an_address_is_there() -> None:
    kinds = Counter(classify_email(row["EMailAddress"]).kind for row in of("Customer"))
    assert set(kinds) == set(EMAIL_FORMS)


def test_addresses_are_of_reserved_domains_only() -> None:
    text = json.dumps([values for _, values, _ in seed_rows(200, 1)]).lower()
    domains = {part.split('"')[0].split(";")[0].split(">")[0].strip() for part in text.split("@")[1:]}
    assert domains <= {"example.com", "example.org", "example.net"}


def test_what_real_data_has() -> None:
    customers, contacts = of("Customer"), of("CustCnt")
    addresses = Counter(row["EMailAddress"].lower() for row in customers if row["EMailAddress"])
    per_customer = Counter((row["Company"], row["CustNum"]) for row in contacts)
    per_person = Counter((row["Company"], row["PerConID"]) for row in contacts)
    assert {row["CustomerType"] for row in customers} == {"CUS", "PRO", "SUS"}
    assert {row["Inactive"] for row in customers} == {True, False}
    assert {row["NoContact"] for row in contacts} == {True, False}
    assert {row["ShipToNum"] for row in contacts} == {"", "SITE1"}
    assert max(addresses.values()) > 1
    assert max(per_customer.values()) == 3
    assert max(per_person.values()) > 3
    assert any(not row["Name"].isascii() for row in customers)
    shared = {row["EMailAddress"] for row in customers} & {row["EMailAddress"] for row in contacts}
    assert shared - {"", "PURCHASING"}


@pytest.mark.parametrize(
    ("text", "kind", "address", "valid"),
    [
        ("a.b@example.com", "clean", "a.b@example.com", True),
        ("A.B@EXAMPLE.COM", "upper_case", "a.b@example.com", True),
        ("  a@example.com ", "padded", "a@example.com", True),
        ("", "empty", None, False),
        ("   ", "empty", None, False),
        (None, "empty", None, False),
        ("mailto:a@example.com", "mailto", "a@example.com", False),
        ("A B <a@example.com>", "display_name", "a@example.com", False),
        ("a@example.com; b@example.com", "several", None, False),
        ("PURCHASING", "word", None, False),
        ("a@example", "word", None, False),
    ],
)
def test_the_judge_of_addresses(text: str | None, kind: str, address: str | None, *, valid: bool) -> None:
    content = classify_email(text)
    assert (content.kind, content.address, content.valid) == (kind, address, valid)


def test_truth_is_a_function_of_the_rows() -> None:
    base = {"Company": "A", "CustID": "X", "CustomerType": "CUS", "NoContact": False, "Inactive": False}
    rows = [
        {**base, "CustNum": 1, "EMailAddress": "a@example.com"},
        {**base, "CustNum": 2, "EMailAddress": " A@example.com"},
        {**base, "CustNum": 3, "EMailAddress": "a@example.com", "Inactive": True},
        {**base, "CustNum": 4, "EMailAddress": "PURCHASING"},
    ]
    expected = expected_customers(rows)
    assert [t.reason for t in expected] == [None, None, "inactive", "word"]
    assert [t.shares_address_with for t in expected] == [1, 1, 0, 0]
    assert [t.active for t in expected] == [True, True, False, True]


def test_the_control_api_tells_the_truth_also_after_edits(epicor: RunningEpicor) -> None:
    before = epicor.control.truth()
    listed = next(c for c in before["customers"] if c["reason"] is None and not c["shares_address_with"])
    epicor.control.edit(
        "Customer", {"Company": listed["company"], "CustNum": listed["cust_num"]}, Inactive=True
    )
    after = epicor.control.truth()
    assert sum(before["counts"].values()) == sum(after["counts"].values()) == 60
    assert set(before["addresses"]) - set(after["addresses"]) == {listed["address"]}
    assert after["counts"]["listed"] == before["counts"]["listed"] - 1


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T18:00:00-06:00", 0),
        ("1970-01-02", 86_400 * 10_000_000),
        ("1970-01-01T00:00:01.25", 12_500_000),
    ],
)
def test_moments_are_read_in_every_form(text: str, ticks: int) -> None:
    assert timestamps.parse(text) == ticks


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-01-01T25:00:00Z"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        timestamps.parse(text)
