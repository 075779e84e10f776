"""Decides which rows belong to an address."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any

from kinetic_mailchimp.kit.email_address import InvalidEmailError, email_key, parse_email

from target_epicor_contacts.epicor.entities import EMAIL, PERSON

REMEMBERED_FIELDS = 50_000
"""The same rows are looked at for each event of a person, and to check an address takes a while."""
_BETWEEN_ADDRESSES = re.compile(r"[;,\s]+")


class LinkedPeople(StrEnum):
    """Which further contacts of a person belong to an address: Kinetic links them by `PerConID`."""

    SAME_ADDRESS = "same_address"
    NO_OTHER_ADDRESS = "no_other_address"
    ALL = "all"


class Hold(Enum):
    """How a row holds an address."""

    SOLE = "sole"
    """It is the only one: all of an event applies."""
    AMONG_OTHERS = "among_others"
    """The field holds several: an opt-out applies, for nobody can mail the row and spare that address."""
    BY_PERSON = "by_person"
    """Another row of the same person holds it: its status applies."""


@lru_cache(maxsize=REMEMBERED_FIELDS)
def addresses_in(text: object) -> tuple[str, ...]:
    """What the addresses in a field are compared by: none, one, or all of several."""
    if not isinstance(text, str) or "@" not in text:
        return ()
    try:
        return (email_key(parse_email(text)),)
    except InvalidEmailError as error:
        if error.reason != "several_addresses":
            return ()
    return tuple(dict.fromkeys(key for part in _BETWEEN_ADDRESSES.split(text) for key in addresses_in(part)))


class AddressBook:
    """Rows by the addresses they hold and the people they belong to.

    Args:
        rows: Values by the row's id. Whoever changes the address of one says so with `readdress`.
        linked: Which further contacts of a person belong to an address.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], linked: LinkedPeople) -> None:
        self._rows = rows
        self._linked = linked
        self._held: dict[str, tuple[str, ...]] = {}
        self._by_address: dict[str, dict[str, Hold]] = defaultdict(dict)
        self._by_person: dict[tuple[str, int], list[str]] = defaultdict(list)
        for row_id, values in rows.items():
            self._add(row_id)
            if person := person_of(values):
                self._by_person[person].append(row_id)

    def match(self, address: str) -> dict[str, Hold]:
        """Which rows belong to an address (as `email_key` makes it), and how."""
        found = dict(self._by_address.get(address, {}))
        if self._linked is LinkedPeople.SAME_ADDRESS:
            return found
        people = {person for row_id in found if (person := person_of(self._rows[row_id]))}
        for person in sorted(people):
            for row_id in self._by_person[person]:
                if self._linked is LinkedPeople.ALL or not self._held[row_id]:
                    found.setdefault(row_id, Hold.BY_PERSON)
        return found

    def contacts_of_same_person(self, row_id: str) -> list[str]:
        """The contacts that Kinetic links as one person with this one, itself included."""
        person = person_of(self._rows[row_id])
        return self._by_person[person] if person else []

    def readdress(self, row_id: str) -> None:
        """Take note that the address of a row was changed."""
        for address in self._held[row_id]:
            del self._by_address[address][row_id]
        self._add(row_id)

    def _add(self, row_id: str) -> None:
        held = addresses_in(self._rows[row_id].get(EMAIL))
        self._held[row_id] = held
        for address in held:
            self._by_address[address][row_id] = Hold.SOLE if len(held) == 1 else Hold.AMONG_OTHERS


def person_of(values: Mapping[str, Any]) -> tuple[str, int] | None:
    """Company and PerConID of the person that a contact is linked to."""
    number = values.get(PERSON)
    return (str(values.get("Company")), int(number)) if number else None
