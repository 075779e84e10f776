"""The command `verify`: check that nothing was changed or removed."""

from __future__ import annotations

from typing import Final

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.integrity.verification import verify as verify_trail
from kinetic_mailchimp.audit.reading.formatting import count_of

_MOST_PROBLEMS: Final = 100


@click.command()
@click.option(
    "--anchor",
    metavar="ANCHOR",
    help="The anchor that an earlier verify printed: nothing up to there was rewritten.",
)
@click.pass_context
def verify(ctx: click.Context, anchor: str | None) -> None:
    """Check that nothing was changed or removed."""
    with opened(ctx) as trail:
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
