"""The commands `diff` and `skipped`: what a run changed or would change, and whom it left."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from kinetic_mailchimp.audit.cli.common import format_option, number_argument, opened, run_or_newest
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.reports.differences import (
    COLUMNS,
    Difference,
    differences,
    page_lines,
    text_lines,
)
from kinetic_mailchimp.audit.reading.reports.export import csv_lines
from kinetic_mailchimp.audit.reading.runs import RunView
from kinetic_mailchimp.audit.trail.decision import LEFT

_format_option = format_option("text", "csv", "html")


@click.command()
@number_argument
@_format_option
@click.pass_context
def diff(ctx: click.Context, number: int | None, style: str) -> None:
    """Show what run NUMBER, or the last one, changed or would change."""
    with opened(ctx) as trail:
        run = run_or_newest(trail, number)
        found = differences(entries(trail, EntryFilter(run_id=run.id)))
        _write(run, "would change" if run.dry_run else "changed", found, style)


@click.command()
@number_argument
@_format_option
@click.pass_context
def skipped(ctx: click.Context, number: int | None, style: str) -> None:
    """Show whom run NUMBER, or the last one, left out, and why."""
    with opened(ctx) as trail:
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
