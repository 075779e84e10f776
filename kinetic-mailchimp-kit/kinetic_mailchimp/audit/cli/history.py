"""The commands `runs` and `run`: what happened in which run."""

from __future__ import annotations

import sys

import click

from kinetic_mailchimp.audit.cli.common import (
    format_option,
    limit_option,
    number_argument,
    opened,
    plugin_option,
    run_or_newest,
)
from kinetic_mailchimp.audit.cli.tables import make_console, print_history, runs_table
from kinetic_mailchimp.audit.reading.formatting import count_of, format_counts, format_time, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.reports.export import write_json
from kinetic_mailchimp.audit.reading.runs import correlated_runs, latest_runs, read_directions


@click.command()
@plugin_option
@click.option(
    "--correlation",
    metavar="ID",
    help="Only the runs that one command started, with MELTANO_RUN_ID as its id; JSON counts them by stream.",
)
@limit_option(20)
@format_option("table", "json")
@click.pass_context
def runs(ctx: click.Context, plugin: str | None, correlation: str | None, limit: int, style: str) -> None:
    """List the newest runs, with the counts of their decisions."""
    with opened(ctx) as trail:
        if correlation is None:
            found = latest_runs(trail, limit=limit, plugin=plugin)
        else:
            found = [run for run in correlated_runs(trail, correlation) if plugin in {None, run.plugin}]
    if style == "json":
        write_json(found, sys.stdout)
        return
    console = make_console()
    console.print(runs_table(found, width=console.width) if found else "The trail has no run.")


@click.command()
@number_argument
@limit_option(50, "The first that it decided.")
@click.pass_context
def run(ctx: click.Context, number: int | None, limit: int) -> None:
    """Show run NUMBER, or the newest one, and its decisions."""
    with opened(ctx) as trail:
        one = run_or_newest(trail, number)
        shown = list(entries(trail, EntryFilter(run_id=one.id, limit=limit)))
        with trail.database.reading() as connection:
            directions = read_directions(connection)
    console = make_console()
    dry = ", a dry run: nothing was written" if one.dry_run else ""
    end = (
        f"{one.status} at {format_time(one.finished_at)}"
        if one.finished_at
        else f"last active at {format_time(one.active_at)}"
    )
    console.print(f"Run {one.id}: {one.plugin} {one.version}{dry}", style="bold", markup=False)
    console.print(
        f"{one.pipeline or 'no pipeline'} · started {format_time(one.started_at)} UTC · {end}", markup=False
    )
    console.print(
        f"{count_of(one.records_read, 'record')} read: {format_counts(one.counts) or 'no decision'}",
        markup=False,
    )
    if one.error:
        console.print(f"Error: {printable(one.error)}", style="red", markup=False)
    if one.pruned_entries:
        console.print(f"The first {one.pruned_entries:,} entries are past their retention.", markup=False)
    console.print()
    print_history(console, shown, directions)
    if one.entries - one.pruned_entries > len(shown):
        console.print(
            f"\n{len(shown)} of {one.entries:,} entries are shown: --limit shows more.", style="dim"
        )
