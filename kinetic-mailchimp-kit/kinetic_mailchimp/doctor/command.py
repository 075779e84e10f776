"""The command `connector-doctor`."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import click

from kinetic_mailchimp.doctor.examination import GROUP, Examination, examine
from kinetic_mailchimp.kit.checks import Finding, Verdict
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from kinetic_mailchimp.kit.project import Project, load_env_file
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs
from kinetic_mailchimp.kit.redaction.plain_text import json_text

_SIGNS: Final = {Verdict.GOOD: ("✓", "green"), Verdict.NOTE: ("!", "yellow"), Verdict.WRONG: ("✗", "red")}
_ARROWS: Final = {"Epicor": "→", "both": "⇄", "Mailchimp": "←"}
"""The ways of a value, by the owner of its field."""
_INDENT: Final = " " * 4
_NOT_DONE: Final = 3


@click.command("connector-doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("plugins", nargs=-1)
@click.option("--environment", metavar="NAME", help="The Meltano environment; by default the project's.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration of one PLUGIN, as its own --config; instead of that in meltano.yml.",
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=20, show_default=True, help="Time for all checks."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(
    plugins: tuple[str, ...], environment: str | None, config: Path | None, *, seconds: float, as_json: bool
) -> None:
    """Look at everything that a run needs, and say what to do about what is wrong.

    Without PLUGINS, all that are installed here. Nothing is written to Epicor or Mailchimp.

    Exit status: 0 all is well; 1 something is wrong; 2 wrong usage; 3 it could not be looked at.
    """
    load_env_file()
    known = {point.name: point for point in entry_points(group=GROUP)}
    if unknown := sorted(set(plugins) - known.keys()):
        raise click.UsageError(f"{unknown[0]} is not installed here. There are: {', '.join(sorted(known))}.")
    if config and len(plugins) != 1:
        raise click.UsageError("--config needs the name of the one plugin that it is for.")
    project = Project.find(environment)
    result = examine(project, _read_configs(project, known, plugins, config), seconds)
    click.echo(_as_json(result) if as_json else "\n".join(_text_lines(result)))
    sys.exit(0 if result.is_good else 1)


def _read_configs(
    project: Project, known: Mapping[str, EntryPoint], plugins: Sequence[str], config: Path | None
) -> dict[EntryPoint, Mapping[str, Any]]:
    """The configuration of each plugin that is looked at."""
    if config:
        return {known[plugins[0]]: parse_json(config.read_text(encoding="utf-8"))}
    # Of a project, what it does not use is not looked at.
    wanted = plugins or [name for name in known if name in project.plugins or not project.document]
    return {known[name]: project.config(name) for name in sorted(wanted)}


def _as_json(result: Examination) -> str:
    document = {
        "is_good": result.is_good,
        "findings": [
            {"about": about, "verdict": str(found.verdict), "text": found.text, "fix": found.fix}
            for about, findings in result.findings.items()
            for found in findings
        ],
        "fields": [asdict(field) for field in result.fields],
    }
    return json_text(document, indent=2)


def _text_lines(result: Examination) -> Iterator[str]:
    for about, findings in result.findings.items():
        yield click.style(about, bold=True)
        yield from map(_format_finding, findings)
    if result.fields:
        yield from _table_lines(result)
    wrong = sum(found.verdict is Verdict.WRONG for findings in result.findings.values() for found in findings)
    yield ""
    yield f"{wrong} to put right." if wrong else "All is well."


def _format_finding(found: Finding) -> str:
    """A finding with its sign, broken between words where a person reads it in a terminal."""
    sign, colour = _SIGNS[found.verdict]
    text = str(found)
    if sys.stdout.isatty():
        broken = textwrap.wrap(
            text,
            shutil.get_terminal_size().columns,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_on_hyphens=False,
        )
        text = "\n".join(broken).strip()
    return f"  {click.style(sign, fg=colour)} {text}"


def _table_lines(result: Examination) -> Iterator[str]:
    """The fields, in a terminal's width: a line for each column that a field comes from."""
    rows: list[tuple[str, ...]] = [("Merge field", "Type", "", "In Epicor", "Back to")]
    for field in result.fields:
        named = (field.field, result.tag_type(field.tag), _ARROWS[field.owner])
        columns = itertools.zip_longest(map(result.described, field.sources), field.targets, fillvalue="")
        rows += [(*(named if not number else ("", "", "")), *pair) for number, pair in enumerate(columns)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield "→ Epicor's own, ⇄ of both, ← Mailchimp's own"


def run_command(command: click.Command) -> int:
    """Run a command that checks plugins; what cannot be done is one line on stderr. Gives the exit status."""
    mask_logs()
    logging.disable(logging.WARNING)  # what they say is in the findings
    os.environ.setdefault("PGCONNECT_TIMEOUT", "3")
    try:
        command()
    except SystemExit as ended:
        return int(ended.code or 0)
    except ConnectorError as error:
        click.echo(MASKER.mask(f"{command.name}: {error}"), err=True)
    return _NOT_DONE


def main() -> None:
    """Run `connector-doctor`."""
    status = run_command(doctor)
    # Threads of a check that was not done in time may wait for minutes: they do not keep the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
