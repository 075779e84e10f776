"""Removes entries past their retention and leaves a trail that still verifies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import at_entry, dead_letters, decisions, runs, stream_schemas
from kinetic_mailchimp.audit.trail.administration import PLUGIN, administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Decision
from kinetic_mailchimp.audit.trail.journal import header_digest
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES
from kinetic_mailchimp.audit.trail.notes import EntryNote, delete_entries
from kinetic_mailchimp.audit.trail.run import Run
from kinetic_mailchimp.kit.errors import TransientError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

_STEP: Final = 5_000
"""Entries per transaction: other writers get their turn in between."""
_OF_WHOLE: Final = at_entry(
    dead_letters, decisions.c.run_id, sa.func.coalesce(decisions.c.part_of, decisions.c.seq)
)
"""Joins the dead letter of the decision that an entry is a part of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Result of a pruning.

    Args:
        removed: How many entries are gone.
        kept: How many entries past their age stay, as a proof of consent or because they wait for replay.
    """

    run_id: int
    removed: int
    kept: int


def prune(trail: AuditTrail, older_than: timedelta) -> Pruning:
    """Remove entries recorded longer ago than an age.

    Runs, their counts and the journal stay: they hold nothing personal. So do decisions about consent with
    their parts, because they prove why a person is written to or not, and dead letters that wait for replay.

    Raises:
        TransientError: If the database did not take it; what is pruned so far verifies, and the call can
            be repeated.
    """
    cutoff = format_timestamp(trail.clock() - older_than)
    removed = kept = 0
    query = sa.select(runs.c.id).where(
        runs.c.started_at < cutoff, runs.c.plugin != PLUGIN, runs.c.entries > runs.c.pruned_entries
    )
    with administrative_run(trail, "prune") as run:
        removed += _release_settled(trail, run, cutoff)
        with trail.database.reading() as connection:
            old_runs = list(connection.execute(query.order_by(runs.c.id)).scalars())
        for run_id in old_runs:
            while (step := _next_step(trail, run_id, cutoff)) is not None:
                step.record(run)
                removed += step.removed
                kept += len(step.kept)
    return Pruning(run_id=run.id, removed=removed, kept=kept)


@dataclass(frozen=True, slots=True)
class _Step:
    """The oldest entries of a run that can go in one transaction."""

    first: int
    last: EntryNote
    kept: tuple[EntryNote, ...]

    @property
    def removed(self) -> int:
        return self.last.seq - self.first + 1 - len(self.kept)

    def record(self, run: Run) -> None:
        notes = [
            Decision(stream="trail", action=Action.PRUNED, reason="past_retention", refers_to=str(self.last)),
            *(
                Decision(stream="trail", action=Action.KEPT, reason="proof_or_replay", refers_to=str(note))
                for note in self.kept
            ),
        ]
        run.read(len(notes))
        run.record(notes, alongside=self._delete)

    def _delete(self, connection: sa.Connection) -> None:
        run_id, kept = self.last.run_id, [note.seq for note in self.kept]
        for table in (decisions, dead_letters):
            connection.execute(
                sa.delete(table).where(
                    table.c.run_id == run_id,
                    table.c.seq.between(self.first, self.last.seq),
                    table.c.seq.not_in(kept),
                )
            )
        marks = {"pruned_entries": self.last.seq, "pruned_head": self.last.digest}
        unmoved = (runs.c.id == run_id, runs.c.pruned_entries == self.first - 1)
        if connection.execute(sa.update(runs).where(*unmoved).values(**marks)).rowcount != 1:
            raise TransientError(
                f"Another process prunes run {run_id} at the same time.",
                advice="Let one `sync-audit prune` at a time run; what is pruned so far verifies.",
            )
        left = sa.select(decisions.c.seq).where(decisions.c.run_id == run_id).exists()
        connection.execute(sa.delete(stream_schemas).where(stream_schemas.c.run_id == run_id, ~left))


def _next_step(trail: AuditTrail, run_id: int, cutoff: str) -> _Step | None:
    with trail.database.reading() as connection:
        run = connection.execute(sa.select(runs).where(runs.c.id == run_id)).one()
        rows = connection.execute(_oldest_entries(run_id, after=run.pruned_entries)).all()
    previous = run.pruned_head or header_digest(run._asdict())
    kept: list[EntryNote] = []
    last: EntryNote | None = None
    for row in rows:
        if row.recorded_at >= cutoff:
            break
        if row.consent is not None or row.state in WAITING_STATES:
            kept.append(EntryNote(run_id, row.seq, row.digest, previous))
        previous = row.digest
        last = EntryNote(run_id, row.seq, row.digest)
    return None if last is None else _Step(run.pruned_entries + 1, last, tuple(kept))


def _oldest_entries(run_id: int, *, after: int) -> sa.Select[Any]:
    """The next entries of a run; a part is kept or goes with the decision that it belongs to."""
    whole = decisions.alias("whole")
    return (
        sa.select(
            decisions.c.seq,
            decisions.c.recorded_at,
            decisions.c.digest,
            sa.func.coalesce(decisions.c.consent, whole.c.consent).label("consent"),
            dead_letters.c.state,
        )
        .outerjoin(whole, at_entry(whole, decisions.c.run_id, decisions.c.part_of))
        .outerjoin(dead_letters, _OF_WHOLE)
        .where(decisions.c.run_id == run_id, decisions.c.seq > after)
        .order_by(decisions.c.seq)
        .limit(_STEP)
    )


def _release_settled(trail: AuditTrail, run: Run, cutoff: str) -> int:
    """Remove what an earlier pruning kept for replay and what needs none any more."""
    query = (
        sa.select(decisions.c.run_id, decisions.c.seq, decisions.c.digest)
        .join(runs, (runs.c.id == decisions.c.run_id) & (decisions.c.seq <= runs.c.pruned_entries))
        .join(dead_letters, _OF_WHOLE)
        .where(
            decisions.c.consent.is_(None),
            dead_letters.c.consent.is_(None),
            dead_letters.c.state.not_in(WAITING_STATES),
            decisions.c.recorded_at < cutoff,
        )
    )
    with trail.database.reading() as connection:
        settled = [EntryNote(*row) for row in connection.execute(query)]
    if settled:
        run.read(len(settled))
        run.record(
            [
                Decision(stream="trail", action=Action.PRUNED, reason="settled", refers_to=str(note))
                for note in settled
            ],
            alongside=lambda connection: delete_entries(connection, settled),
        )
    return len(settled)
