"""The numbers of the first page: runs, decisions over time, and dead letters that wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.dead_letters import Waiting, count_waiting, waiting_plugins
from kinetic_mailchimp.audit.reading.runs import RunView, list_runs, read_directions
from kinetic_mailchimp.audit.storage.schema import run_counts, runs
from kinetic_mailchimp.audit.trail.administration import PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.direction import EPICOR
from kinetic_mailchimp.console.pages.plots import Plot, Span, make_plot

LAST_RUNS: Final = 6


@dataclass(frozen=True, slots=True)
class PluginOverview:
    """A plugin with its runs and decisions.

    Args:
        title: Its direction, or its name where it has none.
        runs: Its last runs, newest first.
        plots: Its decisions over time, the most frequent first.
    """

    name: str
    title: str
    runs: list[RunView]
    plots: list[Plot]


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    Args:
        begin: The first step of the plots, such as `2026-03-01T09`.
        opt_outs: Opt-outs that Epicor does not have yet.
    """

    begin: str
    plugins: list[PluginOverview]
    opt_outs: Waiting
    opt_out_plugins: list[str]
    letters: Waiting


def build_overview(trail: AuditTrail, span: Span, now: datetime) -> Overview:
    """Read the numbers of the first page."""
    with trail.database.reading() as connection:
        labels = span.labels(now)
        plots = _plots(connection, labels)
        directions = read_directions(connection)
        # A target without a direction may be one that writes to Epicor: its opt-outs count, too.
        to_epicor = [
            plugin
            for plugin in waiting_plugins(connection)
            if (direction := directions.get(plugin)) is None or direction.destination == EPICOR
        ]
        return Overview(
            begin=labels[0],
            plugins=[
                PluginOverview(
                    plugin,
                    str(direction or plugin),
                    list_runs(connection, plugin=plugin, limit=LAST_RUNS, by_hand=False),
                    plots.get(plugin, []),
                )
                for plugin, direction in directions.items()
                if plugin != PLUGIN
            ],
            opt_outs=count_waiting(connection, plugins=to_epicor, only_opt_outs=True),
            opt_out_plugins=to_epicor,
            letters=count_waiting(connection),
        )


def _plots(connection: sa.Connection, labels: list[str]) -> dict[str, list[Plot]]:
    step = sa.func.substr(run_counts.c.hour, 1, len(labels[0]))
    query = (
        sa.select(runs.c.plugin, run_counts.c.action, step, sa.func.sum(run_counts.c.decisions))
        .join(runs, runs.c.id == run_counts.c.run_id)
        .where(run_counts.c.hour >= labels[0], runs.c.dry_run.is_(False), runs.c.plugin != PLUGIN)
        .group_by(runs.c.plugin, run_counts.c.action, step)
    )
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for plugin, action, label, decided in connection.execute(query):
        counts.setdefault(plugin, {}).setdefault(action, {})[label] = int(decided)
    return {
        plugin: sorted(
            (make_plot(action, labels, of_action) for action, of_action in actions.items()),
            key=lambda one: (-one.total, one.action),
        )
        for plugin, actions in counts.items()
    }
