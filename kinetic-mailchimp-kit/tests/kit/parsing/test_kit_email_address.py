"""What people type into an e-mail field, and what is read out of it."""

from __future__ import annotations

import contextlib
import gc
import sys

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.kit.parsing.email_address import (
    LONGEST_FIELD,
    InvalidEmailError,
    domain_spellings,
    email_key,
    find_address,
    parse_email,
)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann@Example.COM ", "Ann@Example.COM"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("mailto: ann@example.com", "ann@example.com"),
        ("MAILTO:ann@example.com?subject=Hello", "ann@example.com"),
        ("Ann Example <ann@example.com>", "ann@example.com"),
        ('"Example, Ann" <ann@example.com>', "ann@example.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("ann@example.com;", "ann@example.com"),
        ("ann@example.com ;", "ann@example.com"),
        ("<ann@example.com>;", "ann@example.com"),
        ("<ann@example.com> ;", "ann@example.com"),
        ("Ann <ann@example.com>,", "ann@example.com"),
        ("Ann <ann@example.com", "ann@example.com"),
        ("Ann <ann@example.com> (work)", "ann@example.com"),
        ("Ann [work] <ann@example.com>", "ann@example.com"),
        ('Ann "A <ann@example.com>', "ann@example.com"),
        ("ann@example.com <work>", "ann@example.com"),
        ("Example, Ann <ann@example.com>", "ann@example.com"),
        ('"Example,Ann"<ann@example.com>', "ann@example.com"),
        ("Ann <mailto:ann@example.com>", "ann@example.com"),
        ("ann@example.com<mailto:Ann@example.com>", "Ann@example.com"),
        ("mailto:ann@example.com?cc=bob@example.com", "ann@example.com"),
        ("mailto:ann@example.com?subject=x&cc=bob@example.com", "ann@example.com"),
        ("ann@example.com (Ann Example)", "ann@example.com"),
        ("Ann Example (ann@example.com)", "ann@example.com"),
        ("[ann@example.com]", "ann@example.com"),
        ("ann/sales@example.com", "ann/sales@example.com"),
        ("ann/@example.com", "ann/@example.com"),
        ("ann&bob|{x}@example.com", "ann&bob|{x}@example.com"),
        ("\ufeffann@example.com", "ann@example.com"),
        ("jürgen@bücher.example.com", "jürgen@bücher.example.com"),
        ("o'hara+list@example.com", "o'hara+list@example.com"),
        ('"ann@example.com"', "ann@example.com"),
        ("'Ann@example.com'", "Ann@example.com"),
        ('="ann@example.com"', "ann@example.com"),
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
        ("<>", "not_an_address"),
        ("Ann <>", "not_an_address"),
        ("Ann <ann@example.com bob>", "not_an_address"),
        ("@example.com <ann>", "not_an_address"),
        ("sales; ann@example.com", "several_addresses"),
        ("Example, <ann@example.com>", "several_addresses"),
        ("ann@example.com <bob@example.com>", "several_addresses"),
        ("<ann@example.com><bob@example.com>", "several_addresses"),
        ("ann@example.com; bob@example.com", "several_addresses"),
        ("ann@example.com,bob@example.com", "several_addresses"),
        ("ann@example.com bob@example.com", "several_addresses"),
        ("ann@example.com / bob@example.com", "several_addresses"),
        ("ann@example.com|bob@example.com", "several_addresses"),
        ("mailto:ann@example.com|bob@example.com", "several_addresses"),
        ("sales | ann@example.com", "several_addresses"),
        ("ann@example.com&bob@example.com", "several_addresses"),
        (r"ann@example.com\bob@example.com", "several_addresses"),
        ("ann@example.com or bob@example.com", "several_addresses"),
        ("ann@example.com (bob@example.com)", "several_addresses"),
        ("(ann@example.com)(bob@example.com)", "several_addresses"),
        ("Ann <ann@example.com>, Bob <bob@example.com>", "several_addresses"),
    ],
)
def test_says_why_there_is_none(typed, reason):
    with pytest.raises(InvalidEmailError) as failure:
        parse_email(typed)
    assert failure.value.reason == reason


@pytest.mark.parametrize("middle", [" ", ";", "<", '"', "x ", "@ ", "a@b,", "mailto:"])
def test_a_field_that_is_too_long_for_an_address_is_not_read(middle):
    with pytest.raises(InvalidEmailError, match="not_an_address"):
        parse_email(f"a@{middle * 60_000}b")


def test_the_longest_field_is_read_and_one_character_more_is_not():
    address = "ann@example.com"
    name = "x" * (LONGEST_FIELD - len(address) - 3)
    assert parse_email(f"   {name} <{address}>   ") == address
    with pytest.raises(InvalidEmailError, match="not_an_address"):
        parse_email(f"{name}x <{address}>")


@given(st.text(max_size=80) | st.text(alphabet='ab@<>;,/" .:', max_size=40))
def test_reading_an_address_again_changes_nothing(typed):
    with contextlib.suppress(InvalidEmailError):
        address = parse_email(typed)
        assert parse_email(address) == address


@given(
    st.from_regex(r"\A[\w.!#'/+?é-]{1,70}@[\w.-]{1,30}\.(com|example|test|c)\.?\Z")
    | st.emails()
    | st.builds("{}@{}.example.com".format, st.text("ab.", max_size=70), st.text("cd-.", max_size=240))
)
def test_an_ordinary_address_is_read_as_the_library_for_addresses_reads_it(typed):
    try:
        address = find_address(typed)
        validate_email(address, check_deliverability=False)
    except (InvalidEmailError, EmailNotValidError):
        with pytest.raises(InvalidEmailError):
            parse_email(typed)
    else:
        assert parse_email(typed) == address


MUNICH = "a@m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example"
MUNICH_IN_TWO = "a@mu\N{COMBINING DIAERESIS}nchen.example"


@pytest.mark.parametrize(
    ("key", "others"),
    [
        ("a@example.com", []),
        ("PURCHASING", []),
        ("\N{LATIN SMALL LETTER U WITH DIAERESIS}@example.com", []),
        (MUNICH, ["a@xn--mnchen-3ya.example"]),
        ("a@xn--mnchen-3ya.example", [MUNICH]),
        (MUNICH_IN_TWO, [MUNICH, "a@xn--mnchen-3ya.example"]),
        (
            MUNICH.replace("a@", "a@xn--kln-sna."),
            [MUNICH.replace("a@", "a@k\xf6ln."), "a@xn--kln-sna.xn--mnchen-3ya.example"],
        ),
        ("a@stra\N{LATIN SMALL LETTER SHARP S}e.example", ["a@xn--strae-oqa.example"]),
        ("a@xn--.example", []),
        ("a@xn--abc-.example", []),
        ("a@xn--99999999999.example", []),
    ],
)
def test_a_domain_with_letters_beyond_ascii_has_two_spellings(key, others):
    assert domain_spellings(key) == (key, *others)


@given(st.text(max_size=30), st.text(alphabet="xn-.\xfc\xdfabc1", max_size=30))
def test_each_spelling_of_a_domain_leads_to_the_same_ones(local, domain):
    written, *others = domain_spellings(email_key(f"{local}@{domain}"))
    for other in others:
        assert {written, *others} >= set(domain_spellings(other))


def test_two_spellings_have_one_key():
    assert email_key(" JÜRGEN@Example.com ") == email_key("jürgen@example.COM")


@pytest.mark.parametrize("middle", [" ", ";", "<", "@ ", "a@b,"])
def test_the_work_does_not_grow_with_a_field_that_is_too_long(middle):
    """Counts the steps of the interpreter, which are the same on every machine."""

    def steps(field: str) -> int:
        count = 0

        def trace(*_):
            nonlocal count
            count += 1
            return trace

        gc.disable()  # hypothesis counts collections, in Python
        sys.settrace(trace)
        try:
            with contextlib.suppress(InvalidEmailError):
                parse_email(field)
        finally:
            sys.settrace(None)
            gc.enable()
        return count

    assert steps(f"a@{middle * 200_000}b") == steps(f"a@{middle * 400}b") < 50
