"""The commands `search` and `failures`: entries that match a filter."""

from __future__ import annotations

from typing import Any, Final

import click

from kinetic_mailchimp.audit.cli.common import (
    format_option,
    limit_option,
    opened,
    plugin_option,
    show_or_export,
    since_option,
    until_option,
)
from kinetic_mailchimp.audit.cli.tables import entries_table, failures_table
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.trail.decision import Action

_ACTIONS: Final = [action.value for action in Action]


@click.command()
@click.argument("text", required=False)
@click.option("--email", help="A person's address, present or former.")
@click.option("--source-key", help="A record's key at its source, such as EPIC06/12//3.")
@click.option("--run", "run_id", type=int, help="A run's number.")
@click.option(
    "--action", type=click.Choice(_ACTIONS), metavar="ACTION", help=f"One of {', '.join(_ACTIONS)}."
)
@plugin_option
@since_option()
@until_option
@limit_option(100, "The newest that match.")
@format_option("table", "json", "csv")
@click.pass_context
def search(ctx: click.Context, /, text: str | None, style: str, **criteria: Any) -> None:  # noqa: ANN401 - the options, by name
    """Find decisions, newest first.

    TEXT is the same as --email where it holds an @, and else as --source-key.
    """
    if text is not None:
        option = "email" if "@" in text else "source_key"
        if criteria[option] is not None:
            raise click.UsageError(f"TEXT counts as --{option.replace('_', '-')} here: leave one out.")
        criteria[option] = text
    with opened(ctx) as trail:
        found = entries(trail, EntryFilter(newest_first=True, **criteria))
        show_or_export(found, style, entries_table, "Nothing in the trail matches.")


@click.command()
@plugin_option
@limit_option(100)
@format_option("table", "json", "csv")
@click.pass_context
def failures(ctx: click.Context, style: str, plugin: str | None, limit: int) -> None:
    """List dead letters that wait to be replayed, oldest first."""
    with opened(ctx) as trail:
        found = entries(trail, EntryFilter(waiting=True, plugin=plugin, limit=limit))
        show_or_export(found, style, failures_table, "No dead letter waits.")
