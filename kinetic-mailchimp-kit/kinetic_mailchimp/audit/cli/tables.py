"""Tables and histories for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kinetic_mailchimp.audit.reading.formatting import (
    ERASED,
    describe_entry,
    describe_origin,
    describe_response,
    format_counts,
    format_time,
    format_value,
    format_word,
    printable,
    tone,
)
from kinetic_mailchimp.audit.reading.queries import EntryView
from kinetic_mailchimp.audit.reading.runs import RunView
from kinetic_mailchimp.audit.trail.direction import Direction

_STYLES: Final = {"bad": "bold red", "warn": "yellow", "key": "bold cyan", "good": "green", "quiet": ""}
_WIDE: Final = 110
_UNBROKEN: Final = ("(UTC)", "Entry")
"""Columns whose values are never folded, so that they can be read at once and copied."""


def make_console() -> Console:
    """A console as wide as the terminal, or as COLUMNS says."""
    return Console(highlight=False, soft_wrap=False)


def style_of(word: str | None) -> str:
    """The style of an action or a state."""
    return _STYLES[tone(word or "")]


Cells = tuple[str | Text, ...]
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Layout(Generic[Shown]):
    """The cells of a row by columns, and the groups of them that share a cell in a narrow terminal."""

    cells: Callable[[Shown], Cells]
    columns: tuple[str, ...]
    narrow: tuple[tuple[int, ...], ...]

    def table(self, shown: Iterable[Shown], *, width: int) -> Table:
        """A table in a terminal of so many columns; what is shown may be streamed."""
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
        for row in map(self.cells, shown):
            table.add_row(*(Text("\n").join(_filled(row[index] for index in group)) for group in groups))
        return table


def _filled(cells: Iterable[str | Text]) -> list[Text]:
    return [Text.assemble(cell) for cell in cells if cell]


def _entry_cells(entry: EntryView) -> Cells:
    action = Text("└ " if entry.part_of is not None else "")
    action.append(entry.action, style=style_of(entry.action))
    if entry.dry_run:
        action.append(" (dry)", style="dim")
    return (
        format_time(entry.recorded_at),
        f"run {entry.run_id}",
        action,
        ERASED if entry.erased else printable(entry.subject),
        printable(entry.source_key),
        printable(entry.targets),
        printable(entry.reason),
    )


def _failure_cells(entry: EntryView) -> Cells:
    why = printable(entry.detail or entry.reason)
    return (
        format_time(entry.recorded_at),
        f"{entry.run_id}/{entry.seq}",
        Text(printable(entry.dead_letter), style=style_of(entry.dead_letter)),
        printable(entry.plugin),
        printable(entry.stream),
        printable(entry.subject),
        f"{why} (HTTP {entry.http_status})" if entry.http_status else why,
    )


def _run_cells(run: RunView) -> Cells:
    return (
        str(run.id),
        format_time(run.started_at),
        printable(run.plugin),
        printable(run.pipeline),
        Text(run.status + (" (dry)" if run.dry_run else ""), style=style_of(run.status)),
        f"{run.records_read:,}",
        format_counts(run.counts),
    )


ENTRIES: Final = Layout(
    _entry_cells,
    ("Time (UTC)", "In", "Action", "Person", "Source key", "Written to", "Reason"),
    ((0, 1), (2,), (3, 4), (5, 6)),
)
"""Of entries; a part is marked, and follows or precedes the decision that it belongs to."""
FAILURES: Final = Layout(
    _failure_cells,
    ("Since (UTC)", "Entry", "State", "Target", "Stream", "Person", "Why"),
    ((0, 1), (2,), (3, 4), (5, 6)),
)
"""Of dead letters that wait; an entry is named as `sync-audit close` takes it."""
RUNS: Final = Layout(
    _run_cells,
    ("Run", "Started (UTC)", "Plugin", "Pipeline", "Status", "Read", "Decisions"),
    ((0,), (1, 4), (2, 3), (5,), (6,)),
)


def print_history(
    console: Console, entries: Iterable[EntryView], directions: Mapping[str, Direction | None]
) -> None:
    """Print entries one below the other: action, place, fields and the vendor's response.

    Args:
        console: The terminal.
        entries: Decisions, each followed by its parts.
        directions: The directions of the plugins.
    """
    for entry in entries:
        indent = 4 if entry.part_of is not None else 0
        headline = Text()
        if entry.part_of is None:
            headline.append(f"{format_time(entry.recorded_at)}  ", style="dim")
            headline.append(f"{directions.get(entry.plugin) or entry.plugin}  ")
        headline.append(entry.action, style=style_of(entry.action) or "bold")
        if entry.targets:
            headline.append(f"  {printable(entry.targets)}")
        if entry.consent and entry.part_of is None:
            headline.append(f"  consent: {printable(entry.consent)}")
        if entry.dry_run:
            headline.append("  dry run: nothing was written", style="yellow")
        console.print(Padding(headline, (0, 0, 0, indent), expand=False))
        for line in _lines(entry):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, indent + 4), expand=False))


def _lines(entry: EntryView) -> Iterator[str]:
    yield printable(describe_entry(entry))
    if entry.erased:
        yield "The personal data of this entry was erased."
    if entry.part_of is None:
        yield describe_origin(entry, printable)
    for field, (before, after) in (entry.changes or {}).items():
        yield f"{printable(field)}: {printable(format_value(before))} → {printable(format_value(after))}"
    dead_letter = entry.dead_letter and f"dead letter {format_word(entry.dead_letter)}"
    place = f"run {entry.run_id} entry {entry.seq}"
    yield " · ".join(filter(None, (describe_response(entry, printable), dead_letter, place)))
    if entry.closed_because:
        yield f"{format_time(entry.closed_at)}  {printable(entry.closed_because)}"
