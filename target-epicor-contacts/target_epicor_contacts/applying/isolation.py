"""Finds the one of many about whose person Kinetic cannot be asked, so that the others are applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from kinetic_mailchimp.audit import Decision, Run
from kinetic_mailchimp.audit.state.ledger import LedgerChanges
from kinetic_mailchimp.kit.errors import ConnectorError

from target_epicor_contacts.audit.unapplied import decide_unanswered
from target_epicor_contacts.epicor.row_finder import RowFinder

T = TypeVar("T")

Outcome = tuple[Sequence[Decision], LedgerChanges, ConnectorError | None]
"""A decision for each, in their order, the changes of the ledger, and the error that ends the run."""

Attempt = Callable[[Sequence[T], ConnectorError | None], Outcome]
"""Applies some; where something has ended the run already, nothing is tried."""


def by_halves(
    things: Sequence[T],
    attempt: Attempt[T],
    finder: RowFinder,
    run: Run,
    stopped: ConnectorError | None = None,
) -> ConnectorError | None:
    """Attempt and record; where Kinetic cannot be asked about some of the people, go on by halves.

    Args:
        things: Records, or what was handed over.
        attempt: Applies them.
        finder: Looks people up.
        run: Records the decisions.
        stopped: What has ended the run already.

    Returns:
        The error that ends the run.
    """
    decisions, ledger, fatal = attempt(things, stopped)
    if fatal is not None and not stopped and finder.failed_over_some(fatal):
        half = len(things) // 2
        if half:
            for part in (things[:half], things[half:]):
                finder.reader.is_hasty = len(part) > 1
                stopped = by_halves(part, attempt, finder, run, stopped)
            finder.reader.is_hasty = False
            return stopped
        # A record comes no more; what was handed over waits where it is.
        record = things[0] if isinstance(things[0], Mapping) else None
        decisions, fatal = [decide_unanswered(decisions[0], record, fatal)], None
    run.record(decisions, ledger=ledger)
    return fatal
