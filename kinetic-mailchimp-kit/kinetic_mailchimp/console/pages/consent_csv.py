"""The consent report as CSV, for a spreadsheet or a court."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator
from typing import Final

from kinetic_mailchimp.console.pages.consent import OptOut

_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(OptOut))
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def lines(people: Iterable[OptOut]) -> Iterator[str]:
    """A header, and one line for each person."""
    yield _line(_COLUMNS)
    for person in people:
        yield _line(tuple(_cell(getattr(person, name)) for name in _COLUMNS))


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        run_id, seq = value
        return f"run {run_id} entry {seq}"
    text = "" if value is None else str(value)
    # What a spreadsheet would take for a formula becomes text.
    return f"'{text}" if text.startswith(_FORMULA) else text
