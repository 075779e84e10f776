"""The commands that read the trail: `runs`, `run`, `search`, `failures`, `diff` and `skipped`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

import click

from kinetic_mailchimp.audit.cli.common import (
    format_option,
    limit_option,
    number_argument,
    open_trail,
    plugin_option,
    run_or_newest,
    show_or_export,
    since_option,
    until_option,
)
from kinetic_mailchimp.audit.cli.tables import ENTRIES, FAILURES, RUNS, make_console, print_history
from kinetic_mailchimp.audit.reading.formatting import count_of, format_counts, format_time, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.reports.differences import (
    COLUMNS,
    Difference,
    differences,
    page_lines,
    text_lines,
)
from kinetic_mailchimp.audit.reading.reports.export import csv_lines, write_json
from kinetic_mailchimp.audit.reading.runs import RunView, correlated_runs, latest_runs, read_directions
from kinetic_mailchimp.audit.trail.decision import LEFT, Action


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
    with open_trail(ctx) as trail:
        if correlation is None:
            found = latest_runs(trail, limit=limit, plugin=plugin)
        else:
            found = [run for run in correlated_runs(trail, correlation) if plugin in {None, run.plugin}]
    if style == "json":
        write_json(found, sys.stdout)
        return
    console = make_console()
    console.print(RUNS.table(found, width=console.width) if found else "The trail has no run.")


@click.command()
@number_argument
@limit_option(50, "The first that it decided.")
@click.pass_context
def run(ctx: click.Context, number: int | None, limit: int) -> None:
    """Show run NUMBER, or the newest one, and its decisions."""
    with open_trail(ctx) as trail:
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


_ACTIONS: Final = [action.value for action in Action]


@click.command()
@click.argument("text", required=False)
@click.option("--email", help="A person's address, present or former.")
@click.option("--source-key", help="A record's key at its source, such as EPIC06/12//3.")
@click.option("--run", "run_id", type=int, help="A run's number.")
@click.option(
    "--action", type=click.Choice(_ACTIONS), metavar="ACTION", help=f"One of {', '.join(_ACTIONS)}."
)
@plugin_option
@since_option()
@until_option
@limit_option(100, "The newest that match.")
@format_option("table", "json", "csv")
@click.pass_context
def search(ctx: click.Context, /, text: str | None, style: str, **criteria: Any) -> None:  # noqa: ANN401 - the options, by name
    """Find decisions, newest first.

    TEXT is the same as --email where it holds an @, and else as --source-key.
    """
    if text is not None:
        option = "email" if "@" in text else "source_key"
        if criteria[option] is not None:
            raise click.UsageError(f"TEXT counts as --{option.replace('_', '-')} here: leave one out.")
        criteria[option] = text
    with open_trail(ctx) as trail:
        found = entries(trail, EntryFilter(newest_first=True, **criteria))
        show_or_export(found, style, ENTRIES, "Nothing in the trail matches.")


@click.command()
@plugin_option
@limit_option(100)
@format_option("table", "json", "csv")
@click.pass_context
def failures(ctx: click.Context, style: str, plugin: str | None, limit: int) -> None:
    """List dead letters that wait to be replayed, oldest first."""
    with open_trail(ctx) as trail:
        found = entries(trail, EntryFilter(waiting=True, plugin=plugin, limit=limit))
        show_or_export(found, style, FAILURES, "No dead letter waits.")


_format_option = format_option("text", "csv", "html")


@click.command()
@number_argument
@_format_option
@click.pass_context
def diff(ctx: click.Context, number: int | None, style: str) -> None:
    """Show what run NUMBER, or the last one, changed or would change."""
    with open_trail(ctx) as trail:
        run = run_or_newest(trail, number)
        found = differences(entries(trail, EntryFilter(run_id=run.id)))
        _write(run, "would change" if run.dry_run else "changed", found, style)


@click.command()
@number_argument
@_format_option
@click.pass_context
def skipped(ctx: click.Context, number: int | None, style: str) -> None:
    """Show whom run NUMBER, or the last one, left out, and why."""
    with open_trail(ctx) as trail:
        run = run_or_newest(trail, number)
        decided = (entry for entry in entries(trail, EntryFilter(run_id=run.id)) if entry.part_of is None)
        found = (one for one in differences(decided) if one.action in LEFT)
        _write(run, "left out", found, style)


def _write(run: RunView, verb: str, found: Iterable[Difference], style: str) -> None:
    title = f"Run {run.id} of {run.plugin}{' (dry run)' if run.dry_run else ''}: what it {verb}"
    if style == "csv":
        sys.stdout.writelines(csv_lines(COLUMNS, found))
    elif style == "html":
        sys.stdout.writelines(page_lines(title, found))
    else:
        lines = list(text_lines(found))
        click.echo("\n".join([title, *filter(None, lines)] if lines else [title, "Nothing."]))
