"""The commands `erase` and `prune`: remove a person's data, and what is old."""

from __future__ import annotations

from datetime import timedelta

import click

from kinetic_mailchimp.audit.cli.common import opened, to_age
from kinetic_mailchimp.audit.privacy.erasure import erase as erase_person
from kinetic_mailchimp.audit.privacy.retention import prune as prune_trail


@click.command()
@click.option("--email", required=True, help="The person's address.")
@click.option(
    "--with-open-dead-letters", is_flag=True, help="Give up dead letters that wait for replay, too."
)
@click.confirmation_option(prompt="Remove this person's data from the audit trail, for good?")
@click.pass_context
def erase(ctx: click.Context, email: str, *, with_open_dead_letters: bool) -> None:
    """Remove a person's data; the trail still verifies."""
    with opened(ctx) as trail:
        outcome = erase_person(trail, email, with_open_dead_letters=with_open_dead_letters)
    click.echo(
        f"Erased: {outcome.records} entries, {outcome.open_dead_letters} waiting dead letters,"
        f" {outcome.ledger_keys} ledger keys. Run {outcome.run_id} of the trail proves it."
    )
    if not outcome.cleaned_up:
        click.echo("Another process still reads: run the command again to clean the files, too.", err=True)
    click.echo("Backups and exports are not touched: erase there, too.")


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
