"""Rows that take a person's columns: contacts, and only where those with the address are one person's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from target_epicor_contacts.epicor.addresses import person_of
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.working_copy import WorkingCopy

SHARED_ADDRESS = "shared_address"
CUSTOMER_COLUMNS = "customer_columns"
FLAG_IS_CONSENT = "flag_is_consent"


@dataclass(frozen=True)
class RowsToWrite:
    """Rows that hold an address alone.

    Attributes:
        all: Their ids.
        own: Those that take the person's columns.
        withheld: Why none does; empty otherwise.
    """

    all: tuple[str, ...]
    own: tuple[str, ...]
    withheld: str = ""


def rows_to_write(working: WorkingCopy, matches: Mapping[str, MatchKind]) -> RowsToWrite:
    """The rows that take the columns of an event.

    Args:
        working: Their values.
        matches: The rows of its address, and the kind of each match.
    """
    alone = tuple(row_id for row_id, kind in matches.items() if kind is MatchKind.ONLY_ADDRESS)
    contacts = tuple(row_id for row_id in alone if working.rows[row_id].entity is CONTACT)
    if not _is_one_person([working.values(row_id) for row_id in contacts]):
        return RowsToWrite(alone, (), SHARED_ADDRESS)
    own = alone if working.rules.write_customer_columns else contacts
    return RowsToWrite(alone, own, "" if own or not alone else CUSTOMER_COLUMNS)


def _is_one_person(contacts: Collection[Mapping[str, Any]]) -> bool:
    """True if all of them are linked: as one person in Kinetic, or by the same first and last name."""
    identities = [{person_of(values), _name(values)} - {None} for values in contacts]
    if len(identities) < 2:  # noqa: PLR2004 (one contact is one person)
        return True
    known = identities[0]
    for _ in identities:
        known = known.union(*(identity for identity in identities if identity & known))
    return all(identity & known for identity in identities)


def _name(values: Mapping[str, Any]) -> tuple[str, str] | None:
    name = tuple(str(values.get(part) or "").strip().casefold() for part in ("FirstName", "LastName"))
    return (name[0], name[1]) if any(name) else None
