"""How the trail looks in a terminal, as JSON lines and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kinetic_mailchimp.audit.reading.queries import EntryView, RunView
from kinetic_mailchimp.audit.trail.decision import Action

_DIRECTIONS: Final = {
    "target-mailchimp": "Epicor → Mailchimp",
    "target-epicor-contacts": "Mailchimp → Epicor",
}
_STYLES: Final = {
    Action.FAILED.value: "bold red",
    Action.QUARANTINED.value: "bold red",
    Action.REFUSED.value: "yellow",
    Action.UNMATCHED.value: "yellow",
    Action.DRIFTED.value: "yellow",
    Action.FLAGGED.value: "bold cyan",
    Action.CREATED.value: "green",
    Action.UPDATED.value: "green",
    Action.MOVED.value: "green",
    "open": "bold red",
    "in_flight": "yellow",
    "closed": "yellow",
}
_ERASED: Final = "(erased)"
_WIDE: Final = 110
_UNBROKEN: Final = ("(UTC)", "Entry")
"""Columns whose values are never folded, so that they can be read at once and copied."""


def printable(value: object) -> str:
    """A value as one line of text that cannot steer a terminal."""
    text = "" if value is None else str(value)
    return "".join(
        " " if unicodedata.category(character).startswith("C") else character for character in text
    )


def moment(text: str) -> str:
    """A stored time, to the second, for a person: `2026-03-01 09:30:00`."""
    return text[:19].replace("T", " ")


def write_json(entries: Iterable[EntryView], output: TextIO) -> None:
    """One JSON object per line."""
    output.writelines(json.dumps(dataclasses.asdict(entry), ensure_ascii=False) + "\n" for entry in entries)


def write_csv(entries: Iterable[EntryView], output: TextIO) -> None:
    """A header and one line per entry; changes are JSON.

    A value that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    names = [field.name for field in dataclasses.fields(EntryView)]
    writer = csv.DictWriter(output, names, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        row = dataclasses.asdict(entry)
        if row["changes"] is not None:
            row["changes"] = json.dumps(row["changes"], ensure_ascii=False)
        writer.writerow({name: _harmless(value) for name, value in row.items()})


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a table, and which of them share a cell where the terminal is narrow."""

    columns: tuple[str, ...]
    narrow: tuple[tuple[int, ...], ...]

    def table(self, rows: Iterable[Sequence[str | Text]], *, width: int) -> Table:
        groups = self.narrow if width < _WIDE else tuple((index,) for index in range(len(self.columns)))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for group in groups:
            title = " / ".join(self.columns[index] for index in group)
            right = title in ("Run", "Read")
            table.add_column(
                title,
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=any(word in title for word in _UNBROKEN),
            )
        for row in rows:
            table.add_row(*(Text("\n").join(_filled(row[index] for index in group)) for group in groups))
        return table


def _filled(cells: Iterable[str | Text]) -> list[Text]:
    return [Text.assemble(cell) for cell in cells if cell]


_ENTRIES: Final = _Layout(
    ("Time (UTC)", "In", "Action", "Person", "Source key", "Written to", "Reason"),
    ((0, 1), (2,), (3, 4), (5, 6)),
)
_FAILURES: Final = _Layout(
    ("Since (UTC)", "Entry", "State", "Target", "Stream", "Person", "Why"), ((0, 1), (2,), (3, 4), (5, 6))
)
_RUNS: Final = _Layout(
    ("Run", "Started (UTC)", "Plugin", "Pipeline", "Status", "Read", "Decisions"),
    ((0,), (1, 4), (2, 3), (5,), (6,)),
)


def entries_table(entries: Iterable[EntryView], *, width: int) -> Table:
    """Entries, one to a row; a part is marked, and follows or precedes the decision that it belongs to."""
    return _ENTRIES.table(map(_entry_cells, entries), width=width)


def _entry_cells(entry: EntryView) -> tuple[str | Text, ...]:
    action = Text("└ " if entry.part_of is not None else "")
    action.append(entry.action, style=_STYLES.get(entry.action, ""))
    if entry.dry_run:
        action.append(" (dry)", style="dim")
    return (
        moment(entry.recorded_at),
        f"run {entry.run_id}",
        action,
        _ERASED if entry.erased else printable(entry.subject),
        printable(entry.source_key),
        printable(entry.targets),
        printable(entry.reason),
    )


def failures_table(entries: Iterable[EntryView], *, width: int) -> Table:
    """Dead letters that wait, one to a row; the entry is named as `sync-audit close` takes it."""
    return _FAILURES.table(map(_failure_cells, entries), width=width)


def _failure_cells(entry: EntryView) -> tuple[str | Text, ...]:
    why = printable(entry.detail) or printable(entry.reason)
    return (
        moment(entry.recorded_at),
        f"{entry.run_id}/{entry.seq}",
        Text(printable(entry.dead_letter), style=_STYLES.get(entry.dead_letter or "", "")),
        printable(entry.plugin),
        printable(entry.stream),
        printable(entry.subject),
        f"{why} (HTTP {entry.http_status})" if entry.http_status else why,
    )


def runs_table(runs: Iterable[RunView], *, width: int) -> Table:
    """Runs, one to a row."""
    return _RUNS.table(map(_run_cells, runs), width=width)


def _run_cells(run: RunView) -> tuple[str | Text, ...]:
    return (
        str(run.id),
        moment(run.started_at),
        printable(run.plugin),
        printable(run.pipeline),
        Text(
            run.status + (" (dry)" if run.dry_run else ""), style="bold red" if run.status == "failed" else ""
        ),
        f"{run.records_read:,}",
        counts_text(run.counts),
    )


def number_of(number: int, thing: str) -> str:
    """A number and what it counts: `1 record`, `2 records`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts in words, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {action}" for action, number in ordered)


def print_story(console: Console, entries: Iterable[EntryView]) -> None:
    """Entries as a story: what, where, which fields, and how the other side answered."""
    for entry in entries:
        indent = 4 if entry.part_of is not None else 0
        headline = Text()
        if entry.part_of is None:
            headline.append(f"{moment(entry.recorded_at)}  ", style="dim")
            headline.append(f"{_DIRECTIONS.get(entry.plugin, entry.plugin)}  ")
        headline.append(entry.action, style=_STYLES.get(entry.action, "bold"))
        if entry.targets:
            headline.append(f"  {printable(entry.targets)}")
        if entry.consent and entry.part_of is None:
            headline.append(f"  consent: {printable(entry.consent)}")
        if entry.dry_run:
            headline.append("  dry run: nothing was written", style="yellow")
        console.print(Padding(headline, (0, 0, 0, indent), expand=False))
        for line in _story_lines(entry):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, indent + 4), expand=False))


def _story_lines(entry: EntryView) -> Iterator[str]:
    yield printable(entry.detail or entry.reason.replace("_", " "))
    if entry.erased:
        yield "The personal data of this entry was erased."
    if entry.part_of is None:
        came = [f"from {printable(entry.stream)}"]
        if entry.source_key:
            came.append(printable(entry.source_key))
        if entry.source_updated_on:
            came.append(f"changed {printable(entry.source_updated_on)}")
        if entry.event_id:
            came.append(f"event {printable(entry.event_id)}")
        if entry.former_subject:
            came.append(f"address before: {printable(entry.former_subject)}")
        yield " · ".join(came)
    for field, (before, after) in (entry.changes or {}).items():
        yield f"{printable(field)}: {_value(before)} → {_value(after)}"
    answer = [
        f"HTTP {entry.http_status}" if entry.http_status is not None else "",
        f"id {printable(entry.request_id)}" if entry.request_id else "",
        f"{entry.duration_ms:,.0f} ms" if entry.duration_ms is not None else "",
        f"dead letter {entry.dead_letter.replace('_', ' ')}" if entry.dead_letter else "",
        f"run {entry.run_id} entry {entry.seq}",
    ]
    yield " · ".join(part for part in answer if part)
    if entry.closed_because:
        yield f"{moment(entry.closed_at or '')}  {printable(entry.closed_because)}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return printable(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))
