"""The command `undo`: lists, or hands to a target, what puts back the values before the events of a time."""

from __future__ import annotations

from typing import TextIO

import click

from kinetic_mailchimp.audit.cli.common import opened, to_time, until_option
from kinetic_mailchimp.audit.dead_letters.replay import send_records
from kinetic_mailchimp.audit.dead_letters.undo import corrections
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now
from kinetic_mailchimp.kit.redaction.plain_text import json_text


@click.command()
@click.option(
    "--since",
    required=True,
    callback=to_time,
    metavar="TIME",
    help="From this time on: 2026-03-01, 2026-03-01T09:30 (UTC), or 7d ago.",
)
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
    with opened(ctx) as trail:
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
