"""Entries and reports as JSON lines and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from kinetic_mailchimp.audit.reading.formatting import spreadsheet_cell
from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.kit.redaction.plain_text import json_text, plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_json(rows: Iterable[DataclassInstance], output: TextIO) -> None:
    """Write one JSON object per line.

    Args:
        rows: Entries, runs or others, which may be streamed.
        output: A text file.
    """
    output.writelines(json_text(dataclasses.asdict(row)) + "\n" for row in rows)


def write_entries(entries: Iterable[EntryView], style: str, output: TextIO) -> None:
    """Write entries as JSON lines or as CSV, in which changes are JSON.

    Args:
        entries: The entries, which may be streamed.
        style: `json` or `csv`.
        output: A text file.
    """
    if style == "json":
        write_json(entries, output)
    else:
        output.writelines(csv_lines([field.name for field in dataclasses.fields(EntryView)], entries))


def csv_lines(names: Sequence[str], rows: Iterable[object]) -> Iterator[str]:
    """A header and one line of CSV per row, in which no spreadsheet finds a formula.

    Args:
        names: The attributes of a row that become its cells; the header.
        rows: Objects with these attributes.
    """
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for cells in itertools.chain([names], ([_cell(getattr(row, name)) for name in names] for row in rows)):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return plain(json.dumps(value, ensure_ascii=False))
    # An entry that proves something is named as the pages name it.
    return "run {} entry {}".format(*value) if isinstance(value, tuple) else spreadsheet_cell(value)
