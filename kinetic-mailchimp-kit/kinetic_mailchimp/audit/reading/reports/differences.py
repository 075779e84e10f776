"""A run as a difference: what it created and changed, with the values before and after, and what it left."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from kinetic_mailchimp.audit.reading.formatting import (
    count_of,
    describe_entry,
    format_value,
    format_word,
    printable,
)
from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.audit.trail.decision import LEFT, Action

_SILENT: Final = frozenset({Action.UNCHANGED, Action.MERGED})
_NO_FIELD: Final[dict[str, list[Any]]] = {"": [None, None]}
_PEOPLE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field of one record, or a record without a field.

    Attributes:
        person: The address; empty where it was erased.
        target: The row at the destination.
        field: The name of the field; empty for the record as a whole.
        reason: Why, as a code.
        detail: Why, in words.
    """

    action: str
    person: str
    source_key: str
    target: str
    field: str
    before: str
    after: str
    reason: str
    detail: str


COLUMNS: Final = tuple(Difference.__dataclass_fields__)


def differences(entries: Iterable[EntryView]) -> Iterator[Difference]:
    """One difference for each field that was written, and one for each record that was left."""
    for entry in entries:
        if entry.action in _SILENT and not entry.changes:
            continue
        for field, (before, after) in (entry.changes or _NO_FIELD).items():
            yield Difference(
                action=entry.action,
                person=entry.subject or "",
                source_key=entry.source_key or "",
                target=entry.targets or "",
                field=field,
                before=format_value(before) if field else "",
                after=format_value(after) if field else "",
                reason=entry.reason,
                detail=describe_entry(entry),
            )


def text_lines(found: Iterable[Difference]) -> Iterator[str]:
    """The differences for a terminal: each record with its fields, then those that were left, by reason."""
    left: dict[tuple[str, str], list[Difference]] = {}
    last = None
    for one in found:
        if one.action in LEFT:
            left.setdefault((one.action, one.reason), []).append(one)
            continue
        record = (one.action, one.person, one.source_key, one.target)
        if record != last:
            yield printable("  ".join(filter(None, record)))
            last = record
        if one.field:
            yield printable(f"    {one.field}: {one.before} → {one.after}")
    for (action, reason), ones in sorted(left.items(), key=lambda item: -len(item[1])):
        yield f"{count_of(len(ones), 'record')} {action}: {format_word(reason)}"
        yield printable(f"    {ones[0].detail}") if ones[0].detail != format_word(reason) else ""
        yield from (printable(f"    {one.person or one.source_key}") for one in ones[:_PEOPLE])
        if len(ones) > _PEOPLE:
            yield f"    … and {len(ones) - _PEOPLE:,} more"


def page_lines(title: str, found: Iterable[Difference]) -> Iterator[str]:
    """The differences as one HTML page without anything from elsewhere.

    Args:
        title: Of the page.
        found: The differences.
    """
    cells = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS)
    yield "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
    yield f"<title>{html.escape(title)}</title>\n"
    yield "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
    yield "td,th{border-bottom:1px solid #8884;padding:.3em .6em;text-align:left}</style>\n"
    yield f"<h1>{html.escape(title)}</h1>\n<table>\n<tr>{cells}</tr>\n"
    for one in found:
        values = (html.escape(printable(getattr(one, name))) for name in COLUMNS)
        yield f"<tr>{''.join(f'<td>{value}</td>' for value in values)}</tr>\n"
    yield "</table>\n</html>\n"
