"""Closes dead letters that can never be written, on the word of a person."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import ENTRY_JOIN, at_entry, dead_letters, decisions, runs
from kinetic_mailchimp.audit.trail.administration import administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS, Action, Decision
from kinetic_mailchimp.audit.trail.letter_states import CLOSED, IN_FLIGHT, OPEN
from kinetic_mailchimp.audit.trail.notes import EntryNote, change_state
from kinetic_mailchimp.kit.errors import ConfigurationError

_SEE_FAILURES = "`sync-audit failures` lists the dead letters that wait, each with its run and entry."


@dataclass(frozen=True, slots=True)
class EntryId:
    """The run of an entry and its number there; as text `12/34`."""

    run_id: int
    seq: int

    def __str__(self) -> str:
        """The form in which a person types it."""
        return f"{self.run_id}/{self.seq}"

    @classmethod
    def parse(cls, text: str) -> EntryId:
        """Read what a person typed.

        Raises:
            ValueError: It has another form.
        """
        match = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text, re.ASCII)
        if match is None:
            raise ValueError(f"{text!r} is not an entry: write its run and its number, as in 12/34.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter that waits."""

    note: EntryNote
    consent: str | None

    @property
    def entry_id(self) -> EntryId:
        """The entry that tells of it."""
        return EntryId(self.note.run_id, self.note.seq)

    @property
    def is_opt_out(self) -> bool:
        """True where its record tells of an opt-out."""
        return self.consent in OPT_OUTS


def find_open(trail: AuditTrail, places: Collection[EntryId]) -> list[OpenLetter]:
    """The open dead letters of entries, each once, in the order of their places.

    Raises:
        ConfigurationError: If one of them does not exist, has no dead letter, or has one that is not open.
    """
    with trail.database.reading() as connection:
        return [_find(connection, place) for place in dict.fromkeys(places)]


def _find(connection: sa.Connection, place: EntryId) -> OpenLetter:
    query = (
        sa.select(decisions.c.digest, dead_letters.c.state, dead_letters.c.consent)
        .outerjoin(dead_letters, ENTRY_JOIN)
        .where(at_entry(decisions, place.run_id, place.seq))
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        run = connection.execute(sa.select(runs.c.id).where(runs.c.id == place.run_id)).one_or_none()
        missing = f"run {place.run_id}" if run is None else f"entry {place.seq} of run {place.run_id}"
        raise ConfigurationError(f"The trail has no {missing}.", advice=_SEE_FAILURES)
    if row.state is None:
        raise ConfigurationError(f"The entry {place} has no dead letter.", advice=_SEE_FAILURES)
    if row.state == IN_FLIGHT:
        raise ConfigurationError(
            f"The dead letter {place} is in flight: it went out in a replay whose result is not known yet.",
            advice="Let that replay end, or open again what it dispatched: `sync-audit replay --requeue`.",
        )
    if row.state != OPEN:
        raise ConfigurationError(
            f"The dead letter {place} does not wait: it is {row.state} already.", advice=_SEE_FAILURES
        )
    return OpenLetter(EntryNote(place.run_id, place.seq, row.digest), row.consent)


def parse_reason(text: str) -> str:
    """A reason in words, on one line.

    Raises:
        ValueError: It is empty, or has an e-mail address in it.
    """
    reason = " ".join(text.split())
    if not reason:
        raise ValueError("Say why, in a sentence.")
    if "@" in reason:
        raise ValueError("It holds an address, and no erasure takes it out again: name nobody.")
    return reason


def close(trail: AuditTrail, letters: Sequence[OpenLetter], *, because: str, closed_by: str) -> int:
    """Close dead letters for good: they wait no more, and no replay dispatches them again.

    The trail keeps who closed them and why. Their records stay until a pruning or an erasure takes them.

    Args:
        trail: Where they are.
        letters: Which ones.
        because: The reason, in words. It is never erased, so it must name nobody.
        closed_by: The person who closes them.

    Returns:
        The administrative run that proves it.

    Raises:
        TransientError: If one of them is not open any more; none of them is closed then.
    """
    with administrative_run(trail, "close") as run:

        def mark(connection: sa.Connection) -> None:
            for seq, letter in enumerate(letters, start=1):
                values = {"state": CLOSED, "result_run_id": run.id, "result_seq": seq}
                change_state(connection, letter.note, OPEN, values)

        run.read(len(letters))
        run.record([_decision(letter, because, closed_by) for letter in letters], alongside=mark)
    return run.id


def _decision(letter: OpenLetter, because: str, closed_by: str) -> Decision:
    return Decision(
        stream="trail",
        action=Action.CLOSED,
        reason="by_hand",
        detail=f"Closed by {closed_by}: {because}",
        targets=f"dead letter {letter.entry_id}",
        refers_to=str(letter.note),
    )
