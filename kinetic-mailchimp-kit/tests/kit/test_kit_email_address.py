"""What people type into an e-mail field, and what is read out of it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.kit.email_address import InvalidEmailError, email_key, parse_email


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.COM ", "Ann@Example.COM"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("MAILTO:ann@example.com?subject=Hello", "ann@example.com"),
        ("Ann Example <ann@example.com>", "ann@example.com"),
        ('"Example, Ann" <ann@example.com>', "ann@example.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("ann@example.com;", "ann@example.com"),
        ("\ufeffann@example.com", "ann@example.com"),
        ("jürgen@bücher.example.com", "jürgen@bücher.example.com"),
        ("o'hara+list@example.com", "o'hara+list@example.com"),
    ],
)
def test_reads_the_address(typed, address):
    assert parse_email(typed) == address


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (None, "empty"),
        ("", "empty"),
        ("   ", "empty"),
        ("PURCHASING", "not_an_address"),
        ("ann@", "not_an_address"),
        ("@example.com", "not_an_address"),
        ("ann@example", "not_an_address"),
        ("ann at example.com", "not_an_address"),
        ("ann@exam ple.com", "not_an_address"),
        ("ann@@example.com", "not_an_address"),
        ("ann@example.com; bob@example.com", "several_addresses"),
        ("ann@example.com,bob@example.com", "several_addresses"),
        ("ann@example.com bob@example.com", "several_addresses"),
        ("ann@example.com / bob@example.com", "several_addresses"),
        ("Ann <ann@example.com>, Bob <bob@example.com>", "several_addresses"),
    ],
)
def test_says_why_there_is_none(typed, reason):
    with pytest.raises(InvalidEmailError) as failure:
        parse_email(typed)
    assert failure.value.reason == reason


@given(st.text(max_size=80))
def test_reading_an_address_again_changes_nothing(typed):
    with contextlib.suppress(InvalidEmailError):
        address = parse_email(typed)
        assert parse_email(address) == address


def test_two_spellings_have_one_key():
    assert email_key(" JÜRGEN@Example.com ") == email_key("jürgen@example.COM")
