"""Walks the chains and names everything that was changed or removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from kinetic_mailchimp.audit.integrity.dead_letter_check import dead_letter_problems
from kinetic_mailchimp.audit.integrity.problem import Problem, Row, select_rows
from kinetic_mailchimp.audit.storage.schema import (
    PRIVATE_COLUMNS,
    PUBLIC_COLUMNS,
    dead_letters,
    decisions,
    properties,
    run_counts,
    runs,
)
from kinetic_mailchimp.audit.storage.schema import journal as journal_table
from kinetic_mailchimp.audit.trail import journal
from kinetic_mailchimp.audit.trail.administration import PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import PERSON_KEY_PROPERTY, AuditTrail
from kinetic_mailchimp.audit.trail.chain import link, person_digest, private_digest
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.notes import NOTED, EntryNote, Notes
from kinetic_mailchimp.audit.trail.run import HOUR_LENGTH, RUNNING
from kinetic_mailchimp.kit.errors import DataError

Counts = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of a verification.

    Args:
        problems: Everything found; empty when the trail is whole.
        runs: How many runs were checked.
        entries: How many entries were checked.
        anchor: The newest position of the journal and its digest. Kept somewhere else, it proves later
            that nothing up to here was rewritten, not even by who can write to the whole database.
    """

    problems: tuple[Problem, ...]
    runs: int
    entries: int
    anchor: str

    @property
    def is_whole(self) -> bool:
        """True when no problem was found."""
        return not self.problems


def verify(trail: AuditTrail, *, anchor: str | None = None) -> Verification:
    """Check every digest of the trail, in one state of the database.

    Args:
        trail: What to check.
        anchor: What an earlier verification returned as its `anchor`.

    Raises:
        DataError: If the anchor is not one, or if the trail's digests were computed in another way.
    """
    position, digest = _parse_anchor(anchor)
    with trail.database.reading() as connection:
        return _Verifier(connection).run(position, digest)


def problems_of(trail: AuditTrail, numbers: Collection[int]) -> tuple[Problem, ...]:
    """Everything that was changed or removed of some runs, or removed from the trail as a whole.

    Args:
        trail: What to check.
        numbers: The runs.

    Raises:
        DataError: If the trail's digests were computed in another way.
    """
    with trail.database.reading() as connection:
        return _Verifier(connection).problems_of(numbers)


def _parse_anchor(anchor: str | None) -> tuple[int, bytes]:
    if anchor is None:
        return 0, journal.GENESIS
    try:
        position, digest = anchor.split(":")
        return int(position), bytes.fromhex(digest)
    except ValueError as error:
        raise DataError(
            "The anchor is not one that `sync-audit verify` printed.", advice="It looks like 42:9f86d081…."
        ) from error


class _Verifier:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._problems: list[Problem] = []
        self._entries = 0
        self._notes = Notes()
        self._properties = {row["name"]: row["value"] for row in self._select(sa.select(properties))}
        self._person_key = self._properties.get(PERSON_KEY_PROPERTY, b"")

    def problems_of(self, numbers: Collection[int]) -> tuple[Problem, ...]:
        headers, results, _ = self._begin(0, journal.GENESIS)
        for run in self._select(sa.select(runs).where(runs.c.id.in_(numbers)).order_by(runs.c.id)):
            self._check_run(run, headers.get(run["id"]), results.get(run["id"]))
        known = {run["id"] for run in self._select(sa.select(runs.c.id))}
        self._report_removed((headers.keys() | results.keys()) - known)
        return tuple(self._problems)

    def _begin(
        self, position: int, digest: bytes
    ) -> tuple[dict[int, bytes], dict[int, bytes], tuple[int, bytes]]:
        if self._properties.get(journal.FORMAT_PROPERTY) != journal.FORMAT:
            raise DataError(
                "This trail cannot be verified: it was begun by an earlier development version, with digests"
                " of another kind.",
                advice="It can be read on. To have one that can be verified, name another database in"
                " audit_database_url: the next run begins a new trail there.",
            )
        found = self._check_journal(position, digest)
        self._read_notes()
        return found

    def run(self, position: int, digest: bytes) -> Verification:
        headers, results, head = self._begin(position, digest)
        known = 0
        for run in self._select(sa.select(runs).order_by(runs.c.id)):
            known += 1
            self._check_run(run, headers.pop(run["id"], None), results.pop(run["id"], None))
        self._report_removed(headers.keys() | results.keys())
        self._check_orphans()
        self._problems += dead_letter_problems(self._connection, self._notes)
        return Verification(
            problems=tuple(self._problems),
            runs=known,
            entries=self._entries,
            anchor=f"{head[0]}:{head[1].hex()}",
        )

    def _report_removed(self, numbers: Collection[int]) -> None:
        for run_id in sorted(numbers):
            self._report(f"run {run_id}", "was removed: the journal knows it")

    def _report(self, where: str, what: str) -> None:
        self._problems.append(Problem(where, what))

    def _select(self, query: sa.Select[Any]) -> Iterator[Row]:
        return select_rows(self._connection, query)

    def _check_journal(
        self, anchor_position: int, anchor_digest: bytes
    ) -> tuple[dict[int, bytes], dict[int, bytes], tuple[int, bytes]]:
        position, head = 0, journal.GENESIS
        anchored = anchor_position == 0
        contents: dict[str, dict[int, bytes]] = {journal.STARTED: {}, journal.FINISHED: {}}
        for row in self._select(sa.select(journal_table).order_by(journal_table.c.position)):
            where = f"journal entry {row['position']}"
            if row["position"] != position + 1:
                self._report(where, f"the entries from {position + 1} on, up to this one, are missing")
            digest = journal.journal_digest(
                head,
                position=row["position"],
                run_id=row["run_id"],
                kind=row["kind"],
                recorded_at=row["recorded_at"],
                content=row["content_digest"],
            )
            if digest != row["digest"]:
                self._report(where, "was changed, or the one before it was")
            if row["position"] == anchor_position:
                anchored = row["digest"] == anchor_digest
            known = contents.setdefault(row["kind"], {})
            if row["run_id"] in known:
                self._report(f"run {row['run_id']}", "is not the first of its number: another was removed")
            known[row["run_id"]] = row["content_digest"]
            position, head = row["position"], row["digest"]
        if not anchored:
            self._report(
                "journal", f"does not hold the anchor at position {anchor_position}: it was rewritten"
            )
        if self._properties.get(journal.HEAD_PROPERTY) != journal.encode_head(position, head):
            self._report("journal", f"its newest entries, after {position}, are missing")
        return contents[journal.STARTED], contents[journal.FINISHED], (position, head)

    def _read_notes(self) -> None:
        names = ("action", "reason", "refers_to", "run_id", "seq")
        query = (
            sa.select(*(decisions.c[name] for name in names))
            .join(runs, runs.c.id == decisions.c.run_id)
            .where(
                decisions.c.action.in_([action.value for action in NOTED]),
                # A target closes the earlier dead letters of a row in parts of its decision about the row.
                (runs.c.plugin == PLUGIN)
                | ((decisions.c.action == Action.REPLAYED.value) & decisions.c.part_of.is_not(None)),
            )
            .order_by(decisions.c.run_id, decisions.c.seq)
        )
        for row in self._select(query):
            if not self._notes.add(**row):
                self._report(f"run {row['run_id']} entry {row['seq']}", "refers to nothing that can be read")

    def _check_run(self, run: Row, header: bytes | None, result: bytes | None) -> None:
        where = f"run {run['id']}"
        stored = self._select(sa.select(run_counts).where(run_counts.c.run_id == run["id"]))
        counts = {(row["hour"], row["action"]): row["decisions"] for row in stored}
        if header is None:
            self._report(where, "was added: the journal does not know it")
        elif header != journal.header_digest(run):
            self._report(where, "its plugin, pipeline, time or another fact of its start was changed")
        self._check_end(where, run, result, counts)
        counted = self._check_entries(run, self._first_link(where, run))
        if not run["pruned_entries"] and counted != counts:
            self._report(where, "its counts do not match its entries")

    def _check_end(self, where: str, run: Row, result: bytes | None, counts: Counts) -> None:
        if result is None:
            if (run["finished_at"], run["status"], run["error"]) != (None, RUNNING, None):
                self._report(where, "was marked as finished: the journal does not know its end")
            return
        if result != journal.result_digest(run, counts):
            self._report(where, "its result or its counts were changed")
        if run["active_at"] != run["finished_at"]:
            self._report(where, "its time of last activity was changed")

    def _first_link(self, where: str, run: Row) -> bytes:
        """The digest before the oldest entry that a run still has."""
        pruned, head = run["pruned_entries"], run["pruned_head"]
        if not pruned and head is None:
            return journal.header_digest(run)
        if EntryNote(run["id"], pruned, head) not in self._notes.pruned:
            self._report(where, f"its entries up to {pruned} are missing, and no pruning tells of it")
        return head or journal.GENESIS

    def _check_entries(self, run: Row, head: bytes) -> Counts:
        """Check a run's entries from the digest before its oldest one on; returns their counts."""
        seq = run["pruned_entries"]
        counts: Counter[tuple[str, str]] = Counter()
        query = sa.select(decisions).where(decisions.c.run_id == run["id"]).order_by(decisions.c.seq)
        for row in self._select(query):
            self._entries += 1
            where = f"run {run['id']} entry {row['seq']}"
            self._check_private(where, row)
            public = [row[name] for name in PUBLIC_COLUMNS]
            if row["seq"] <= run["pruned_entries"]:
                self._check_kept(where, row, public)
                continue
            if row["seq"] != seq + 1:
                self._report(where, f"the entries from {seq + 1} on, up to this one, are missing")
            if link(head, public) != row["digest"]:
                self._report(where, "was changed, or the one before it was changed or removed")
            if row["part_of"] is None:
                counts[row["recorded_at"][:HOUR_LENGTH], row["action"]] += 1
            seq, head = row["seq"], row["digest"]
        if (seq, head) != (run["entries"], run["head"]):
            self._report(f"run {run['id']}", f"its newest entries, after {seq}, are missing")
        return dict(counts)

    def _check_kept(self, where: str, row: Row, public: list[Any]) -> None:
        note = self._notes.kept.pop((row["run_id"], row["seq"]), None)
        if note is None:
            self._report(where, "is older than what was pruned, and nothing says that it was kept")
        elif note.digest != row["digest"] or link(note.previous or b"", public) != row["digest"]:
            self._report(where, "was changed")

    def _check_private(self, where: str, row: Row) -> None:
        private = [row[name] for name in PRIVATE_COLUMNS]
        if row["salt"] is None:
            if any(value is not None for value in private):
                self._report(where, "was erased, and has personal data again")
            if EntryNote(row["run_id"], row["seq"], row["digest"]) not in self._notes.erased:
                self._report(where, "its personal data is missing without a record of an erasure")
        elif private_digest(row["salt"], private) != row["private_digest"]:
            self._report(where, "its personal data was changed")
        else:
            for name, address in (("person", row["subject"]), ("former_person", row["former_subject"])):
                if address and person_digest(self._person_key, address) != row[name]:
                    self._report(where, "the key of the person digests was changed")

    def _check_orphans(self) -> None:
        for note in self._notes.kept.values():
            if EntryNote(note.run_id, note.seq, note.digest) not in self._notes.pruned:
                self._report(f"run {note.run_id} entry {note.seq}", "was kept by a pruning and is missing")
        for table in (decisions, run_counts, dead_letters):
            query = sa.select(table.c.run_id).where(table.c.run_id.not_in(sa.select(runs.c.id))).distinct()
            for row in self._select(query):
                self._report(f"run {row['run_id']}", f"has rows in {table.name} and does not exist")
