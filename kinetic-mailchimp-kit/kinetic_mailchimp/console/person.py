"""The commands `person`, `export` and `erase`: they need the vendor's hash, which no trail knows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kinetic_mailchimp.audit.cli.common import (
    format_option,
    open_output,
    open_trail,
    output_option,
    plugin_option,
    since_option,
    until_option,
)
from kinetic_mailchimp.audit.cli.tables import make_console, print_history
from kinetic_mailchimp.audit.dead_letters.replay import send_records
from kinetic_mailchimp.audit.privacy.erasure import erase as erase_person
from kinetic_mailchimp.audit.privacy.erasure import export_person
from kinetic_mailchimp.audit.reading.audiences import read_audiences
from kinetic_mailchimp.audit.reading.consent import find_last_consent
from kinetic_mailchimp.audit.reading.formatting import count_of, format_time, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.reports.export import write_entries
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.kit.errors import NotFoundError, TransientError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from kinetic_mailchimp.kit.redaction.plain_text import json_text
from kinetic_mailchimp.kit.secrets.encryption import reveal
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings, subscriber_hash


@click.command()
@click.argument("email")
@click.pass_context
def person(ctx: click.Context, email: str) -> None:
    """Show what happened to EMAIL, in both directions, oldest first."""
    with open_trail(ctx) as trail:
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
        key = last_consent.key
        console.print(
            f"Last known consent: {last_consent.consent} ({format_time(key.recorded_at)};"
            f" {last_consent.action}, run {key.run_id} entry {key.seq})",
            markup=False,
        )
    for line in audiences.lines() if audiences else ():
        console.print(printable(line), markup=False)
    console.print()
    print_history(console, found, directions)


ELSEWHERE = (
    "Not in it: the inbox (`mailchimp-webhooks {command} --email …`), backups, exports, logs of the server."
)


@click.command()
@click.option("--email", required=True, help="The person's address.")
@click.option(
    "--with-open-dead-letters", is_flag=True, help="Give up dead letters that wait for replay, too."
)
@click.option(
    "--flag-in-epicor",
    metavar="COMMAND",
    help="First opt the person out in Epicor through this target, such as"
    ' "meltano invoke target-epicor-contacts".',
)
@click.option(
    "--delete-in-mailchimp",
    "list_ids",
    multiple=True,
    metavar="LIST_ID",
    help="First delete the person permanently in this audience, with MAILCHIMP_API_KEY or"
    " MAILCHIMP_ACCESS_TOKEN; may be repeated. It cannot be undone.",
)
@click.confirmation_option(prompt="Remove this person's data, for good?")
@click.pass_context
def erase(
    ctx: click.Context,
    email: str,
    *,
    with_open_dead_letters: bool,
    flag_in_epicor: str | None,
    list_ids: Sequence[str],
) -> None:
    """Remove a person's data; the trail still verifies.

    On request at the vendors, too. They come first: what is written there is recorded in the trail, and
    erased with the rest.
    """
    with open_trail(ctx) as trail:
        if flag_in_epicor:
            _flag(flag_in_epicor, email)
        for list_id in list_ids:
            click.echo(f"Mailchimp, audience {list_id}: {_delete_in_mailchimp(list_id, email)}.")
        outcome = erase_person(
            trail, email, vendor_hash=subscriber_hash, with_open_dead_letters=with_open_dead_letters
        )
    namespaces = f" ({', '.join(outcome.namespaces)})" if outcome.namespaces else ""
    letters = f"{outcome.dead_letters} dead letters ({outcome.open_dead_letters} waiting)"
    click.echo(f"Erased in the trail: {outcome.records} entries, {outcome.payloads} payloads, {letters}.")
    click.echo(f"Erased in the ledger: {outcome.ledger_keys} ledger keys{namespaces}.")
    click.echo(f"Run {outcome.run_id} of the trail proves it.")
    if not outcome.cleaned_up:
        click.echo("Another process still reads: run the command again to clean the files, too.", err=True)
    click.echo(ELSEWHERE.format(command="erase"))


def _flag(command: str, email: str) -> None:
    now = format_timestamp(utc_now())
    record = {
        "email": email,
        "occurred_at": now,
        "event_id": f"erasure-{now}",
        "contact_status": "unsubscribed",
        "reason": "erasure",
    }
    if status := send_records(command, "erasures", [record]):
        raise TransientError(
            f"The target that flags the person in Epicor ended with status {status}; nothing was erased.",
            advice="Its log says why. Run the command again.",
        )
    click.echo("Epicor: the opt-out was handed to the target.")


def _delete_in_mailchimp(list_id: str, email: str) -> str:
    names = {"api_key": "API_KEY", "access_token": "ACCESS_TOKEN", "base_url": "BASE_URL"}
    config = reveal({name: os.environ.get(f"MAILCHIMP_{part}", "") for name, part in names.items()})
    client = MailchimpClient(MailchimpSettings.from_config(config))
    try:
        found = client.find_member(list_id, email, fields=("id",))
        client.delete_member_permanently(list_id, str(found.get("id") or subscriber_hash(email)))
    except NotFoundError:
        return "nobody has this address there"
    finally:
        client.close()
    return "deleted permanently"


@click.command()
@since_option()
@until_option
@plugin_option
@click.option("--email", help="Only what erase would remove: the person's entries, dead letters and ledger.")
@format_option("json", "csv")
@output_option
@click.pass_context
def export(ctx: click.Context, /, email: str | None, style: str, output: Path, **criteria: Any) -> None:  # noqa: ANN401 - click hands them over
    """Write every decision, oldest first; or all that is known about one person."""
    if email is not None:
        if style != "json" or any(criteria.values()):
            raise click.UsageError("--email goes with --output alone: what is found has different forms.")
        _export_person(ctx, email, output)
        return
    with open_trail(ctx) as trail, open_output(output) as file:
        write_entries(entries(trail, EntryFilter(**criteria)), style, file)


def _export_person(ctx: click.Context, email: str, output: Path) -> None:
    counts: Counter[str] = Counter()
    with open_trail(ctx) as trail, open_output(output) as file:
        for found in export_person(trail, email, vendor_hash=subscriber_hash):
            counts[found["where"]] += 1
            file.write(json_text(found) + "\n")
    listed = ", ".join(f"{count} in {where}" for where, count in sorted(counts.items())) or "nothing"
    click.echo(f"Found: {listed}. {ELSEWHERE.format(command='export')}", err=True)
