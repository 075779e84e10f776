"""Dead letters that wait for replay or for its result: which targets have them, and how many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.runs import distinct_values
from kinetic_mailchimp.audit.storage.schema import dead_letters
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS
from kinetic_mailchimp.audit.trail.letter_states import WAITING_STATES

MOST_COUNTED: Final = 10_000
"""Dead letters that are counted; of more, the pages say that there are more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Dead letters that wait.

    Args:
        count: Their number, at most `MOST_COUNTED`.
        oldest: The time since which the oldest waits, as stored; None where nothing waits.
    """

    count: int
    is_more: bool
    oldest: str | None


def waiting_plugins(connection: sa.Connection) -> list[str]:
    """The targets with dead letters that wait, found by leaps through the index."""
    letters = dead_letters.c
    found = (distinct_values(connection, letters.plugin, letters.state == state) for state in WAITING_STATES)
    return sorted(set(chain.from_iterable(found)))


def count_waiting(
    connection: sa.Connection,
    *,
    plugins: Iterable[str] | None = None,
    only_opt_outs: bool = False,
    states: Sequence[str] = WAITING_STATES,
) -> Waiting:
    """Count dead letters that wait, up to a bound.

    Args:
        connection: The transaction to read in.
        plugins: Only dead letters of these targets.
        only_opt_outs: Only those whose record is an opt-out.
        states: Only those in these states.
    """
    count, is_more, oldest = 0, False, None
    targets = waiting_plugins(connection) if plugins is None else plugins
    for state, plugin in product(states, targets):
        first = (
            sa.select(dead_letters.c.opened_at, dead_letters.c.consent)
            .where(dead_letters.c.state == state, dead_letters.c.plugin == plugin)
            .order_by(dead_letters.c.opened_at)
            .limit(MOST_COUNTED + 1)
            .subquery()
        )
        matches = first.c.consent.in_(OPT_OUTS) if only_opt_outs else sa.true()
        looked_at, matching, since = connection.execute(
            sa.select(
                sa.func.count(),
                sa.func.count(sa.case((matches, 1))),
                sa.func.min(sa.case((matches, first.c.opened_at))),
            ).select_from(first)
        ).one()
        count += matching
        is_more = is_more or looked_at > MOST_COUNTED or count > MOST_COUNTED
        oldest = min(filter(None, (oldest, since)), default=None)
    return Waiting(min(count, MOST_COUNTED), is_more, oldest)
