"""The command `sync-audit preview`: records beside what each side would get, before a mapping is used."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

import click
import yaml
from rich.table import Table

from kinetic_mailchimp.audit.cli.tables import make_console
from kinetic_mailchimp.audit.plans.previews import PreviewedRecord, keep_preview, panels
from kinetic_mailchimp.audit.reading.formatting import count_of, printable
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.environment import default_database_url
from kinetic_mailchimp.doctor.rehearsal import Route
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from kinetic_mailchimp.kit.project import PROJECT_FILE, Project

_MOST: Final = 100
_FORM: Final = "Write one object, or one in each line."


@click.command()
@click.option("--stream", default="customers", show_default=True, help="The stream of the tap.")
@click.option(
    "--count",
    type=click.IntRange(1, _MOST),
    default=10,
    show_default=True,
    help="Real records to read with the tap.",
)
@click.option(
    "--record",
    "given",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Records to take instead: a JSON object a line; - for standard input.",
)
@click.option(
    "--compare",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Another meltano.yml: of both, only the fields that differ are shown.",
)
@click.option("--environment", metavar="NAME", help="The Meltano environment; by default the project's.")
@click.pass_context
def preview(
    ctx: click.Context,
    stream: str,
    count: int,
    given: TextIO | None,
    compare: TextIO | None,
    environment: str | None,
) -> None:
    """Show records beside what the mapping and its target would make of them.

    Nothing is written to Epicor or Mailchimp: the target decides in a dry run. The pages show the same.
    """
    logging.disable(logging.WARNING)
    project = Project.find(environment)
    versions = {PROJECT_FILE: Route.find(project, stream)}
    if compare is not None:
        changed = replace(project, document=_read_project_file(compare))
        name = Path(compare.name).name
        versions[name if name != PROJECT_FILE else compare.name] = Route.find(changed, stream)
    # A changed version may select more columns: the records must have them.
    *_, last = versions.values()
    records = last.sample(count) if given is None else _parse_records(given.read())
    url, key = ctx.obj
    # Before the first run there is no trail yet.
    with AuditTrail.open(url or default_database_url(), encryption_key=key) as trail:
        made = [route.outcomes(records, trail, name) for name, route in versions.items()]
        previewed = [
            PreviewedRecord(stream, record, outcomes)
            for record, *outcomes in zip(records, *made, strict=True)
        ]
        number = keep_preview(trail, previewed)
    console = make_console()
    for one in previewed:
        console.print(_table(one))
    click.echo(f"Preview {number}: {count_of(len(records), 'record')} of {stream}. Nothing was written.")


def _table(record: PreviewedRecord) -> Table:
    """The panels of a record as columns."""
    table = Table(pad_edge=False)
    cells = []
    for panel in panels(record):
        table.add_column(printable(panel.title), overflow="fold")
        lines = [*panel.note.splitlines(), *(f"{name}: {value}" for name, value in panel.rows.items())]
        cells.append("\n".join(map(printable, filter(None, lines))))
    table.add_row(*cells)
    return table


def _parse_records(text: str) -> list[Mapping[str, Any]]:
    """Records in a text: one object, a list of them, or one in each line."""
    with contextlib.suppress(ValueError):
        whole = parse_json(text)
        return _check_objects(whole if isinstance(whole, list) else [whole])
    try:
        return _check_objects([parse_json(line) for line in text.splitlines() if line.strip()])
    except ValueError as error:
        raise ConfigurationError("The records are not JSON.", advice=_FORM) from error


def _check_objects(found: list[Any]) -> list[Mapping[str, Any]]:
    if not all(isinstance(record, dict) for record in found) or not 0 < len(found) <= _MOST:
        raise ConfigurationError(f"The records are not 1 to {_MOST} JSON objects.", advice=_FORM)
    return found


def _read_project_file(file: TextIO) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file.name} is not a {PROJECT_FILE}.", advice="Correct its YAML.")
    return found
