"""Reads the addresses and the person in the columns of a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import (
    LONGEST_FIELD,
    InvalidEmailError,
    email_key,
    find_address,
    words_in,
)

from target_epicor_contacts.epicor.entities import PERSON

REMEMBERED_FIELDS = 50_000
"""The same rows are looked at for each event of a person, and to check an address takes a while."""


@lru_cache(maxsize=REMEMBERED_FIELDS)
def addresses_in(text: object) -> tuple[str, ...]:
    """The addresses in a field, valid or not, in the form in which they are compared."""
    if not isinstance(text, str) or "@" not in text:
        return ()
    try:
        return (email_key(find_address(text)),)
    except InvalidEmailError as error:
        # Of a field that is longer than any address, nothing but its words tells how many it holds.
        if error.reason != "several_addresses" and len(text) <= LONGEST_FIELD:
            return ()
    words = (word for word in words_in(text) if len(word) <= LONGEST_FIELD)
    return tuple(dict.fromkeys(key for word in words for key in addresses_in(word)))


def person_of(values: Mapping[str, Any]) -> tuple[str, int] | None:
    """Company and PerConID of the person that a contact is linked to."""
    number = values.get(PERSON)
    return (str(values.get("Company")), int(number)) if number else None
