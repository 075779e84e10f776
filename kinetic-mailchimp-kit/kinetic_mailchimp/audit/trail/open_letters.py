"""Closes the dead letters of a source row or an event: the newest stands for it, a success ends its wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from msgspec.structs import replace

from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.json_text import storable
from kinetic_mailchimp.audit.storage.schema import ENTRY_JOIN, dead_letters, decisions
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.entries import COLUMNS, Row
from kinetic_mailchimp.audit.trail.letter_states import FAILED_AGAIN, OPEN, RESOLVED
from kinetic_mailchimp.audit.trail.notes import EntryNote, change_state
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.parsing.email_address import email_key

_Source = tuple[str, str, str | None]
"""Stream, key of the row or empty, and event: of what came with an event, another event says nothing.

Of what has neither, the address stands for the row.
"""

_WRITTEN: Final = frozenset(
    {
        Action.CREATED,
        Action.UPDATED,
        Action.UNCHANGED,
        Action.FLAGGED,
        Action.CLEARED,
        Action.MOVED,
        Action.ARCHIVED,
    }
)
_RUN_AGAIN: Final = "A replay is at work: run the pipeline again."
_SEQ, _PART_OF, _STREAM, _REASON, _REFERS_TO, _DIGEST, _SOURCE_KEY, _EVENT, _SUBJECT, _DEAD_LETTER = (
    COLUMNS.index(name)
    for name in (
        "seq",
        "part_of",
        "stream",
        "reason",
        "refers_to",
        "digest",
        "source_key",
        "event_id",
        "subject",
        "dead_letter",
    )
)


class OpenLetters:
    """The open dead letters of a plugin by source row and event, as far as this run knows them."""

    def __init__(self, run_id: int, plugin: str) -> None:
        self._run_id = run_id
        self._plugin = plugin
        self._is_loaded = False
        self._letters: dict[str, _Source] = {}
        self._of_source: dict[_Source, set[str]] = {}

    def load(self, database: Database) -> None:
        """Read the open dead letters, once."""
        if self._is_loaded:
            return
        query = (
            sa.select(
                *(dead_letters.c[name] for name in ("run_id", "seq")),
                *(decisions.c[name] for name in ("digest", "stream", "source_key", "event_id", "subject")),
            )
            .join(decisions, ENTRY_JOIN)
            .where(dead_letters.c.state == OPEN, dead_letters.c.plugin == self._plugin)
        )
        with database.reading() as connection:
            for run_id, seq, digest, *names in connection.execute(query):
                self._add(run_id, seq, digest, _source(*names))
        self._is_loaded = True

    def closing(self, made: Iterable[Decision]) -> Iterator[Decision]:
        """The decisions, each with one part more for every dead letter that it closes."""
        closed: set[str] = set()
        for decision in made:
            notes = self._closed_by(decision) - closed if self._letters else set()
            if not notes:
                yield decision
                continue
            closed |= notes
            state = RESOLVED if decision.dead_letter is None else FAILED_AGAIN
            parts = (
                Decision(stream="trail", action=Action.REPLAYED, reason=state, refers_to=note)
                for note in sorted(notes)
            )
            yield replace(decision, parts=(*decision.parts, *parts))

    def close(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Mark the dead letters that entries close.

        Args:
            connection: The transaction that stores the entries.
            rows: The entries.

        Raises:
            TransientError: A replay or a person was faster.
        """
        for note, row in self._closed_in(rows):
            result = {"state": row[_REASON], "result_run_id": self._run_id, "result_seq": row[_PART_OF]}
            try:
                change_state(connection, EntryNote.parse(note), OPEN, result, _RUN_AGAIN)
            except TransientError:
                self._is_loaded, self._letters, self._of_source = False, {}, {}
                raise

    def follow(self, rows: Sequence[Row]) -> None:
        """Take note of what entries closed and opened, once they are stored."""
        for note, _ in self._closed_in(rows):
            self._of_source.get(self._letters.pop(note), set()).discard(note)
        for row in rows:
            if row[_DEAD_LETTER] is not None:
                source = _source(row[_STREAM], row[_SOURCE_KEY], row[_EVENT], row[_SUBJECT])
                self._add(self._run_id, row[_SEQ], row[_DIGEST], source)

    def _closed_by(self, decision: Decision) -> set[str]:
        # A correction names the dead letter that it stands for itself.
        is_last_word = decision.dead_letter is not None or decision.action in _WRITTEN
        if not is_last_word or decision.action is Action.CORRECTED:
            return set()
        source = _source(
            storable(decision.stream),
            storable(decision.source_key),
            storable(decision.event_id),
            storable(decision.subject),
        )
        return self._of_source.get(source, set())

    def _closed_in(self, rows: Sequence[Row]) -> list[tuple[str, Row]]:
        if not self._letters:
            return []
        referring = ((str(row[_REFERS_TO]), row) for row in rows if row[_PART_OF] is not None)
        return [(note, row) for note, row in referring if note in self._letters]

    def _add(self, run_id: Any, seq: Any, digest: Any, source: _Source) -> None:  # noqa: ANN401 (columns)
        note = str(EntryNote(run_id, seq, digest))
        self._letters[note] = source
        if any(source[1:]):  # of a record without a key and an event, no other tells
            self._of_source.setdefault(source, set()).add(note)


def _source(stream: Any, source_key: Any, event_id: Any, subject: Any) -> _Source:  # noqa: ANN401 (columns)
    key = source_key or ("" if event_id else email_key(subject or ""))
    return stream, key, event_id
