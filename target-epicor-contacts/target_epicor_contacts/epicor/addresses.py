"""Reads the addresses and the person in the columns of a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, email_key, find_address, words_in

from target_epicor_contacts.epicor.entities import PERSON

REMEMBERED_FIELDS = 50_000
"""The same rows are looked at for each event of a person, and to check an address takes a while."""


@lru_cache(maxsize=REMEMBERED_FIELDS)
def addresses_in(text: object) -> tuple[str, ...]:
    """The addresses in a field, valid or not, in the form in which they are compared.

    Where it is not one address, each word that looks like one counts: an opt-out reaches the row, whatever
    else a user wrote beside the address.
    """
    if not isinstance(text, str) or "@" not in text:
        return ()
    found = _key_of(text)
    return (found,) if found else tuple(dict.fromkeys(filter(None, map(_key_of, words_in(text)))))


def _key_of(text: str) -> str:
    try:
        return email_key(find_address(text))
    except InvalidEmailError:
        return ""


def person_of(values: Mapping[str, Any]) -> tuple[str, int] | None:
    """Company and PerConID of the person that a contact is linked to; None where it is not a number."""
    number = str(values.get(PERSON) or "").strip()
    return (str(values.get("Company")), int(number)) if number.isdecimal() and int(number) else None
