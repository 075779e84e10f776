"""The command `sync-audit close`: give up dead letters that can never be written."""

from __future__ import annotations

import getpass
import os

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.dead_letters.closing import Place, find_open, parse_reason
from kinetic_mailchimp.audit.dead_letters.closing import close as close_letters
from kinetic_mailchimp.audit.reading.formatting import count_of


def to_places(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[Place]:
    """Convert the values of an argument: entries, each as its run and its number, `12/34`."""
    try:
        return [Place.parse(value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def to_reason(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Convert the value of an option: a reason in words, without an e-mail address."""
    try:
        return parse_reason(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("letters", nargs=-1, required=True, callback=to_places, metavar="RUN/ENTRY...")
@click.option(
    "--because",
    required=True,
    callback=to_reason,
    metavar="TEXT",
    help="The reason, for later readers. It stays in the trail for good: name no person.",
)
@click.option("--yes", is_flag=True, help="Close opt-outs without asking.")
@click.pass_context
def close(ctx: click.Context, letters: list[Place], because: str, *, yes: bool) -> None:
    """Close dead letters that can never be written, such as 12/34.

    They wait no more: no replay hands them out, and no alert counts them. `sync-audit failures` lists them.
    """
    with opened(ctx) as trail:
        found = find_open(trail, letters)
        opt_outs = [str(letter.place) for letter in found if letter.is_opt_out]
        if opt_outs and not yes:
            click.confirm(
                f"{', '.join(opt_outs)}: a person opted out and would still be written to, as the target"
                " never stores it. Close all the same?",
                abort=True,
            )
        run_id = close_letters(trail, found, because=because, closed_by=user_name())
    click.echo(f"Closed: {count_of(len(found), 'dead letter')}. Run {run_id} of the trail proves it.")


def user_name() -> str:
    """The user who runs the command, by the name or the number that the system has for them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container whose user has no name
        return f"user {os.getuid()}"
