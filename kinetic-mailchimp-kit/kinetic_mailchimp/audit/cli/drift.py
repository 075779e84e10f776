"""The command `drift`: the differences that the last comparison found, and their limit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from kinetic_mailchimp.audit.cli.common import format_option, open_trail
from kinetic_mailchimp.audit.cli.tables import make_console
from kinetic_mailchimp.audit.reading.formatting import count_of, format_time
from kinetic_mailchimp.audit.reading.queries import EntryFilter, EntryView, entries
from kinetic_mailchimp.audit.reading.reports.comparisons import Comparison, last_comparisons
from kinetic_mailchimp.audit.reading.reports.export import write_entries
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.drift import RECONCILE, Drift
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError

ACCEPT_VARIABLE: Final = "AUDIT_DRIFT_ACCEPT"
LIMIT_VARIABLE: Final = "AUDIT_ALERT_DRIFT"


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(0),
    envvar=LIMIT_VARIABLE,
    show_envvar=True,
    default=0,
    show_default=True,
    help="So many differences may be.",
)
@click.option(
    "--accept",
    type=click.Choice([kind.value for kind in Drift]),
    multiple=True,
    envvar=ACCEPT_VARIABLE,
    show_envvar=True,
    metavar="KIND",
    help=f"Differences of this kind do not count; several times. Kinds: {', '.join(map(str, Drift))}.",
)
@format_option("table", "json", "csv", about="Counts as a table, or every difference as JSON or CSV.")
@click.pass_context
def drift(ctx: click.Context, limit: int, accept: tuple[str, ...], style: str) -> None:
    """Show how far both systems differed when they were compared last (`meltano run reconcile`).

    Exit status: 0 as far as they may; 1 more; 2 wrong usage; 3 nothing was compared, or a comparison did not
    come to its end.
    """
    with open_trail(ctx) as trail:
        compared = last_comparisons(trail)
        _check(compared)
        if style == "table":
            _print(compared, limit, accept)
        else:
            write_entries(_differences(trail, compared), style, sys.stdout)
    ctx.exit(1 if sum(comparison.drift(accept) for comparison in compared) > limit else 0)


def _check(compared: Sequence[Comparison]) -> None:
    if not compared:
        raise ConfigurationError(
            "The trail has no comparison.", advice="`meltano run reconcile` compares both systems."
        )
    for comparison in compared:
        if not comparison.is_whole:
            raise ConnectorError(
                f"Run {comparison.run_id} of {comparison.plugin} compared only a part: it is "
                f"{comparison.status}.",
                advice=f"`sync-audit run {comparison.run_id}` tells why. Then compare again: `meltano run "
                f"{RECONCILE}`.",
            )


def _differences(trail: AuditTrail, compared: Sequence[Comparison]) -> Iterator[EntryView]:
    for comparison in compared:
        yield from entries(trail, EntryFilter(run_id=comparison.run_id, action=Action.DRIFTED.value))


def _print(compared: Sequence[Comparison], limit: int, accept: Sequence[str]) -> None:
    console = make_console()
    for comparison in compared:
        console.print(
            Text.assemble(
                (comparison.plugin, "bold"),
                f"  run {comparison.run_id}, {format_time(comparison.finished_at or '')} UTC: "
                f"{count_of(comparison.records_read, 'record')} compared",
            )
        )
        kinds = Table.grid(padding=(0, 2, 0, 0))
        kinds.add_column(style="yellow", justify="right", min_width=len("1,000,000"))
        kinds.add_column(no_wrap=True)
        kinds.add_column(style="dim")
        for kind, count in comparison.kinds.items():
            sentence = Drift(kind).sentence if kind in set(Drift) else ""
            kinds.add_row(f"{count:,}", kind, sentence + (" Accepted." if kind in accept else ""))
        console.print(kinds)
    count = sum(comparison.drift(accept) for comparison in compared)
    console.print(f"{count_of(count, 'difference')}; the limit is {limit:,}.")
    if any(comparison.kinds for comparison in compared):
        console.print("Each of them: sync-audit drift --format csv", style="dim")
