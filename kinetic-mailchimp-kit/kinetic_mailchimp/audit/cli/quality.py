"""The command `sync-audit quality`: who cannot be mailed, and why."""

from __future__ import annotations

import sys
from typing import Final

import click
from rich.table import Table

from kinetic_mailchimp.audit.cli.common import format_option, open_trail
from kinetic_mailchimp.audit.cli.tables import make_console
from kinetic_mailchimp.audit.reading.formatting import count_of, format_time, printable
from kinetic_mailchimp.audit.reading.reports.export import csv_lines, write_json
from kinetic_mailchimp.audit.reading.reports.quality_report import (
    COLUMNS,
    QualityFilter,
    QualityReport,
    all_flawed,
    read_quality,
)
from kinetic_mailchimp.audit.state.quality import Flaw

_MOST_ROWS: Final = 50


@click.command()
@click.option("--rep", help="Only the customers of this sales rep; empty for those without one.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in Flaw]),
    multiple=True,
    help="Only these flaws; may be repeated.",
)
@format_option(
    "table",
    "json",
    "csv",
    about=f"Counts and the first {_MOST_ROWS} rows as a table, or every row as JSON or CSV.",
)
@click.pass_context
def quality(ctx: click.Context, rep: str | None, kinds: tuple[str, ...], style: str) -> None:
    """List the customers who cannot be mailed and why, by sales rep.

    New and gone are those of the last 30 days.
    """
    wanted = QualityFilter(rep, frozenset(kinds))
    with open_trail(ctx) as trail:
        if style == "csv":
            sys.stdout.writelines(csv_lines(COLUMNS, all_flawed(trail, wanted)))
        elif style == "json":
            write_json(all_flawed(trail, wanted), sys.stdout)
        else:
            _print(read_quality(trail, wanted, counted=wanted, length=_MOST_ROWS))


def _print(report: QualityReport) -> None:
    console = make_console()
    if not report.flawed:
        console.print("The ledger has no customer who cannot be mailed.")
        return
    summary = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Rows", "New", "Gone"):
        summary.add_column(title, justify="right" if title else "left")
    for kind in report.kinds:
        changes = report.changes[kind]
        summary.add_row(
            kind.sentence, *(f"{n:,}" for n in (report.total(kind), changes["new"], changes["gone"]))
        )
    console.print(summary)
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Since (UTC)", "Change", "Flaw", "Rep", "Row", "Address"):
        rows.add_column(title, overflow="fold", no_wrap=title.startswith("Since"))
    for one in report.flawed:
        cells = (one.change, one.kind, one.rep, one.row, one.address)
        rows.add_row(format_time(one.since), *map(printable, cells))
    console.print()
    console.print(rows)
    if report.matching > len(report.flawed):
        console.print(f"{count_of(report.matching, 'row')}; all of them: --format csv", style="dim")
