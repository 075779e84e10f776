"""The command `sync-audit import-suppressions`: old opt-outs of another tool, handed to both targets."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from kinetic_mailchimp.audit.cli.common import to_time
from kinetic_mailchimp.audit.dead_letters.replay import send_records
from kinetic_mailchimp.audit.reading.formatting import format_word, printable
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.suppression_list import (
    Suppression,
    SuppressionList,
    UnreadableListError,
    read_suppressions,
)
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now

STREAM: Final = "suppressions"


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as-of",
    callback=to_time,
    metavar="TIME",
    help="The time of rows that have none: 2026-03-01 or 2026-03-01T09:30 (UTC). Default: that of the file.",
)
@click.option(
    "--mailchimp",
    metavar="COMMAND",
    help='Hand them to this target: "meltano --environment=prod invoke target-mailchimp".',
)
@click.option(
    "--epicor",
    metavar="COMMAND",
    help='And to this one: "meltano --environment=prod invoke target-epicor-contacts".',
)
@click.pass_context
def import_suppressions(
    ctx: click.Context, file: Path, as_of: str | None, mailchimp: str | None, epicor: str | None
) -> None:
    """Read the opt-outs of another tool from a CSV file, and hand them on.

    They go to the targets that are named. Without one it only counts them, and names the lines that cannot be
    used. Exit status 1 says that there are such lines, or that a target failed.
    """
    try:
        found = read_suppressions(file.read_bytes())
    except (OSError, UnreadableListError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}.",
            advice="Export those alone who opted out, as CSV (UTF-8) with a column such as `Email Address`.",
        ) from error
    written_at = as_of or format_timestamp(datetime.fromtimestamp(file.stat().st_mtime, UTC))
    bad = _print_summary(file, found)
    failed = False
    for command, record_of in ((mailchimp, _member), (epicor, _contact)):
        if command and found.rows:
            failed |= bool(send_records(command, STREAM, [record_of(row, written_at) for row in found.rows]))
    if not (mailchimp or epicor):
        click.echo("Nothing was handed on: --mailchimp and --epicor name the targets.")
    ctx.exit(1 if bad or failed else 0)


def _print_summary(file: Path, found: SuppressionList) -> int:
    """Print what was read; returns the number of lines that name nobody."""
    bad = [row for row in found.rows if row.problem]
    email, time, reason = found.columns
    origins = [f"addresses from {email!r}" if email else "addresses from a file without names of columns"]
    origins += [f"{what} from {name!r}" for what, name in (("times", time), ("reasons", reason)) if name]
    people = len(found.rows) - len(bad)
    click.echo(printable(f"{file.name}: {people:,} people; {', '.join(origins)}."))
    if found.repeated:
        click.echo(f"Further rows about the same people: {found.repeated:,}.")
    if unread := sum(row.is_time_unread for row in found.rows):
        click.echo(f"Times that cannot be read: {unread:,}. These rows count as of the file's time.")
    for row in bad:
        click.echo(f"Line {row.line}: {format_word(row.problem)}.", err=True)
    return len(bad)


def _member(row: Suppression, written_at: str) -> dict[str, Any]:
    """The member record of a row. One that names nobody becomes a dead letter of the target."""
    return {
        "email_address": row.address,
        "status": "unsubscribed",
        "source_consent": "person",
        "source_updated_on": _time_of(row, written_at),
        "source_dated": _is_dated(row),
        "source_key": f"{STREAM} line {row.line}" if row.problem else None,
    }


def _contact(row: Suppression, written_at: str) -> dict[str, Any]:
    """The contact update of a row: the same each time, so that a second import changes nothing."""
    name = f"line {row.line}" if row.problem else row.key
    if _is_dated(row):
        name = f"{name} {row.at}"  # a later opt-out of the same person is another event
    return {
        "email": row.address,
        "contact_status": row.status,
        "occurred_at": _time_of(row, written_at),
        "event_id": f"suppression-{hashlib.sha256(name.encode()).hexdigest()[:24]}",
        "reason": row.reason or "suppression",
        "source_key": f"{STREAM} line {row.line}" if row.problem else None,
    }


def _time_of(row: Suppression, written_at: str) -> str:
    return format_timestamp(row.at) if row.at and _is_dated(row) else written_at


def _is_dated(row: Suppression) -> bool:
    """Tell whether a row has a time, and not one that is yet to come."""
    return row.at is not None and row.at <= utc_now()
