"""Matching of rows and addresses, and merging of fields, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy, Side
from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.rules.matching import AddressBook, LinkedPeople, MatchKind
from target_epicor_contacts.rules.three_way_merge import merge_field


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (None, ()),
        ("", ()),
        ("PURCHASING", ()),
        ("pat@", ()),
        ("pat@example.com", ("pat@example.com",)),
        ("  PAT@Example.COM ", ("pat@example.com",)),
        ("mailto:pat@example.com", ("pat@example.com",)),
        ("MAILTO:pat@example.com?subject=x", ("pat@example.com",)),
        ("Pat Example <pat@example.com>", ("pat@example.com",)),
        ("<pat@example.com>;", ("pat@example.com",)),
        ("pat@example.com; sam@example.org", ("pat@example.com", "sam@example.org")),
        ("pat@example.com,PAT@example.com", ("pat@example.com",)),
        ("pat@example.com sam@example.org", ("pat@example.com", "sam@example.org")),
        ("pat@example.com/sam@example.org", ("pat@example.com", "sam@example.org")),
        ("<pat@example.com><sam@example.org>", ("pat@example.com", "sam@example.org")),
        ('"pat@example.com"sam@example.org', ("pat@example.com", "sam@example.org")),
        ("pat@example.com|sam@example.org", ("pat@example.com", "sam@example.org")),
        ("pat@example.com & sam@example.org", ("pat@example.com", "sam@example.org")),
        ("pat@example.com or sam@example.org", ("pat@example.com", "sam@example.org")),
        ("pat@example.com (sam@example.org)", ("pat@example.com", "sam@example.org")),
        ("pat@example.com (at work)", ("pat@example.com",)),
        ("Pat's: pat@example.com", ("pat@example.com",)),
        ("pat@example.com, mornings", ("pat@example.com",)),
        (
            "; ".join(f"person{n}@example.com" for n in range(20)),
            tuple(f"person{n}@example.com" for n in range(20)),
        ),
        ("pat@example.com;" * 30 + "sam@example.org", ("pat@example.com", "sam@example.org")),
        (f"{'Pat ' * 100}<pat@example.com>", ("pat@example.com",)),
        (f"{'x' * 400}@example.com", ()),
    ],
)
def test_addresses_in_a_field(text: str | None, addresses: tuple[str, ...]) -> None:
    assert addresses_in(text) == addresses


ROWS: dict[str, dict[str, Any]] = {
    "contact": {"Company": "A", "EMailAddress": "pat@example.com", "PerConID": 7},
    "ship-to contact": {"Company": "A", "EMailAddress": "mailto:PAT@example.com", "PerConID": 7},
    "customer": {"Company": "A", "EMailAddress": "pat@example.com"},
    "shared": {"Company": "A", "EMailAddress": "pat@example.com; sam@example.com", "PerConID": 0},
    "same person, no address": {"Company": "A", "EMailAddress": "", "PerConID": 7},
    "same person, no usable address": {"Company": "A", "EMailAddress": "ask him", "PerConID": 7},
    "same person, other address": {"Company": "A", "EMailAddress": "pat@example.net", "PerConID": 7},
    "other company, same number": {"Company": "B", "EMailAddress": "", "PerConID": 7},
    "nobody": {"Company": "A", "EMailAddress": "", "PerConID": 0},
    "longer": {"Company": "A", "EMailAddress": "xpat@example.com", "PerConID": 0},
}
HOLDERS = {
    "contact": MatchKind.ONLY_ADDRESS,
    "ship-to contact": MatchKind.ONLY_ADDRESS,
    "customer": MatchKind.ONLY_ADDRESS,
    "shared": MatchKind.SHARED_FIELD,
}
WITHOUT_ADDRESS = {
    "same person, no address": MatchKind.LINKED_PERSON,
    "same person, no usable address": MatchKind.LINKED_PERSON,
}


@pytest.mark.parametrize(
    ("linked", "matched"),
    [
        (LinkedPeople.SAME_ADDRESS, HOLDERS),
        (LinkedPeople.NO_OTHER_ADDRESS, {**HOLDERS, **WITHOUT_ADDRESS}),
        (
            LinkedPeople.ALL,
            {**HOLDERS, **WITHOUT_ADDRESS, "same person, other address": MatchKind.LINKED_PERSON},
        ),
    ],
)
def test_rows_of_an_address(linked: LinkedPeople, matched: dict[str, MatchKind]) -> None:
    assert AddressBook(ROWS, linked).match("pat@example.com") == matched


def test_a_row_that_spells_the_domain_otherwise_matches_in_a_way_of_its_own() -> None:
    letters = "pat@m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example"
    ascii_only = "pat@xn--mnchen-3ya.example"
    rows = {
        "letters": {"EMailAddress": letters.upper()},
        "ascii": {"EMailAddress": f"Pat <{ascii_only}>"},
        "shared": {"EMailAddress": f"{letters}; sam@example.com"},
    }
    book = AddressBook(rows, LinkedPeople.NO_OTHER_ADDRESS)
    assert book.match(letters) == {
        "letters": MatchKind.ONLY_ADDRESS,
        "ascii": MatchKind.OTHER_SPELLING,
        "shared": MatchKind.SHARED_FIELD,
    }
    assert book.match(ascii_only) == {
        "ascii": MatchKind.ONLY_ADDRESS,
        "letters": MatchKind.OTHER_SPELLING,
        "shared": MatchKind.SHARED_FIELD,
    }


def test_an_unknown_address_matches_nothing() -> None:
    assert AddressBook(ROWS, LinkedPeople.ALL).match("nobody@example.com") == {}


def test_a_row_that_was_given_another_address_is_found_under_that_one() -> None:
    rows = {name: dict(values) for name, values in ROWS.items()}
    book = AddressBook(rows, LinkedPeople.SAME_ADDRESS)
    rows["customer"]["EMailAddress"] = "new@example.com"
    book.readdress("customer")
    assert book.match("new@example.com") == {"customer": MatchKind.ONLY_ADDRESS}
    assert "customer" not in book.match("pat@example.com")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
MAILCHIMP, EPICOR, NEWEST = ConflictPolicy


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("facts", "policy", "verdict"),
    [
        ({"is_same": True, "would_clear": True}, MAILCHIMP, Side.AGREE),
        ({"would_clear": True, "epicor_changed": False}, MAILCHIMP, None),
        # Only Mailchimp changed: every policy takes its value.
        *(({"epicor_changed": False}, policy, Side.MAILCHIMP) for policy in ConflictPolicy),
        # Both changed.
        ({"epicor_changed": True}, MAILCHIMP, Side.MAILCHIMP),
        ({"epicor_changed": True}, EPICOR, Side.EPICOR),
        ({"epicor_changed": True, "row_changed_at": LATER}, NEWEST, Side.EPICOR),
        ({"epicor_changed": True, "row_changed_at": NOON - timedelta(hours=1)}, NEWEST, Side.MAILCHIMP),
        ({"epicor_changed": True, "row_changed_at": None}, NEWEST, Side.MAILCHIMP),
        ({"epicor_changed": True, "mailchimp_is_empty": True}, MAILCHIMP, Side.EPICOR),
        # Never seen before: as if both changed, but an empty field loses nothing.
        ({"epicor_changed": None}, MAILCHIMP, Side.MAILCHIMP),
        ({"epicor_changed": None}, EPICOR, Side.EPICOR),
        ({"epicor_changed": None, "epicor_is_empty": True}, EPICOR, Side.MAILCHIMP),
        ({"epicor_changed": None, "row_changed_at": LATER}, NEWEST, Side.EPICOR),
    ],
)
def test_a_field_is_merged_three_ways(
    facts: dict[str, Any], policy: ConflictPolicy, verdict: Side | None
) -> None:
    given: dict[str, Any] = {
        "is_same": False,
        "would_clear": False,
        "mailchimp_is_empty": False,
        "epicor_is_empty": False,
        "epicor_changed": False,
        "row_changed_at": None,
        **facts,
    }
    assert merge_field(policy=policy, event_at=NOON, **given) is verdict
