"""One run of a plugin: it takes decisions and answers when they are durable."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.state.ledger import LedgerChanges, apply_changes
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.storage.schema import dead_letters, decisions, run_counts, runs, stream_schemas
from kinetic_mailchimp.audit.trail import journal
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.entries import COLUMNS, EntryWriter, Row
from kinetic_mailchimp.audit.trail.letter_states import OPEN
from kinetic_mailchimp.audit.trail.open_letters import OpenLetters
from kinetic_mailchimp.audit.trail.summary import RunSummary, Status
from kinetic_mailchimp.kit.database.bulk_insert import insert_rows
from kinetic_mailchimp.kit.errors import AmbiguousWriteError
from kinetic_mailchimp.kit.parsing.timestamps import Clock, format_timestamp

RUNNING = "running"
_MOST_UPDATES: Final = 20_000
"""Updates whose fields are counted: a summary must not take longer than a part of the run."""
HOUR_LENGTH = len("2026-03-01T09")
_SEQ, _PART_OF, _STREAM, _ACTION, _CONSENT, _DEAD_LETTER = map(
    COLUMNS.index, ("seq", "part_of", "stream", "action", "consent", "dead_letter")
)
_COUNTED: Final = ("run_id", "hour", "action", "decisions")
_ADD: Final = (_COUNTED[:3], ("decisions = run_counts.decisions + excluded.decisions",))
_DESCRIBED: Final = ("run_id", "stream", "message")
_DESCRIBE_AGAIN: Final = (_DESCRIBED[:2], ("message = excluded.message",))
_PROGRESS: Final = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("of_run"))
    .values({name: sa.bindparam(name) for name in ("active_at", "records_read", "entries", "head")})
)


class Run:
    """A run that has started. Safe to use from several threads.

    Made by `AuditTrail.start_run`.

    Args:
        header: The run's row as it was when the run started.
        clock: Returns the present time.
    """

    def __init__(
        self, database: Database, header: Mapping[str, Any], writer: EntryWriter, *, clock: Clock
    ) -> None:
        self.id: int = header["id"]
        self.plugin: str = header["plugin"]
        self.correlation: str = header["correlation"]
        self.dry_run: bool = header["dry_run"]
        self._database = database
        self._writer = writer
        self._clock = clock
        self._started: datetime = clock()
        self._lock = threading.Lock()
        # A lock of their own, so that nobody who counts waits for a transaction.
        self._counting = threading.Lock()
        self._read = 0
        self._entries = 0
        self._head: bytes = header["head"]
        self._counts: Counter[Action] = Counter()
        self._hours: Counter[tuple[str, str]] = Counter()
        self._summary: RunSummary | None = None
        self._letters = OpenLetters(self.id, self.plugin)

    @property
    def counts(self) -> Counter[Action]:
        """Number of stored decisions of each action; a copy."""
        with self._counting:
            return Counter(self._counts)

    @property
    def records_read(self) -> int:
        """Number of records that were read."""
        with self._counting:
            return self._read

    def read(self, records: int = 1) -> None:
        """Count records as read from the input; stored with the next decisions or at the end."""
        with self._counting:
            self._read += records

    def describe_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str] = ()
    ) -> None:
        """Keep the schema of a stream, so that its dead letters can be replayed under it."""
        message = {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema,
            "key_properties": list(key_properties),
        }
        row = (self.id, stream, to_json(message))
        with self._lock, self._database.writing() as connection:
            insert_rows(connection, stream_schemas, _DESCRIBED, [row], upsert=_DESCRIBE_AGAIN)

    def record(
        self,
        made: Iterable[Decision],
        *,
        ledger: LedgerChanges | None = None,
        alongside: Callable[[sa.Connection], object] | None = None,
    ) -> None:
        """Store decisions and changes of the ledger: all of them durably, or none.

        Args:
            made: One decision for each record that was read. An iterator is taken one by one and forgotten:
                with many containers alive, the garbage collector takes longer than the hashing.
            ledger: namespace → key → the new value, or None to forget the key.
            alongside: What else to do in the same transaction, on its connection.

        Raises:
            TransientError: If the database did not take them. Nothing was stored; repeat the same call.
            AmbiguousWriteError: If such a call had been stored all the same; the run cannot go on.
            RuntimeError: If the run is finished.
        """
        with self._lock:
            if self._summary is not None:
                message = f"Run {self.id} is finished: start another one."
                raise RuntimeError(message)
            now = format_timestamp(self._clock())
            hour = now[:HOUR_LENGTH]
            if not self.dry_run:
                self._letters.load(self._database)
                made = self._letters.closing(made)
            rows, head = self._writer.rows(made, after=self._entries, head=self._head, now=now)
            if not (rows or alongside or any((ledger or {}).values())):
                return
            words = Counter(row[_ACTION] for row in rows if row[_PART_OF] is None)
            counts = Counter({Action(str(word)): count for word, count in words.items()})
            total = self._entries + len(rows)
            with self._only_writer(), self._database.writing() as connection:
                if rows:
                    insert_rows(connection, decisions, COLUMNS, rows)
                    self._letters.close(connection, rows)
                    self._open_dead_letters(connection, rows, now)
                    counted = [(self.id, hour, word.value, count) for word, count in sorted(counts.items())]
                    insert_rows(connection, run_counts, _COUNTED, counted, upsert=_ADD)
                if ledger:
                    apply_changes(connection, ledger, run_id=self.id, now=now)
                if alongside is not None:
                    alongside(connection)
                progress = {"active_at": now, "records_read": self._read, "entries": total, "head": head}
                connection.execute(_PROGRESS, {"of_run": self.id, **progress})
            self._letters.follow(rows)
            self._entries, self._head = total, head
            with self._counting:
                self._counts += counts
            self._hours.update({(hour, action.value): count for action, count in counts.items()})

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError as error:
            # The entries' numbers are taken: a commit that seemed to fail had succeeded.
            raise AmbiguousWriteError(
                f"The audit database holds more of run {self.id} than it confirmed: an answer was lost.",
                advice="Run the pipeline again; what is written already is recognised as unchanged.",
            ) from error

    def exceeds(
        self, max_failed: int | None, max_failed_ratio: float | None, failures: Collection[Action] = ()
    ) -> bool:
        """Check whether more records failed than the settings allow.

        Args:
            max_failed: The most decisions that may be failures; None for no limit.
            max_failed_ratio: The largest share of the records read so far that may be failures, from 0 to 1;
                None for no limit. Ask at the end, or once enough records were read for a share to mean much.
            failures: Actions that count beside those that are failures always.
        """
        with self._counting:
            failed = sum(
                count for action, count in self._counts.items() if action.is_failure or action in failures
            )
            if max_failed is not None and failed > max_failed:
                return True
            return max_failed_ratio is not None and failed > max_failed_ratio * max(self._read, 1)

    def finish(self, status: Status = "succeeded", error: str | None = None) -> RunSummary:
        """Seal the run. A second call changes nothing and returns the first one's summary.

        A run that says it succeeded while records have no decision is stored as failed: every record that was
        read ends in one decision.

        Args:
            status: How it ended.
            error: What went wrong, in words, without personal data.

        Raises:
            TransientError: If the database did not take it; the call can be repeated.
        """
        with self._lock:
            if self._summary is None:
                self._summary = self._seal(status, error)
            return self._summary

    def _seal(self, status: str, error: str | None) -> RunSummary:
        undecided = self._read - sum(self._counts.values())
        if status == "succeeded" and undecided:
            status = "failed"
            error = f"{self._read} records were read and {undecided} of them have no decision."
        finished = self._clock()
        result: dict[str, Any] = {
            "finished_at": format_timestamp(finished),
            "status": status,
            "error": error,
            "records_read": self._read,
            "entries": self._entries,
            "head": self._head,
        }
        with self._database.writing() as connection:
            values = {"active_at": result["finished_at"], **result}
            connection.execute(sa.update(runs).where(runs.c.id == self.id).values(values))
            journal.append(
                connection,
                run_id=self.id,
                kind=journal.FINISHED,
                content=journal.result_digest({"id": self.id, **result}, self._hours),
                now=result["finished_at"],
            )
        return RunSummary(
            fields=self._updated_fields(),
            run_id=self.id,
            plugin=self.plugin,
            status=status,
            dry_run=self.dry_run,
            read=self._read,
            counts=dict(self._counts),
            seconds=max((finished - self._started).total_seconds(), 0.0),
        )

    def _updated_fields(self) -> Counter[str]:
        """The number of updates that changed each field, of the last updates."""
        if not self._counts[Action.UPDATED]:
            return Counter()
        query = (
            sa.select(decisions.c.changes)
            .where(decisions.c.run_id == self.id, decisions.c.action == Action.UPDATED.value)
            .where(decisions.c.changes.is_not(None))
            .order_by(decisions.c.seq.desc())
            .limit(_MOST_UPDATES)
        )
        with self._database.reading() as connection:
            return Counter(
                name.rpartition(".")[2]
                for text in connection.execute(query).scalars()
                for name in json.loads(text)
            )

    def _open_dead_letters(self, connection: sa.Connection, rows: Sequence[Row], now: str) -> None:
        opened = [
            {
                "run_id": self.id,
                "seq": row[_SEQ],
                "plugin": self.plugin,
                "stream": row[_STREAM],
                "state": OPEN,
                "consent": row[_CONSENT],
                "opened_at": now,
            }
            for row in rows
            if row[_DEAD_LETTER] is not None
        ]
        if opened:
            connection.execute(sa.insert(dead_letters), opened)
