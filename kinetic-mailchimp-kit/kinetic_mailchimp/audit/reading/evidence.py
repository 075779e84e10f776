"""Evidence of a person's consent: what the trail holds of it, each entry with what proves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.queries import EntryView, select_entries, to_entry
from kinetic_mailchimp.audit.storage.schema import (
    PRIVATE_COLUMNS,
    PUBLIC_COLUMNS,
    decisions,
    journal,
    runs,
    same_person,
)
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.chain import link, private_digest
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.journal import FORMAT, header_digest
from kinetic_mailchimp.audit.trail.notes import EntryNote
from kinetic_mailchimp.kit.errors import ConfigurationError, DataError

_TOLD: Final = tuple(
    action.value for action in (Action.CREATED, Action.FLAGGED, Action.CLEARED, Action.MOVED, Action.ARCHIVED)
)
"""Actions that tell of consent, whether or not their entry says which."""
_STORED: Final = "stored_letter"
"""The record of a dead letter, as stored; a view of an entry has the state of it instead."""
_TELLS: Final = "tells"
_BYTES: Final = frozenset({"person", "former_person", "private_digest"})


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry, with what its digest is made of.

    Args:
        statement: The vendor's words about the consent, where it holds any; empty where the key to read them
            is missing.
        public: The values that the chain covers, in their order; digests in hexadecimal digits.
        private: The personal values, in their order, as stored.
        salt: The salt of their digest; None where they were erased.
        previous: The digest of the entry before it; None where nothing in the trail tells it.
    """

    entry: EntryView
    public: list[Any]
    private: list[Any]
    salt: str | None
    previous: str | None
    digest: str
    statement: Mapping[str, Any] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The parts that a program checks."""
        return {name: getattr(self, name) for name in ("public", "private", "salt", "previous", "digest")}

    @property
    def flaw(self) -> str:
        """The part that does not make its digest, so that the trail was changed; empty for none."""
        return _changed_in(self.facts)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a trail holds about a person's consent.

    Args:
        person: The digest of the address in this trail.
        anchor: The newest position of the journal and its digest.
    """

    person: str
    anchor: str
    proofs: list[Proof]


def gather(trail: AuditTrail, person: bytes) -> Evidence:
    """The entries about a person that tell of consent, with their parts, the oldest first.

    Args:
        trail: Where they are.
        person: The digest of the address.
    """
    columns = (column for column in decisions.c if column.name != "dead_letter")
    whole = decisions.alias("whole")
    tells = whole.c.consent.is_not(None) | whole.c.action.in_(_TOLD)
    # A look at the member tells of consent in its statement alone, and so does no other request that is kept.
    may_tell = tells | whole.c.payload.is_not(None)
    query = (
        select_entries(*columns, decisions.c.dead_letter.label(_STORED), tells.label(_TELLS))
        .join(
            whole,
            (whole.c.run_id == decisions.c.run_id)
            & (whole.c.seq == sa.func.coalesce(decisions.c.part_of, decisions.c.seq)),
        )
        .where(
            same_person(decisions.c.person, person) | (decisions.c.former_person == person),
            runs.c.dry_run.is_(False),
            may_tell,
        )
        .order_by(decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
    )
    newest = sa.select(journal.c.position, journal.c.digest).order_by(journal.c.position.desc()).limit(1)
    with trail.database.reading() as connection:
        rows = [row._asdict() for row in connection.execute(query)]
        head = connection.execute(newest).one_or_none()
        told = [(row, said) for row in rows if (said := _statement(trail, row)) or row[_TELLS]]
        before = _digests_before(connection, [row for row, _ in told])
        proofs = [_proof(row, before.get((row["run_id"], row["seq"])), said) for row, said in told]
    anchor = f"{head.position}:{head.digest.hex()}" if head else ""
    return Evidence(person.hex(), anchor, proofs)


def _statement(trail: AuditTrail, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The vendor's words in a decision; empty ones where the key to read them is missing."""
    if row["payload"] is None or row["part_of"] is not None:
        return None
    try:
        kept = json.loads(trail.encryption.decrypt(row["payload"]))
    except ConfigurationError:
        return {}
    statement: Mapping[str, Any] | None = kept.get("statement")
    return statement


def _proof(row: dict[str, Any], previous: bytes | None, statement: Mapping[str, Any] | None) -> Proof:
    public = [_hex(row[name]) for name in PUBLIC_COLUMNS]
    private = [row[_STORED if name == "dead_letter" else name] for name in PRIVATE_COLUMNS]
    view = {name: value for name, value in row.items() if name in EntryView.__dataclass_fields__}
    salt, digest = _hex(row["salt"]), _hex(row["digest"])
    return Proof(to_entry(view), public, private, salt, _hex(previous), digest, statement)


def _digests_before(
    connection: sa.Connection, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, int], bytes]:
    """The digests before entries, by run and number; where a pruning took that entry, as it noted it."""
    found = {(row["run_id"], row["seq"]): _previous(connection, row) for row in rows}
    left = {f"{run_id}:{seq}" for (run_id, seq), digest in found.items() if digest is None}
    if left:
        query = sa.select(decisions.c.refers_to).where(decisions.c.action == Action.KEPT.value)
        for text in connection.execute(query).scalars():
            if text.rsplit(":", 2)[0] in left:
                note = EntryNote.parse(text)
                found[note.run_id, note.seq] = note.previous
    return {key: digest for key, digest in found.items() if digest is not None}


def _previous(connection: sa.Connection, row: Mapping[str, Any]) -> bytes | None:
    """The digest before an entry; None where that entry is not there any more."""
    if row["seq"] == 1:
        run = connection.execute(sa.select(runs).where(runs.c.id == row["run_id"])).one()
        return header_digest(run._asdict())
    query = sa.select(decisions.c.digest).where(
        decisions.c.run_id == row["run_id"], decisions.c.seq == row["seq"] - 1
    )
    return connection.execute(query).scalar()


def _hex(value: Any) -> Any:  # noqa: ANN401 - a column of any kind
    return value.hex() if isinstance(value, bytes) else value


def facts_of(evidence: Evidence) -> dict[str, Any]:
    """The facts of a document, for a program to check, as JSON."""
    return {
        "format": FORMAT.decode(),
        "person": evidence.person,
        "anchor": evidence.anchor,
        "entries": [proof.facts for proof in evidence.proofs],
    }


@dataclass(frozen=True, slots=True)
class ProofCheck:
    """The outcome for one entry of a document.

    Args:
        place: The entry.
        what: What is proved, or what is wrong, in words.
        is_good: False where the document or the trail was changed.
    """

    place: str
    what: str
    is_good: bool


def check(trail: AuditTrail, facts: Mapping[str, Any]) -> list[ProofCheck]:
    """Compare a document with the trail that it came from.

    Args:
        trail: The trail.
        facts: What `facts_of` made.

    Raises:
        DataError: It is not such a document, or of another kind of digests.
    """
    try:
        if facts["format"] != FORMAT.decode():
            raise DataError("The document has digests of another kind.", advice="Check it with its version.")
        with trail.database.reading() as connection:
            return [
                _check_anchor(connection, str(facts["anchor"])),
                *(_check_entry(connection, entry) for entry in facts["entries"]),
            ]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            "The document is not one that `sync-audit evidence` wrote.", advice="Check the file's name."
        ) from error


def _check_anchor(connection: sa.Connection, anchor: str) -> ProofCheck:
    position, _, digest = anchor.partition(":")
    query = sa.select(journal.c.digest).where(journal.c.position == int(position))
    found = connection.execute(query).scalar()
    is_good = found is not None and found.hex() == digest
    what = "the trail is the one of the document, and was not rewritten up to it"
    return ProofCheck("anchor", what if is_good else "this trail is another one, or was rewritten", is_good)


def _check_entry(connection: sa.Connection, entry: Mapping[str, Any]) -> ProofCheck:
    public = dict(zip(PUBLIC_COLUMNS, entry["public"], strict=True))
    place = f"run {public['run_id']} entry {public['seq']}"
    if changed := _changed_in(entry):
        what = f"the document was changed, or the trail before it was made: {changed} do not make its digest"
        return ProofCheck(place, what, is_good=False)
    row = connection.execute(
        sa.select(decisions).where(decisions.c.run_id == public["run_id"], decisions.c.seq == public["seq"])
    ).one_or_none()
    if row is None:
        past = sa.select(runs.c.pruned_entries).where(runs.c.id == public["run_id"])
        is_past = (connection.execute(past).scalar() or 0) >= public["seq"]
        what = "past its retention: its own digests alone speak for it"
        return ProofCheck(place, what if is_past else "the trail does not hold it", is_past)
    held = [_hex(getattr(row, name)) for name in PUBLIC_COLUMNS]
    if row.digest.hex() != entry["digest"] or held != list(entry["public"]):
        return ProofCheck(place, "the trail holds something else there", is_good=False)
    erased = "in the trail, which has erased the personal data since"
    return ProofCheck(place, erased if row.salt is None else "in the trail, as it is here", is_good=True)


def _changed_in(entry: Mapping[str, Any]) -> str:
    """Name the part of an entry that does not make its digest; empty for none."""
    public = dict(zip(PUBLIC_COLUMNS, entry["public"], strict=True))
    covered = [
        bytes.fromhex(value) if name in _BYTES and value is not None else value
        for name, value in public.items()
    ]
    before = bytes.fromhex(entry["previous"] or "")
    if link(before, covered).hex() != entry["digest"]:
        return "its facts"
    salt, private = entry["salt"], entry["private"]
    if salt is None:
        return "its personal data" if any(value is not None for value in private) else ""
    is_same = private_digest(bytes.fromhex(salt), private).hex() == public["private_digest"]
    return "" if is_same else "its personal data"
