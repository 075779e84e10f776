"""Matches rows to an address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import domain_spellings

from target_epicor_contacts.epicor.addresses import addresses_in, person_of
from target_epicor_contacts.epicor.entities import EMAIL


class LinkedPeople(StrEnum):
    """Further contacts of a person that belong to an address: Kinetic links them by `PerConID`."""

    SAME_ADDRESS = "same_address"
    NO_OTHER_ADDRESS = "no_other_address"
    ALL = "all"


class MatchKind(Enum):
    """Kind of the match of a row and an address."""

    ONLY_ADDRESS = "only_address"
    """It is the only one: all of an event applies."""
    SHARED_FIELD = "shared_field"
    """The field holds several: an opt-out applies, because mail to the row reaches that address too."""
    OTHER_SPELLING = "other_spelling"
    """It is the only one, with its domain spelled otherwise: a status applies, as it is about the mailbox; no
    field does, as it may be another member's."""
    LINKED_PERSON = "linked_person"
    """Another row of the same person holds it: its status applies."""


class AddressBook:
    """Rows by the addresses they hold and the people they belong to.

    Args:
        rows: Values by the row's id. After a change of the address of one, call `readdress`.
        linked: The further contacts of a person that belong to an address.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], linked: LinkedPeople) -> None:
        self._rows = rows
        self._linked = linked
        self._held: dict[str, tuple[str, ...]] = {}
        self._by_address: dict[str, dict[str, MatchKind]] = defaultdict(dict)
        self._by_person: dict[tuple[str, int], list[str]] = defaultdict(list)
        for row_id, values in rows.items():
            self._add(row_id)
            if person := person_of(values):
                self._by_person[person].append(row_id)

    def match(self, address: str) -> dict[str, MatchKind]:
        """The rows that belong to an address (as `email_key` makes it), and the kind of the match."""
        found = dict(self._by_address.get(address, {}))
        for spelling in domain_spellings(address)[1:]:
            for row_id, kind in self._by_address.get(spelling, {}).items():
                is_only = kind is MatchKind.ONLY_ADDRESS
                found.setdefault(row_id, MatchKind.OTHER_SPELLING if is_only else kind)
        if self._linked is LinkedPeople.SAME_ADDRESS:
            return found
        people = {person for row_id in found if (person := person_of(self._rows[row_id]))}
        for person in sorted(people):
            for row_id in self._by_person[person]:
                if self._linked is LinkedPeople.ALL or not self._held[row_id]:
                    found.setdefault(row_id, MatchKind.LINKED_PERSON)
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
            self._by_address[address][row_id] = (
                MatchKind.ONLY_ADDRESS if len(held) == 1 else MatchKind.SHARED_FIELD
            )
