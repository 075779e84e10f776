"""The command `sync-audit person`: it needs the vendor's hash, which no trail knows."""

from __future__ import annotations

from dataclasses import astuple

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.cli.tables import make_console, print_history
from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.audit.reading.consent import find_last_consent
from kinetic_mailchimp.audit.reading.formatting import count_of, format_time, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.mailchimp import subscriber_hash


@click.command()
@click.argument("email")
@click.pass_context
def person(ctx: click.Context, email: str) -> None:
    """Show what happened to EMAIL, in both directions, oldest first."""
    with opened(ctx) as trail:
        found = list(entries(trail, EntryFilter(email=email)))
        with trail.database.reading() as connection:
            last_consent = find_last_consent(connection, trail.person(email))
            directions = read_directions(connection)
        audiences = read_audiences(trail, email, vendor_hash=subscriber_hash)
    console = make_console()
    decisions = [entry for entry in found if entry.part_of is None]
    if not decisions:
        console.print(f"The trail has no decision about {printable(email)}.", markup=False)
        return
    first, last = format_time(decisions[0].recorded_at), format_time(decisions[-1].recorded_at)
    console.print(
        f"{printable(email)}: {count_of(len(decisions), 'decision')} from {first} to {last} UTC",
        style="bold",
        markup=False,
    )
    if last_consent:
        recorded_at, run_id, seq = astuple(last_consent.key)
        console.print(
            f"Last known consent: {last_consent.consent} ({format_time(recorded_at)};"
            f" {last_consent.action}, run {run_id} entry {seq})",
            markup=False,
        )
    for line in audiences.lines() if audiences else ():
        console.print(printable(line), markup=False)
    console.print()
    print_history(console, found, directions)
