"""Previews of a mapping: records as they are, as they are mapped, and as the other system would get them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.formatting import format_value
from kinetic_mailchimp.audit.storage.json_text import to_json
from kinetic_mailchimp.audit.storage.schema import ledger_entries
from kinetic_mailchimp.audit.trail.administration import PREVIEW, administrative_run
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail

ABSENT: Final = "(no value)"
"""In place of a field that another version of the mapping has."""
_KEPT: Final = 10
"""Previews that are kept: each holds personal data, and a new one takes the place of the oldest."""


class Outcome(msgspec.Struct, frozen=True):
    """One version of a mapping, applied to a record.

    Attributes:
        version: The name of its file.
        target: The plugin that it goes to.
        stream: The stream of the mapped record.
        mapped: The record; None where the mapping leaves it out, or cannot read it.
        decided: What the target would do and why, in words; a sentence for each audience that it goes to.
        writes: The rows that it would write, each with its fields: name → before and after.
        problem: The reason why the mapping cannot read the record; empty otherwise.
    """

    version: str
    target: str
    stream: str
    mapped: Mapping[str, Any] | None = None
    decided: Sequence[str] = ()
    writes: Sequence[tuple[str, Mapping[str, tuple[Any, Any]]]] = ()
    problem: str = ""

    def mapped_cells(self) -> dict[str, str]:
        """The fields of the mapped record that say something: null leaves a field as it is."""
        values = (self.mapped or {}).items()
        return {name: format_value(value) for name, value in values if value is not None}

    def written_cells(self) -> dict[str, str]:
        """The fields that would be written, each with the row where there are several."""
        return {
            f"{name} ({row})" if len(self.writes) > 1 else name: " → ".join(map(format_value, values))
            for row, changes in self.writes
            for name, values in changes.items()
        }


class PreviewedRecord(msgspec.Struct, frozen=True):
    """A record, and what becomes of it.

    Attributes:
        outcomes: One for each version of the mapping, the one in use first.
    """

    stream: str
    source: Mapping[str, Any]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the lists that stand side by side.

    Attributes:
        rows: Names and values.
        note: Sentences above them, one a line.
    """

    title: str
    rows: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview that is kept.

    Attributes:
        made_at: As stored.
    """

    number: int
    made_at: str
    records: Sequence[PreviewedRecord]


def panels(record: PreviewedRecord) -> Iterator[Panel]:
    """A record beside what each side would get; with two versions, of these only what differs."""
    yield Panel(record.stream, {name: format_value(value) for name, value in record.source.items()})
    mapped = _differing([one.mapped_cells() for one in record.outcomes])
    written = _differing([one.written_cells() for one in record.outcomes])
    for outcome, mapped_rows, written_rows in zip(record.outcomes, mapped, written, strict=True):
        prefix = f"{outcome.version}: " if len(record.outcomes) > 1 else ""
        alike = "" if mapped_rows or len(record.outcomes) == 1 else "No difference."
        note = outcome.problem or ("Left out by the mapping." if outcome.mapped is None else alike)
        yield Panel(f"{prefix}mapped to {outcome.stream}", mapped_rows, note)
        yield Panel(f"{prefix}{outcome.target}", written_rows, "\n".join(outcome.decided) or "Gets nothing.")


def _differing(versions: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The fields in which versions differ; all of them where there is one version."""
    if len(versions) == 1:
        return list(versions)
    names = dict.fromkeys(name for version in versions for name in version)
    differing = [name for name in names if len({version.get(name) for version in versions}) > 1]
    return [{name: version.get(name, ABSENT) for name in differing} for version in versions]


def keep_preview(trail: AuditTrail, records: Sequence[PreviewedRecord]) -> int:
    """Keep a preview for the pages; the number under which it is found.

    Args:
        trail: Where to keep it: an erasure of a person takes the person's records out of it.
        records: What to keep.
    """
    old = [preview.number for preview in read_previews(trail)][_KEPT - 1 :]
    with administrative_run(trail, PREVIEW) as run:
        # As one text, a record is found by any address in it, and goes as a whole.
        made = {"records": [to_json(record) for record in records]}
        run.record([], ledger={PREVIEW: {**dict.fromkeys(map(_key, old)), _key(run.id): made}})
    return run.id


def read_previews(trail: AuditTrail) -> list[Preview]:
    """The previews that are kept, the newest first."""
    query = (
        sa.select(ledger_entries.c.key, ledger_entries.c.recorded_at, ledger_entries.c.value)
        .where(ledger_entries.c.namespace == PREVIEW)
        .order_by(ledger_entries.c.key.desc())
    )
    with trail.database.reading() as connection:
        return [
            Preview(int(key), recorded_at, [_read_record(text) for text in _read_entry(value)["records"]])
            for key, recorded_at, value in connection.execute(query)
        ]


def _key(number: int) -> str:
    return f"{number:010}"


_read_entry: Final = msgspec.json.Decoder(dict[str, list[str]]).decode
_read_record: Final = msgspec.json.Decoder(PreviewedRecord).decode
