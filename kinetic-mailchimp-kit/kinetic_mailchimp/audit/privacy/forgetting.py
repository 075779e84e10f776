"""Finds what the ledger knows about a person, and what is left of it without them."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Collection, Container
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.state.ledger import PERSONAL_FIELDS, LedgerChanges
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.storage.schema import ledger_entries
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.parsing.email_address import naming, normalise_address
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

_PAGE: Final = 2_000
_FORMS: Final = ("NFC", "NFD")
_GONE: Final = object()
IsAbout = Callable[[str], bool]
VendorHash = Callable[[str], str]


def hashes_of(address: str, vendor_hash: VendorHash) -> frozenset[str]:
    """The hashes by which a vendor may know an address: of its small letters, however composed.

    Args:
        address: An e-mail address, in any spelling.
        vendor_hash: The hash of one spelling.
    """
    lowered = address.strip().lower()
    spellings = (normalise_address(address), *(unicodedata.normalize(form, lowered) for form in _FORMS))
    return frozenset(vendor_hash(spelling) for spelling in spellings)


def mentions(address: str, hashes: Collection[str]) -> IsAbout:
    """A test whether a text contains exactly this address, or a hash by which a vendor knows it.

    Args:
        address: An e-mail address, in any spelling.
        hashes: What `hashes_of` returned for it.
    """
    pattern = naming(normalise_address(address), *hashes)
    return lambda text: pattern.search(normalise_address(text)) is not None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger that names the person.

    Args:
        stored: Its value, as it is stored.
        left: What is left of it without the person; None where nothing is.
    """

    namespace: str
    key: str
    stored: str
    left: dict[str, Any] | None


def find_in_ledger(trail: AuditTrail, is_about: IsAbout) -> list[LedgerEntry]:
    """Every entry of the ledger that names a person, by its key or anywhere in its value."""
    registered = trail.ledger(PERSONAL_FIELDS).items()
    indivisible = {name for _, value in registered for name in value["fields"]}
    query = sa.select(ledger_entries.c.namespace, ledger_entries.c.key, ledger_entries.c.value)
    with trail.database.reading() as connection:
        return [
            LedgerEntry(namespace, key, stored, left)
            for namespace, key, stored in connection.execute(query.execution_options(yield_per=_PAGE))
            for value in [json.loads(stored)]
            for left in [None if is_about(key) else without(value, is_about, indivisible)]
            if left != value
        ]


def without(
    value: dict[str, Any], is_about: IsAbout, indivisible: Container[str] = ()
) -> dict[str, Any] | None:
    """A value without what names a person; None where the whole value is theirs.

    A value that names them at its top is theirs. One that names them further down is about another person,
    such as the one who had the address before them or who works for them: that person's opt-out must stay.

    Args:
        value: A value of the ledger.
        is_about: Tells whether a text names the person.
        indivisible: Names of objects that say nothing, and that no target can read, in part.
    """
    if any(isinstance(inner, str) and is_about(inner) for inner in value.values()):
        return None
    left = _without(value, is_about, indivisible)
    return None if left is _GONE else left  # type: ignore[return-value] # an object stays one


def _without(value: object, is_about: IsAbout, indivisible: Container[str]) -> object:
    if isinstance(value, str):
        return _GONE if is_about(value) else value
    if isinstance(value, list):
        kept = [left for inner in value if (left := _without(inner, is_about, indivisible)) is not _GONE]
        return kept if kept or not value else _GONE
    if not isinstance(value, dict):
        return value
    rest: dict[str, object] = {}
    for name, inner in value.items():
        left = _GONE if is_about(name) else _without(inner, is_about, indivisible)
        if left is not _GONE and (left == inner or name not in indivisible):
            rest[name] = left
    return rest if rest or not value else _GONE


def forgotten(found: list[LedgerEntry]) -> LedgerChanges:
    """The changes that remove entries of which nothing is left."""
    changes: dict[str, dict[str, None]] = {}
    for entry in found:
        if entry.left is None:
            changes.setdefault(entry.namespace, {})[entry.key] = None
    return changes


def blank(trail: AuditTrail, run_id: int, found: list[LedgerEntry], connection: sa.Connection) -> None:
    """Store what is left of entries that name the person beside another person.

    Args:
        trail: Tells the time.
        run_id: The run that erases.
        found: What was found.
        connection: A writing transaction.

    Raises:
        TransientError: If a run changed one of them meanwhile: what it wrote must not be lost.
    """
    for entry in found:
        if entry.left is None:
            continue
        unchanged = (
            ledger_entries.c.namespace == entry.namespace,
            ledger_entries.c.key == entry.key,
            ledger_entries.c.value == entry.stored,
        )
        values = {
            "value": to_json(entry.left),
            "run_id": run_id,
            "recorded_at": format_timestamp(trail.clock()),
        }
        if connection.execute(sa.update(ledger_entries).where(*unchanged).values(values)).rowcount != 1:
            raise TransientError(
                f"A run changed an entry of the ledger ({entry.namespace}) while the person was erased.",
                advice="Run the same command again, best when no pipeline runs.",
            )
