"""Consent in the trail: the newest of a person, and conditions for entries that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.listings import KEY_COLUMNS, Key
from kinetic_mailchimp.audit.storage.schema import decisions, disable_index, runs, same_person
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS

_WITHOUT_EFFECT: Final = ("superseded", "failed", "quarantined", "corrected")
"""Actions that change no consent, whatever their entry says."""


@dataclass(frozen=True, slots=True)
class LastConsent:
    """The newest consent of a person."""

    consent: str
    key: Key
    action: str


def find_last_consent(connection: sa.Connection, person: bytes) -> LastConsent | None:
    """The newest consent of a person; None where no entry has any.

    Args:
        connection: The transaction to read in.
        person: The digest of the address.
    """
    query = (
        sa.select(*KEY_COLUMNS, decisions.c.consent, decisions.c.action)
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(
            same_person(decisions.c.person, person),
            decisions.c.consent.is_not(None),
            decisions.c.part_of.is_(None),
            decisions.c.action != "superseded",
            runs.c.dry_run.is_(False),
        )
        .order_by(*(column.desc() for column in KEY_COLUMNS))
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return LastConsent(row.consent, Key(row.recorded_at, row.run_id, row.seq), row.action)


def is_opt_out(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for entries with an opt-out that no newer event superseded."""
    return disable_index(entry.c.consent).in_(OPT_OUTS) & (entry.c.action != "superseded")


def is_resubscription(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for entries about a person who subscribed again."""
    return (disable_index(entry.c.consent) == "subscribed") & entry.c.action.not_in(_WITHOUT_EFFECT)


def is_real_decision(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for decisions, not parts, of runs that wrote."""
    run = runs.alias()
    wrote = sa.select(run.c.id).where(run.c.id == entry.c.run_id, run.c.dry_run.is_(False)).correlate(entry)
    return entry.c.part_of.is_(None) & wrote.exists()
