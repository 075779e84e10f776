"""Options, the opened trail and outputs that the commands of `sync-audit` share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TextIO

import click
import sqlalchemy as sa

from kinetic_mailchimp.audit.cli.tables import Layout, make_console
from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.audit.reading.reports.export import write_entries
from kinetic_mailchimp.audit.reading.runs import RunView, find_run, latest_runs
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.environment import default_database_url
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp, utc_now
from kinetic_mailchimp.kit.secrets.private_files import open_private
from kinetic_mailchimp.kit.settings.options import parsed_by

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def parse_age(text: str) -> timedelta:
    """An age: `730d`, `12h` or `30m`.

    Raises:
        ValueError: The text is not a valid age.
    """
    match = re.fullmatch(r"(\d{1,5})([dhm])", text)
    if match is None:
        raise ValueError(f"{text!r} is not an age: write 730d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_time(text: str) -> str:
    """A date, a time or an age before now, as a time is stored.

    Raises:
        ValueError: The text is none of them.
    """
    try:
        is_age = re.fullmatch(r"\d{1,5}[dhm]", text)
        return format_timestamp(utc_now() - parse_age(text) if is_age else parse_timestamp(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: write 2026-03-01, 2026-03-01T09:30 or 7d") from error


to_time: Final = parsed_by(parse_time)


def format_option(*styles: str, about: str | None = None) -> Callable[[Any], Any]:
    """The option `--format`; the first style is the default."""
    return click.option(
        "--format", "style", type=click.Choice(styles), default=styles[0], show_default=True, help=about
    )


def limit_option(default: int, about: str = "The most to show.") -> Callable[[Any], Any]:
    """The option `--limit`."""
    return click.option("--limit", type=click.IntRange(1), default=default, show_default=True, help=about)


def since_option(*, required: bool = False) -> Callable[[Any], Any]:
    """The option `--since`."""
    about = "From this time on: 2026-03-01, 2026-03-01T09:30 (UTC), or 7d ago."
    return click.option("--since", required=required, callback=to_time, metavar="TIME", help=about)


until_option = click.option("--until", callback=to_time, metavar="TIME", help="Before this time.")
plugin_option = click.option("--plugin", help="Only this plugin, such as target-mailchimp.")
output_option = click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="A file, for its owner alone; default stdout.",
)
number_argument = click.argument("number", type=int, required=False)


@contextmanager
def open_trail(ctx: click.Context) -> Iterator[AuditTrail]:
    """The trail that the options of the group name, open until the block is left."""
    url, key = ctx.obj
    url = url or default_database_url()
    _check_exists(url)
    with AuditTrail.open(url, encryption_key=key) as trail:
        yield trail


def run_or_newest(trail: AuditTrail, number: int | None) -> RunView:
    """The run with a number, or the newest one.

    Raises:
        ConfigurationError: The trail has none.
    """
    if number is None:
        for newest in latest_runs(trail, limit=1):
            return newest
        raise ConfigurationError("The trail has no run.", advice="A target makes one.")
    with trail.database.reading() as connection:
        if found := find_run(connection, number):
            return found
    raise ConfigurationError(f"The trail has no run {number}.", advice="`sync-audit runs` lists them.")


def _check_exists(url: str) -> None:
    # Reading a trail must not make an empty one where the URL was mistyped.
    if not url.startswith("sqlite"):
        return
    try:
        file = sa.make_url(url).database
    except (sa.exc.ArgumentError, ValueError):
        return  # opening it says what is wrong
    if file and not Path(file).exists():
        raise ConfigurationError(
            f"There is no audit trail at {file}.",
            advice="A target makes it in its first run. Or set --database or AUDIT_DATABASE_URL.",
        )


def show_or_export(found: Iterable[EntryView], style: str, layout: Layout[EntryView], nothing: str) -> None:
    """Print entries as a table or a sentence in place of an empty one, or write them as JSON or CSV.

    Args:
        found: The entries, which may be streamed.
        style: `table`, `json` or `csv`.
        layout: The columns of the table.
        nothing: The sentence in place of an empty table.
    """
    if style == "table":
        console = make_console()
        table = layout.table(found, width=console.width)
        console.print(table if table.row_count else nothing)
    else:
        write_entries(found, style, sys.stdout)


@contextmanager
def open_output(path: Path) -> Iterator[TextIO]:
    """A file for its owner alone, or standard output for `-`.

    Raises:
        ConfigurationError: It cannot be written.
    """
    if str(path) == "-":
        yield sys.stdout
        return
    try:
        file = open_private(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}.", advice="Name another file."
        ) from error
    with file:
        yield file
