"""The numbers of the first page: what runs did, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.queries import RunView
from kinetic_mailchimp.audit.storage.schema import dead_letters, run_counts, runs
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS
from kinetic_mailchimp.audit.trail.run import WAITING_STATES
from kinetic_mailchimp.console.pages.plots import Plot, Span, plot
from kinetic_mailchimp.console.pages.run_lists import runs_before
from kinetic_mailchimp.console.pages.stories import waiting_plugins
from kinetic_mailchimp.console.pages.words import DIRECTIONS

MOST_COUNTED: Final = 10_000
"""Dead letters that are counted; of more, the pages say that there are more."""

LAST_RUNS: Final = 6
REVERSE: Final = "target-epicor-contacts"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits.

    Args:
        count: How many, at most `MOST_COUNTED`.
        is_more: Whether there are more than were counted.
        oldest: Since when the oldest waits, as stored; None where nothing does.
    """

    count: int
    is_more: bool
    oldest: str | None


@dataclass(frozen=True, slots=True)
class Lane:
    """One direction.

    Args:
        plugin: The target that writes.
        runs: Its last runs, newest first.
        plots: Its decisions over time, the most frequent first.
    """

    plugin: str
    runs: list[RunView]
    plots: list[Plot]


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    Args:
        begin: The first step of the plots, such as `2026-03-01T09`.
        lanes: Each direction; any other plugin that made decisions follows.
        opt_outs: Opt-outs that Epicor does not know yet.
        letters: Dead letters that wait.
    """

    begin: str
    lanes: list[Lane]
    opt_outs: Waiting
    letters: Waiting


def look(trail: AuditTrail, span: Span, now: datetime) -> Overview:
    """What the first page shows."""
    with trail.database.reading() as connection:
        labels = span.labels(now)
        plots = _plots(connection, labels)
        plugins = dict.fromkeys((*DIRECTIONS, *sorted(plots)))
        lanes = [
            Lane(plugin, runs_before(connection, plugin=plugin, most=LAST_RUNS), plots.get(plugin, []))
            for plugin in plugins
        ]
        return Overview(
            begin=labels[0],
            lanes=[lane for lane in lanes if lane.plugin in DIRECTIONS or lane.runs],
            opt_outs=waiting(connection, plugin=REVERSE, only_opt_outs=True),
            letters=waiting(connection),
        )


def _plots(connection: sa.Connection, labels: list[str]) -> dict[str, list[Plot]]:
    step = sa.func.substr(run_counts.c.hour, 1, len(labels[0]))
    query = (
        sa.select(runs.c.plugin, run_counts.c.action, step, sa.func.sum(run_counts.c.decisions))
        .join(runs, runs.c.id == run_counts.c.run_id)
        .where(run_counts.c.hour >= labels[0], runs.c.dry_run.is_(False), runs.c.plugin != "sync-audit")
        .group_by(runs.c.plugin, run_counts.c.action, step)
    )
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for plugin, action, label, decided in connection.execute(query):
        counts.setdefault(plugin, {}).setdefault(action, {})[label] = int(decided)
    return {
        plugin: sorted(
            (plot(action, labels, of_action) for action, of_action in actions.items()),
            key=lambda one: (-one.total, one.action),
        )
        for plugin, actions in counts.items()
    }


def waiting(
    connection: sa.Connection,
    *,
    plugin: str | None = None,
    only_opt_outs: bool = False,
    states: Sequence[str] = WAITING_STATES,
) -> Waiting:
    """What waits, counted up to a bound.

    Args:
        connection: In which transaction.
        plugin: Only dead letters of one target.
        only_opt_outs: Only those that tell of an opt-out.
        states: Only those in these states.
    """
    count, is_more, oldest = 0, False, None
    plugins = waiting_plugins(connection) if plugin is None else [plugin]
    for state, of_plugin in product(states, plugins):
        first = (
            sa.select(dead_letters.c.opened_at, dead_letters.c.consent)
            .where(dead_letters.c.state == state, dead_letters.c.plugin == of_plugin)
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
