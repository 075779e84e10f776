"""Dispatches dead letters again as Singer messages, and records what became of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TextIO

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.storage.schema import (
    ENTRY_JOIN,
    at_entry,
    dead_letters,
    decisions,
    runs,
    same_person,
    stream_schemas,
)
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.letter_states import FAILED_AGAIN, IN_FLIGHT, OPEN, RESOLVED
from kinetic_mailchimp.audit.trail.notes import EntryNote, change_state
from kinetic_mailchimp.audit.trail.run import Run
from kinetic_mailchimp.kit.database.batches import in_batches

_BATCH: Final = 200
Change = Callable[[sa.Connection], object]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that waits, or that is in flight: it was dispatched and has no result yet.

    Args:
        person: The digest of the person it is about.
        plugin: The target that could not write it.
        state: `open` or `in_flight`.
    """

    note: EntryNote
    stored: str
    person: bytes | None
    source_key: str | None
    event_id: str | None
    plugin: str
    stream: str
    state: str
    dispatched_in: int | None


@dataclass(frozen=True, slots=True)
class _Result:
    letter: DeadLetter
    state: str
    run_id: int | None = None
    seq: int | None = None


def waiting(
    trail: AuditTrail, *, state: str = OPEN, plugin: str | None = None, stream: str | None = None
) -> list[DeadLetter]:
    """The dead letters in a state, oldest first.

    Args:
        trail: Where they are.
        state: `open` or `in_flight`.
        plugin: Only those of one target.
        stream: Only those of one stream.
    """
    of_entry = ("run_id", "seq", "digest", "dead_letter", "person", "source_key", "event_id")
    of_letter = ("plugin", "stream", "state", "replay_run_id")
    wanted = {"state": state, "plugin": plugin, "stream": stream}
    query = (
        sa.select(*(decisions.c[name] for name in of_entry), *(dead_letters.c[name] for name in of_letter))
        .join(dead_letters, ENTRY_JOIN)
        .where(*(dead_letters.c[name] == value for name, value in wanted.items() if value is not None))
        .order_by(dead_letters.c.opened_at, dead_letters.c.run_id, dead_letters.c.seq)
    )
    with trail.database.reading() as connection:
        return [DeadLetter(EntryNote(*row[:3]), *row[3:]) for row in connection.execute(query)]


def replayed_sources(trail: AuditTrail, plugin: str) -> set[str]:
    """The source rows of a target whose dead letters are in flight: stream and key.

    Args:
        trail: Where they are.
        plugin: The target.
    """
    return {
        f"{letter.stream}/{letter.source_key}" for letter in waiting(trail, state=IN_FLIGHT, plugin=plugin)
    }


def dispatch(trail: AuditTrail, run: Run, letters: Sequence[DeadLetter], output: TextIO) -> None:
    """Write dead letters as Singer SCHEMA and RECORD messages, each one once.

    A batch is marked as in flight in the transaction in which it is written: if the output breaks, it
    stays open.

    Raises:
        TransientError: If another replay took one of them.
    """
    last_schema = ""
    for batch in in_batches(letters, _BATCH):
        lines: list[str] = []
        for letter in batch:
            record = json.loads(trail.encryption.decrypt(letter.stored))
            schema = _schema_message(trail, letter, record)
            if schema != last_schema:
                lines.append(schema)
                last_schema = schema
            lines.append(to_json({"type": "RECORD", "stream": letter.stream, "record": record}))

        def mark_and_write(
            connection: sa.Connection, batch: Sequence[DeadLetter], lines: Sequence[str]
        ) -> None:
            sent = [_Result(letter, IN_FLIGHT) for letter in batch]
            _move(sent, {"replay_run_id": run.id}, connection)
            output.writelines(f"{line}\n" for line in lines)
            output.flush()

        _note(run, batch, IN_FLIGHT, partial(mark_and_write, batch=batch, lines=lines))


def resolve(trail: AuditTrail, run: Run, letters: Iterable[DeadLetter], *, requeue: bool) -> Counter[str]:
    """Record what became of dead letters that were dispatched.

    The result of a dead letter is the first decision of the same target about the same record since it was
    dispatched. After a failure that left no dead letter of its own, the old one is open again.

    Args:
        trail: Where they are.
        run: The administrative run that records it.
        letters: Dead letters that were dispatched.
        requeue: Whether those without a result are opened again, because no target is at work on them
            any more.

    Returns:
        How many are `resolved`, `failed_again`, and `open` or still `in_flight`.
    """
    used: set[tuple[int, int]] = set()
    results: list[_Result] = []
    undecided = OPEN if requeue else IN_FLIGHT
    with trail.database.reading() as connection:
        for letter in letters:
            rows = connection.execute(_decisions_since(letter))
            found = next((row for row in rows if (row.run_id, row.seq) not in used), None)
            if found is None:
                results.append(_Result(letter, undecided))
                continue
            used.add((found.run_id, found.seq))
            if found.dead_letter is None and Action(found.action).is_failure:
                # Nothing else keeps the record: a target that stops at a failure leaves no letter of its own.
                results.append(_Result(letter, OPEN))
            else:
                state = RESOLVED if found.dead_letter is None else FAILED_AGAIN
                results.append(_Result(letter, state, found.run_id, found.seq))
    for state in (FAILED_AGAIN, OPEN, RESOLVED):
        of_state = [result for result in results if result.state == state]
        for batch in in_batches(of_state, _BATCH):
            move = partial(_move, batch, {"replay_run_id": None} if state == OPEN else {})
            _note(run, [result.letter for result in batch], state, move)
    return Counter(result.state for result in results)


def _decisions_since(letter: DeadLetter) -> sa.Select[Any]:
    dispatched = runs.alias("dispatched")
    # A decision may also have closed dead letters that nobody dispatched.
    is_result = at_entry(decisions, dead_letters.c.result_run_id, dead_letters.c.result_seq)
    taken = dead_letters.c.replay_run_id.is_not(None) & is_result
    return (
        sa.select(decisions.c.run_id, decisions.c.seq, decisions.c.action, decisions.c.dead_letter)
        .join(runs, runs.c.id == decisions.c.run_id)
        .join(dispatched, dispatched.c.id == letter.dispatched_in)
        .where(
            runs.c.plugin == letter.plugin,
            runs.c.dry_run.is_(False),
            decisions.c.part_of.is_(None),
            decisions.c.action != Action.CORRECTED.value,
            decisions.c.stream == letter.stream,
            # A later run counts whatever its host's clock says; an older one may still be at work.
            (decisions.c.run_id > dispatched.c.id) | (decisions.c.recorded_at >= dispatched.c.started_at),
            same_person(decisions.c.person, letter.person)
            if letter.person is not None
            else decisions.c.person.is_(None),
            decisions.c.source_key.is_not_distinct_from(letter.source_key),
            decisions.c.event_id.is_not_distinct_from(letter.event_id),
            ~((decisions.c.run_id == letter.note.run_id) & (decisions.c.seq <= letter.note.seq)),
            ~sa.select(dead_letters.c.seq).where(taken).exists(),
        )
        .order_by(decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
    )


def _schema_message(trail: AuditTrail, letter: DeadLetter, record: dict[str, Any]) -> str:
    if known := stored_schema(trail, letter.note.run_id, letter.stream):
        return known
    schema = {"type": "object", "properties": {name: {} for name in record}}
    return to_json({"type": "SCHEMA", "stream": letter.stream, "schema": schema, "key_properties": []})


def stored_schema(trail: AuditTrail, run_id: int, stream: str) -> str | None:
    """The SCHEMA message under which a run read a stream; None where the trail has none."""
    query = sa.select(stream_schemas.c.message).where(
        stream_schemas.c.run_id == run_id, stream_schemas.c.stream == stream
    )
    with trail.database.reading() as connection:
        return connection.execute(query).scalar()


def _note(run: Run, letters: Sequence[DeadLetter], state: str, alongside: Change) -> None:
    run.read(len(letters))
    run.record(
        [
            Decision(stream="trail", action=Action.REPLAYED, reason=state, refers_to=str(letter.note))
            for letter in letters
        ],
        alongside=alongside,
    )


def _move(results: Sequence[_Result], further: Mapping[str, Any], connection: sa.Connection) -> None:
    for result in results:
        values = {"state": result.state, "result_run_id": result.run_id, "result_seq": result.seq, **further}
        change_state(connection, result.letter.note, result.letter.state, values)
