"""The command `replay`: dispatch dead letters again."""

from __future__ import annotations

import sys

import click

from kinetic_mailchimp.audit.cli.common import opened, plugin_option
from kinetic_mailchimp.audit.dead_letters.replay import replay_into, replay_to, requeue


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
    with opened(ctx) as trail:
        if requeues:
            click.echo(str(requeue(trail)), err=True)
            return
        if into is None:
            outcome = replay_to(trail, sys.stdout, plugin=plugin, stream=stream)
        else:
            outcome = replay_into(trail, into, plugin=plugin, stream=stream)
    click.echo(str(outcome), err=True)
    ctx.exit(0 if outcome.is_good else 1)
