"""The command `sync-audit erase`: it needs the vendor's hash of an address, which the trail does not know."""

from __future__ import annotations

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.privacy.erasure import erase as erase_person
from kinetic_mailchimp.mailchimp import subscriber_hash


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
        outcome = erase_person(
            trail, email, vendor_hash=subscriber_hash, with_open_dead_letters=with_open_dead_letters
        )
    click.echo(
        f"Erased: {outcome.records} entries, {outcome.open_dead_letters} waiting dead letters,"
        f" {outcome.ledger_keys} ledger keys. Run {outcome.run_id} of the trail proves it."
    )
    if not outcome.cleaned_up:
        click.echo("Another process still reads: run the command again to clean the files, too.", err=True)
    click.echo("Backups and exports are not touched: erase there, too.")
