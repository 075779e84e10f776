"""Counts over time as bars: the arithmetic of small SVG plots, which the templates draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

BAR: Final = 8
"""Width of a bar with its gap, in the plot's own units."""
HEIGHT: Final = 28
_GAP: Final = 2
_LOWEST: Final = 1.5
"""The height of the smallest bar: one failure among thousands must be seen."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that ends now, in equal steps."""

    name: str
    title: str
    hours: int
    steps: int

    def labels(self, now: datetime) -> list[str]:
        """The steps, oldest first: `2026-03-01T09` for hours, `2026-03-01` for days."""
        form = "%Y-%m-%dT%H" if self.hours == 1 else "%Y-%m-%d"
        last = now.astimezone(UTC)
        return [
            (last - timedelta(hours=self.hours * back)).strftime(form) for back in reversed(range(self.steps))
        ]


SPANS: Final = {
    span.name: span
    for span in (
        Span("2d", "48 hours", 1, 48),
        Span("30d", "30 days", 24, 30),
        Span("90d", "90 days", 24, 90),
    )
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the plot's own units."""

    x: int
    y: float
    width: int
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One action over time.

    Args:
        bars: The bars that are not zero.
        summary: The plot in words, for readers who cannot see it.
    """

    action: str
    total: int
    peak: int
    bars: tuple[Bar, ...]
    width: int
    height: int
    summary: str


def make_plot(action: str, labels: Sequence[str], counts: Mapping[str, int]) -> Plot:
    """The bars of one action; every plot has a scale of its own, so that the rare is seen beside the many.

    Args:
        action: The action.
        labels: The steps of time, oldest first.
        counts: Step → number of decisions.
    """
    values = [counts.get(label, 0) for label in labels]
    total, peak = sum(values), max(values, default=0)
    bars = tuple(
        _bar(place, value, peak, f"{step(label)}: {number(value)} {action}")
        for place, (label, value) in enumerate(zip(labels, values, strict=True))
        if value
    )
    highest = labels[values.index(peak)] if peak else ""
    summary = f"{number(total)} {action} in all; the most at once, {number(peak)}, on {step(highest)} UTC."
    return Plot(action, total, peak, bars, len(labels) * BAR - _GAP, HEIGHT, summary if peak else "None.")


def _bar(place: int, value: int, peak: int, title: str) -> Bar:
    height = round(max(value / peak * HEIGHT, _LOWEST), 1)
    return Bar(place * BAR, round(HEIGHT - height, 1), BAR - _GAP, height, title)


def number(value: int) -> str:
    """A number with its thousands set apart by narrow spaces, which no locale takes for a decimal mark."""
    return f"{value:,}".replace(",", "\u202f")


def step(label: str) -> str:
    """A step of time, as one reads it: `2026-03-01 09:00` or `2026-03-01`."""
    return label.replace("T", " ") + (":00" if "T" in label else "")
