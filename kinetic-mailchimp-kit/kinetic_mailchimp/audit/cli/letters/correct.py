"""The command `sync-audit correct`: put a corrected record in place of one that waits."""

from __future__ import annotations

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.cli.letters.close import to_places, user_name
from kinetic_mailchimp.audit.dead_letters.closing import Place
from kinetic_mailchimp.audit.dead_letters.correction import (
    ADDRESSES,
    LetterRecord,
    parse_corrections,
    read_letter,
)
from kinetic_mailchimp.audit.dead_letters.correction import correct as correct_letter
from kinetic_mailchimp.audit.reading.formatting import format_value, printable


def to_place(ctx: click.Context, param: click.Parameter, value: str) -> Place:
    """Convert the value of an argument: an entry, as its run and its number, `12/34`."""
    return to_places(ctx, param, (value,))[0]


def to_texts(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Convert the values of an option: properties and their new values, `FNAME=Ada`."""
    for value in values:
        if not value.partition("=")[1]:
            raise click.BadParameter(f"{value!r} has no equals sign: write FNAME=Ada.")
    return {name.strip(): text for name, _, text in (value.partition("=") for value in values)}


@click.command()
@click.argument("letter", callback=to_place, metavar="RUN/ENTRY")
@click.option(
    "--set",
    "texts",
    multiple=True,
    metavar="NAME=VALUE",
    callback=to_texts,
    help="A property of the record and its new value; JSON for anything but text. May be repeated;"
    " without it, the record is shown.",
)
@click.option("--yes", is_flag=True, help="Correct the address of an opt-out without asking.")
@click.pass_context
def correct(ctx: click.Context, letter: Place, texts: dict[str, str], *, yes: bool) -> None:
    """Correct the record of a dead letter, such as 12/34: its address, or a field.

    The corrected record waits in place of the original, which stays beside it; the next `sync-audit replay`
    sends it. Correct it at its source as well, or its next change brings back what was wrong.
    """
    with opened(ctx) as trail:
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
