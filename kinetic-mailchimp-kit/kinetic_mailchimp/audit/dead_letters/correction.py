"""Corrects dead letters: the corrected record waits in place of the original, which stays beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.dead_letters.closing import EntryId, OpenLetter, find_open
from kinetic_mailchimp.audit.dead_letters.dispatch import stored_schema
from kinetic_mailchimp.audit.storage.schema import at_entry, dead_letters, decisions, runs
from kinetic_mailchimp.audit.trail.administration import CORRECT, administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.letter_states import CORRECTED
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, email_key, parse_email

ADDRESSES: Final = ("new_email", "email_address", "email")
"""Properties of a record that hold a person's address, the one that counts first."""
_OBJECTS: Final = ("merge_fields", "merges")
_WRONG_KIND: Final = "`{name}` is {kind} in the record, and the correction is not."
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class LetterRecord:
    """The record of a dead letter that waits.

    Args:
        entry: What its entry says: the columns of `decisions` and of its run.
        record: The record, in clear.
    """

    letter: OpenLetter
    entry: Mapping[str, Any]
    record: Mapping[str, Any]

    def can_be_corrected(self, name: str) -> bool:
        """Tell whether a property may be corrected: an address, or a field.

        What says who agreed to what, which row it comes from and when it happened cannot be rewritten.
        With another address, an opt-in would be the word of a person who never gave it.
        """
        if name in ADDRESSES:
            return not self.letter.consent or self.letter.is_opt_out
        return name in _OBJECTS or name[:1].isupper()


def read_letter(trail: AuditTrail, place: EntryId) -> LetterRecord:
    """The record of an open dead letter.

    Raises:
        ConfigurationError: It does not wait, or it is encrypted and the key is not set.
    """
    (letter,) = find_open(trail, [place])
    query = (
        sa.select(decisions, runs.c.plugin, runs.c.source_system, runs.c.destination_system)
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(at_entry(decisions, place.run_id, place.seq))
    )
    with trail.database.reading() as connection:
        entry = connection.execute(query).one()._asdict()
    return LetterRecord(letter, entry, json.loads(trail.encryption.decrypt(entry["dead_letter"])))


def parse_corrections(found: LetterRecord, texts: Mapping[str, str]) -> dict[str, Any]:
    """The values that texts stand for, each of the kind that the record has there.

    Args:
        found: The record.
        texts: The new value of each property, as a person typed it; what is not text in the record, as JSON.

    Raises:
        ConfigurationError: A property is not in the record, may not be corrected, or has another kind.
    """
    values = {name: _parsed(found, name, text) for name, text in texts.items()}
    changed = {name: value for name, value in values.items() if value != found.record[name]}
    if not changed:
        raise ConfigurationError("Nothing is corrected.", advice="Give a value other than the present one.")
    return changed


def _parsed(found: LetterRecord, name: str, text: str) -> Any:  # noqa: ANN401 (JSON)
    if name not in found.record or not found.can_be_corrected(name):
        names = ", ".join(filter(found.can_be_corrected, found.record))
        raise ConfigurationError(
            f"`{name}` cannot be corrected in this record.", advice=f"These can: {names or 'none'}."
        )
    text, present = text.strip(), found.record[name]
    if name in ADDRESSES:
        try:
            parse_email(text)
        except InvalidEmailError as error:
            raise ConfigurationError(
                f"The correction of `{name}` is not one e-mail address.",
                advice="Write one, such as ada@example.com.",
            ) from error
    if present is None or isinstance(present, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    kind = _KINDS[type(present)]
    if _KINDS.get(type(value)) != kind:
        raise ConfigurationError(_WRONG_KIND.format(name=name, kind=kind), advice="Write it as JSON.")
    return value


def correct(trail: AuditTrail, found: LetterRecord, values: Mapping[str, Any], *, corrected_by: str) -> int:
    """Put a corrected record in place of one that waits: the next replay sends it.

    The entry belongs to a run of the target whose record it is, so retention and erasure treat it alike.

    Args:
        trail: Where it is.
        found: The record.
        values: The new value of each property that is corrected.
        corrected_by: The person who corrects it.

    Returns:
        The run that holds the correction.

    Raises:
        TransientError: The dead letter is not open any more; nothing was changed.
    """
    entry, note = found.entry, found.letter.note
    record = {**found.record, **values}
    if entry["event_id"]:
        record.setdefault("event_id", entry["event_id"])  # a target derives a missing one from the rest
    subject, former = _subjects(record, entry)
    change = Decision(stream="trail", action=Action.REPLAYED, reason=CORRECTED, refers_to=str(note))
    decision = Decision(
        stream=entry["stream"],
        action=Action.CORRECTED,
        reason="by_hand",
        detail=f"Corrected by {corrected_by}.",
        subject=subject,
        former_subject=former,
        source_key=entry["source_key"],
        source_updated_on=entry["source_updated_on"],
        event_id=entry["event_id"],
        consent=entry["consent"],
        changes={name: (found.record[name], value) for name, value in values.items()},
        targets=f"dead letter {found.letter.entry_id}",
        dead_letter=record,
        parts=[change],
    )

    def check(connection: sa.Connection) -> None:
        query = sa.select(dead_letters.c.state, dead_letters.c.result_run_id).where(
            at_entry(dead_letters, note.run_id, note.seq)
        )
        if connection.execute(query).one_or_none() != (CORRECTED, run.id):
            raise TransientError(
                f"The dead letter {found.letter.entry_id} is not open any more.",
                advice="Another person, a replay or a run was faster: see `sync-audit failures`.",
            )

    systems = (entry["source_system"], entry["destination_system"])
    direction = Direction(*systems) if all(systems) else None
    with administrative_run(trail, CORRECT, plugin=entry["plugin"], direction=direction) as run:
        if stored := stored_schema(trail, note.run_id, entry["stream"]):
            schema = json.loads(stored)
            run.describe_stream(entry["stream"], schema["schema"], schema["key_properties"])
        run.read()
        run.record([decision], alongside=check)
    return run.id


def _subjects(record: Mapping[str, Any], entry: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The person whom the target will decide about, and the address that the original is found under."""
    name = next((name for name in ADDRESSES if record.get(name)), None)
    if name is None:
        return entry["subject"], entry["former_subject"]
    try:
        subject = parse_email(record[name])
    except InvalidEmailError:
        subject = record[name]
    former = entry["subject"]
    is_same = not former or email_key(former) == email_key(subject)
    return subject, entry["former_subject"] if is_same else former
