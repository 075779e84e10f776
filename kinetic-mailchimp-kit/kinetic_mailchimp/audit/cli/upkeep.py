"""The commands that look after the trail itself: `copy`, `metrics`, `prune` and `verify`."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Final

import click

from kinetic_mailchimp.audit.cli.common import open_trail, parse_age
from kinetic_mailchimp.audit.integrity.verification import verify as verify_trail
from kinetic_mailchimp.audit.privacy.retention import prune as prune_trail
from kinetic_mailchimp.audit.reading.formatting import count_of
from kinetic_mailchimp.audit.reading.reports.metrics import metric_lines
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.schema import metadata, properties
from kinetic_mailchimp.kit.database.copy_rows import copy_rows
from kinetic_mailchimp.kit.settings.options import empty_database_option, parsed_by

_MOST_PROBLEMS: Final = 100


@click.command()
@empty_database_option
@click.pass_context
def copy(ctx: click.Context, url: str) -> None:
    """Copy the trail and the ledger into an empty database, such as PostgreSQL; it verifies there too.

    Stop every run before: what they write meanwhile is not copied.
    """
    with open_trail(ctx) as trail:
        target = Database(url)
        try:
            count = copy_rows(trail.database, target, metadata, replaced=[properties])
        finally:
            target.close()
        click.echo(f"Copied: {count:,} rows to {target}. Set AUDIT_DATABASE_URL to it.")


@click.command()
@click.pass_context
def metrics(ctx: click.Context) -> None:
    """Print the numbers of the trail for Prometheus.

    Its node exporter takes them from a text file.
    """
    with open_trail(ctx) as trail:
        sys.stdout.writelines(metric_lines(trail))


@click.command()
@click.option(
    "--older-than", callback=parsed_by(parse_age), metavar="AGE", required=True, help="An age, such as 730d."
)
@click.pass_context
def prune(ctx: click.Context, older_than: timedelta) -> None:
    """Remove old entries; the trail still verifies."""
    with open_trail(ctx) as trail:
        outcome = prune_trail(trail, older_than)
    click.echo(
        f"Pruned: {outcome.removed:,} entries; {outcome.kept:,} kept as proofs of consent or for replay."
        f" Run {outcome.run_id} of the trail proves it."
    )


@click.command()
@click.option(
    "--anchor",
    metavar="ANCHOR",
    help="The anchor that an earlier verify printed: nothing up to there was rewritten.",
)
@click.pass_context
def verify(ctx: click.Context, anchor: str | None) -> None:
    """Check that nothing was changed or removed."""
    with open_trail(ctx) as trail:
        outcome = verify_trail(trail, anchor=anchor)
    for problem in outcome.problems[:_MOST_PROBLEMS]:
        click.echo(str(problem), err=True)
    if more := outcome.problems[_MOST_PROBLEMS:]:
        click.echo(f"… and {count_of(len(more), 'more problem')}.", err=True)
    click.echo(
        f"{outcome.entries:,} entries of {count_of(outcome.runs, 'run')} checked,"
        f" {count_of(len(outcome.problems), 'problem')}."
    )
    click.echo(f"Anchor: {outcome.anchor}")
    ctx.exit(0 if outcome.is_whole else 1)
