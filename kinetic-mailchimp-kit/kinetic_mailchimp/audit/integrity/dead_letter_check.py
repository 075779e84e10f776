"""Compares the list of dead letters with the entries that tell of them."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from kinetic_mailchimp.audit.integrity.problem import Problem, select_rows
from kinetic_mailchimp.audit.storage.schema import ENTRY_JOIN, dead_letters, decisions, runs
from kinetic_mailchimp.audit.trail.letter_states import OPEN, WAITING_STATES
from kinetic_mailchimp.audit.trail.notes import EntryNote, Notes


def dead_letter_problems(connection: sa.Connection, notes: Notes) -> Iterator[Problem]:
    """Every dead letter that is missing, or that is not as the entries of the trail say.

    Args:
        connection: Sees one state of the trail.
        notes: What later entries say about earlier ones.
    """
    missing = (
        sa.select(decisions.c.run_id, decisions.c.seq)
        .outerjoin(dead_letters, ENTRY_JOIN)
        .where(decisions.c.dead_letter.is_not(None), dead_letters.c.seq.is_(None))
    )
    for row in select_rows(connection, missing):
        yield Problem(f"run {row['run_id']} entry {row['seq']}", "its dead letter is not listed any more")
    closing = runs.alias("closing")
    listed = (
        sa.select(
            dead_letters,
            (closing.c.pruned_entries >= dead_letters.c.result_seq).label("proof_is_pruned"),
            decisions.c.digest,
            decisions.c.recorded_at,
            decisions.c.stream.label("of_stream"),
            decisions.c.consent.label("of_consent"),
            runs.c.plugin.label("of_plugin"),
        )
        .outerjoin(decisions, ENTRY_JOIN & decisions.c.dead_letter.is_not(None))
        .outerjoin(runs, runs.c.id == dead_letters.c.run_id)
        .outerjoin(closing, closing.c.id == dead_letters.c.result_run_id)
    )
    for row in select_rows(connection, listed):
        where = f"dead letter of run {row['run_id']} entry {row['seq']}"
        listed_as = (row["plugin"], row["stream"], row["consent"], row["opened_at"])
        if listed_as != (row["of_plugin"], row["of_stream"], row["of_consent"], row["recorded_at"]):
            yield Problem(where, "does not match its entry")
            continue
        note = EntryNote(row["run_id"], row["seq"], row["digest"])
        said = notes.replayed.get(note, (OPEN, None))
        if (row["state"], row["replay_run_id"]) != said and not row["proof_is_pruned"]:
            yield Problem(where, f"is marked as {row['state']}, and its entries say otherwise")
        is_over = row["state"] not in WAITING_STATES
        result = (row["result_run_id"], row["result_seq"])
        is_complete = [is_over, is_over] == [part is not None for part in result]
        if not is_complete or notes.closed.get(note, result) != result:
            yield Problem(where, "its result was changed")
