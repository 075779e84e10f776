"""The commands about what could not, or should not, have been written: close, correct, replay, undo."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Final, TextIO

import click

from kinetic_mailchimp.audit.cli.common import open_trail, plugin_option, since_option, until_option
from kinetic_mailchimp.audit.dead_letters.closing import EntryId, find_open, parse_reason
from kinetic_mailchimp.audit.dead_letters.closing import close as close_letters
from kinetic_mailchimp.audit.dead_letters.correction import (
    ADDRESSES,
    LetterRecord,
    parse_corrections,
    read_letter,
)
from kinetic_mailchimp.audit.dead_letters.correction import correct as correct_letter
from kinetic_mailchimp.audit.dead_letters.replay import replay_into, replay_to, requeue, send_records
from kinetic_mailchimp.audit.dead_letters.undo import corrections
from kinetic_mailchimp.audit.reading.formatting import count_of, format_value, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from kinetic_mailchimp.kit.redaction.plain_text import json_text
from kinetic_mailchimp.kit.settings.options import parsed_by

to_reason: Final = parsed_by(parse_reason)
"""A reason in words, without an e-mail address."""


def user_name() -> str:
    """The user who runs the command, by the name or the number that the system has for them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container whose user has no name
        return f"user {os.getuid()}"


def _places(texts: tuple[str, ...]) -> list[EntryId]:
    """Entries, each as its run and its number, `12/34`."""
    return [EntryId.parse(text) for text in texts]


@click.command()
@click.argument("letters", nargs=-1, required=True, callback=parsed_by(_places), metavar="RUN/ENTRY...")
@click.option(
    "--because",
    required=True,
    callback=to_reason,
    metavar="TEXT",
    help="The reason, for later readers. It stays in the trail for good: name no person.",
)
@click.option("--yes", is_flag=True, help="Close opt-outs without asking.")
@click.pass_context
def close(ctx: click.Context, letters: list[EntryId], because: str, *, yes: bool) -> None:
    """Close dead letters that can never be written, such as 12/34.

    They wait no more: no replay hands them out, and no alert counts them. `sync-audit failures` lists them.
    """
    with open_trail(ctx) as trail:
        found = find_open(trail, letters)
        opt_outs = [str(letter.entry_id) for letter in found if letter.is_opt_out]
        if opt_outs and not yes:
            click.confirm(
                f"{', '.join(opt_outs)}: a person opted out and would still be written to, as the target"
                " never stores it. Close all the same?",
                abort=True,
            )
        run_id = close_letters(trail, found, because=because, closed_by=user_name())
    click.echo(f"Closed: {count_of(len(found), 'dead letter')}. Run {run_id} of the trail proves it.")


def _texts(values: tuple[str, ...]) -> dict[str, str]:
    """Properties and their new values, `FNAME=Ada`."""
    for value in values:
        if not value.partition("=")[1]:
            raise ValueError(f"{value!r} has no equals sign: write FNAME=Ada")
    return {name.strip(): text for name, _, text in (value.partition("=") for value in values)}


@click.command()
@click.argument("letter", callback=parsed_by(EntryId.parse), metavar="RUN/ENTRY")
@click.option(
    "--set",
    "texts",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parsed_by(_texts),
    help="A property of the record and its new value; JSON for anything but text. May be repeated;"
    " without it, the record is shown.",
)
@click.option("--yes", is_flag=True, help="Correct the address of an opt-out without asking.")
@click.pass_context
def correct(ctx: click.Context, letter: EntryId, texts: dict[str, str], *, yes: bool) -> None:
    """Correct the record of a dead letter, such as 12/34: its address, or a field.

    The corrected record waits in place of the original, which stays beside it; the next `sync-audit replay`
    sends it. Correct it at its source as well, or its next change brings back what was wrong.
    """
    with open_trail(ctx) as trail:
        found = read_letter(trail, letter)
        if not texts:
            _show(found)
            return
        values = parse_corrections(found, texts)
        if found.letter.is_opt_out and values.keys() & set(ADDRESSES) and not yes:
            click.confirm(
                f"{letter}: a person opted out, and with another address the opt-out is another person's."
                " Correct it all the same?",
                abort=True,
            )
        run_id = correct_letter(trail, found, values, corrected_by=user_name())
    click.echo(f"Corrected: run {run_id} of the trail holds the new record, `sync-audit replay` sends it.")


def _show(found: LetterRecord) -> None:
    for name, value in found.record.items():
        mark = "*" if found.can_be_corrected(name) else " "
        click.echo(f"{mark} {printable(name)} = {printable(format_value(value))}")
    click.echo("* can be corrected: --set NAME=VALUE", err=True)


@click.command()
@plugin_option
@click.option("--stream", help="Only dead letters of this stream.")
@click.option(
    "--into", metavar="COMMAND", help='The target to start, such as "meltano invoke target-mailchimp".'
)
@click.option(
    "--requeue",
    "requeues",
    is_flag=True,
    help="Dispatch nothing; open again what went to a target that ended early.",
)
@click.pass_context
def replay(
    ctx: click.Context, plugin: str | None, stream: str | None, into: str | None, *, requeues: bool
) -> None:
    """Dispatch every open dead letter again, once.

    Without --into, Singer messages go to stdout; their results are recorded by the next `sync-audit
    replay`. With --into, the target runs here, and what it decided is recorded when it ends.
    """
    with open_trail(ctx) as trail:
        if requeues:
            click.echo(str(requeue(trail)), err=True)
            return
        if into is None:
            outcome = replay_to(trail, sys.stdout, plugin=plugin, stream=stream)
        else:
            outcome = replay_into(trail, into, plugin=plugin, stream=stream)
    click.echo(str(outcome), err=True)
    ctx.exit(0 if outcome.is_good else 1)


@click.command()
@since_option(required=True)
@until_option
@click.option("--plugin", required=True, help="The target that wrote, such as target-epicor-contacts.")
@click.option("--stream", help="Only events of this stream.")
@click.option(
    "--events",
    type=click.File(encoding="utf-8"),
    help="Only these events: a file with an id a line, or -, as `mailchimp-webhooks events` prints them.",
)
@click.option("--with-opt-outs", is_flag=True, help="Undo opt-outs, too: look at each of them first.")
@click.option(
    "--into", metavar="COMMAND", help='Send them to this target: "meltano invoke target-epicor-contacts".'
)
@click.pass_context
def undo(
    ctx: click.Context,
    *,
    since: str,
    until: str | None,
    plugin: str,
    stream: str | None,
    events: TextIO | None,
    with_opt_outs: bool,
    into: str | None,
) -> None:
    """List what would put back the values before the events of a time, or send it to the target.

    For a webhook whose secret others knew. Values are put back by the target, which decides and records as
    it does for any contact update.
    """
    event_ids = None if events is None else set(events.read().split())
    with open_trail(ctx) as trail:
        of_time = entries(trail, EntryFilter(plugin=plugin, since=since, until=until))
        wanted = (
            entry
            for entry in of_time
            if stream in (None, entry.stream) and (event_ids is None or entry.event_id in event_ids)
        )
        found, left_out = corrections(wanted, with_opt_outs=with_opt_outs)
    now = format_timestamp(utc_now())
    records = [correction.record(now) for correction in found]
    for correction, record in zip(found, records, strict=True):
        told = {
            "undoes": correction.entries,
            "needs_a_person": sorted(correction.differing),
            "update": record,
        }
        click.echo(json_text(told))
    opt_outs = f" {left_out} opt-outs stay (--with-opt-outs)." if left_out else ""
    click.echo(f"{len(found)} people.{opt_outs}", err=True)
    if into and records:
        ctx.exit(1 if send_records(into, "corrections", records) else 0)
