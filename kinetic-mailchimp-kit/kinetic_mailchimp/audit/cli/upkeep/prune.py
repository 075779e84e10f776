"""The command `prune`: remove old entries."""

from __future__ import annotations

from datetime import timedelta

import click

from kinetic_mailchimp.audit.cli.common import opened, to_age
from kinetic_mailchimp.audit.privacy.retention import prune as prune_trail


@click.command()
@click.option("--older-than", callback=to_age, metavar="AGE", required=True, help="An age, such as 730d.")
@click.pass_context
def prune(ctx: click.Context, older_than: timedelta) -> None:
    """Remove old entries; the trail still verifies."""
    with opened(ctx) as trail:
        outcome = prune_trail(trail, older_than)
    click.echo(
        f"Pruned: {outcome.removed:,} entries; {outcome.kept:,} kept as proofs of consent or for replay."
        f" Run {outcome.run_id} of the trail proves it."
    )
