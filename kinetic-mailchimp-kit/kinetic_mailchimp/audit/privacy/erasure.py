"""Removes a person's data and leaves a trail that still verifies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.privacy.forgetting import (
    IsAbout,
    VendorHash,
    blank,
    find_in_ledger,
    forgotten,
    hashes_of,
    mentions,
)
from kinetic_mailchimp.audit.storage.schema import PRIVATE_COLUMNS, dead_letters, decisions, runs, same_person
from kinetic_mailchimp.audit.trail.administration import PLUGIN, administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.environment import ENCRYPTED_PREFIX
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES
from kinetic_mailchimp.audit.trail.notes import EntryNote, at_notes, keys_of
from kinetic_mailchimp.kit.database.batches import in_batches
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.parsing.email_address import normalise_address

_BATCH: Final = 500
_PAGE: Final = 2_000
_GONE: Final[dict[str, None]] = dict.fromkeys(("salt", *PRIVATE_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Result of an erasure.

    Args:
        records: How many entries lost their personal data.
        open_dead_letters: How many of them still waited to be replayed.
        dead_letters: How many of them kept the whole record.
        payloads: How many of them kept a request.
        ledger_keys: How many entries of the ledger were forgotten, or lost what they said about the person.
        cleaned_up: Whether old copies are gone from the database's files, too.
    """

    run_id: int
    records: int
    open_dead_letters: int
    dead_letters: int
    payloads: int
    ledger_keys: int
    namespaces: tuple[str, ...]
    cleaned_up: bool


def erase(
    trail: AuditTrail, address: str, *, vendor_hash: VendorHash, with_open_dead_letters: bool = False
) -> Erasure:
    """Remove everything personal about the person with an address, apart from the digest that stands for
    them.

    What stays says that something was decided, when, by which rule and with which answer, about the person
    with this digest: asking for the same address finds it, and nothing else does. What goes: addresses, names
    and every other value, keys at the source and at the target, dead letters, payloads, and what the
    ledger knows.

    Args:
        trail: Where to erase.
        address: The person's e-mail address. Other spellings of the same address are found, too.
        vendor_hash: Tells under which hash the vendor knows an address: what names the hash goes, too.
        with_open_dead_letters: Whether dead letters that wait for replay go as well. An opt-out among them
            would never reach the system that it is for.

    Raises:
        DataError: If dead letters wait for replay and were not given up.
        ConfigurationError: If encrypted records must be read to find the person, and the key is not set.
        TransientError: If the database did not take it; the call can be repeated.
    """
    hashes = hashes_of(address, vendor_hash)
    is_about = mentions(address, hashes)
    found: list[EntryNote] = []
    kinds: Counter[str] = Counter()
    for entry in find_entries(trail, address, is_about, hashes):
        found.append(entry.note)
        kinds.update(name for name in ("dead_letter", "payload") if entry.private[name] is not None)
    waiting = _count_open(trail, found)
    if waiting and not with_open_dead_letters:
        raise DataError(
            f"{waiting} dead letters about this person wait for replay; an opt-out may be among them.",
            advice="Replay them first (sync-audit replay), or erase with --with-open-dead-letters.",
        )
    known = find_in_ledger(trail, is_about)
    with administrative_run(trail, "erase") as run:
        for batch in in_batches(found, _BATCH):
            notes = [
                Decision(stream="trail", action=Action.ERASED, reason="asked_for", refers_to=str(note))
                for note in batch
            ]
            run.read(len(notes))
            run.record(notes, alongside=partial(_blank, batch))
        run.record([], ledger=forgotten(known), alongside=partial(blank, trail, run.id, known))
    return Erasure(
        run_id=run.id,
        records=len(found),
        open_dead_letters=waiting,
        dead_letters=kinds["dead_letter"],
        payloads=kinds["payload"],
        ledger_keys=len(known),
        namespaces=tuple(sorted({entry.namespace for entry in known})),
        cleaned_up=trail.database.clean_up(),
    )


def export_person(trail: AuditTrail, address: str, *, vendor_hash: VendorHash) -> Iterator[dict[str, Any]]:
    """Everything that `erase` would remove, each with the place that it was found in.

    Args:
        trail: Where to look.
        address: The person's e-mail address, in any spelling.
        vendor_hash: The hash by which the vendor knows an address.

    Raises:
        ConfigurationError: If encrypted records must be read to find the person, and the key is not set.
    """
    hashes = hashes_of(address, vendor_hash)
    is_about = mentions(address, hashes)
    for entry in find_entries(trail, address, is_about, hashes):
        values = {name: value for name, value in entry.private.items() if value is not None}
        yield {"where": "trail", "run": entry.note.run_id, "entry": entry.note.seq, **values}
    for known in find_in_ledger(trail, is_about):
        yield {"where": f"ledger {known.namespace}", "key": known.key, "value": json.loads(known.stored)}


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry about the person: its note, and its personal columns in clear."""

    note: EntryNote
    private: Mapping[str, str | None]


def find_entries(
    trail: AuditTrail, address: str, is_about: IsAbout, hashes: Collection[str]
) -> Iterator[FoundEntry]:
    """Entries whose personal data is about a person, or names the person."""
    person = trail.person(address)
    names = ("run_id", "seq", "digest", "person", "former_person", *PRIVATE_COLUMNS)
    query = (
        sa.select(*(decisions.c[name] for name in names))
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(decisions.c.salt.is_not(None), runs.c.plugin != PLUGIN, _may_be_about(address, person, hashes))
    )
    with trail.database.reading() as connection:
        for row in connection.execute(query.execution_options(yield_per=_PAGE)):
            private = {
                name: None if text is None else trail.encryption.decrypt(text)
                for name, text in zip(PRIVATE_COLUMNS, row[5:], strict=True)
            }
            texts = (text for text in private.values() if text is not None)
            if person in (row.person, row.former_person) or any(map(is_about, texts)):
                yield FoundEntry(EntryNote(row.run_id, row.seq, row.digest), private)


def _may_be_about(address: str, person: bytes, hashes: Collection[str]) -> sa.ColumnElement[bool]:
    """A condition that the database can check, wider than the truth: spellings are compared afterwards."""
    normal = normalise_address(address)
    # A letter outside ASCII may be stored in another case, which not every database folds, and quotes have
    # another form in JSON: leave them open.
    widened = re.sub(r"([%_])", r"\\\1", re.sub(r"[\x22\x5c]", "\0", normal))
    patterns = [re.sub(r"[^\x20-\x7e]", "_", widened.replace("\0", "%")), *hashes]
    searched = [decisions.c[name] for name in PRIVATE_COLUMNS if name not in ("subject", "former_subject")]
    encrypted = (decisions.c[name].startswith(ENCRYPTED_PREFIX) for name in ("dead_letter", "payload"))
    return sa.or_(
        same_person(decisions.c.person, person),
        decisions.c.former_person == person,
        *(column.ilike(f"%{pattern}%", escape="\\") for column in searched for pattern in patterns),
        *encrypted,
    )


def _count_open(trail: AuditTrail, found: Sequence[EntryNote]) -> int:
    query = sa.select(dead_letters.c.run_id, dead_letters.c.seq).where(
        dead_letters.c.state.in_(WAITING_STATES)
    )
    with trail.database.reading() as connection:
        waiting = {(row.run_id, row.seq) for row in connection.execute(query)}
    return sum((note.run_id, note.seq) in waiting for note in found)


def _blank(batch: Sequence[EntryNote], connection: sa.Connection) -> None:
    keys = keys_of(batch)
    connection.execute(sa.update(decisions).where(at_notes(decisions)).values(**_GONE), keys)
    connection.execute(sa.delete(dead_letters).where(at_notes(dead_letters)), keys)
