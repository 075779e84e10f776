"""Draws lines over a logarithmic scale into an SVG file, which a page of the documentation shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

Point = tuple[float, float]

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 340, 70, 44, 190, 44
_COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#ef6c00", "#37474f")


def write_plot(path: Path, title: str, across: str, lines: Mapping[str, Sequence[Point]]) -> None:
    """Write a plot.

    Args:
        path: The file.
        title: What is drawn, with its unit.
        across: What grows to the right, by powers of ten.
        lines: By name, points of what grows and what is drawn, the first above 0.
    """
    places = [place for points in lines.values() for place, _ in points]
    low, high = math.log10(min(places)), math.log10(max(places))
    most = max(value for points in lines.values() for _, value in points) * 1.1 or 1.0
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(place: float, value: float) -> Point:
        share = (math.log10(place) - low) / ((high - low) or 1)
        return _LEFT + share * wide, _TOP + (1 - value / most) * tall

    drawn = [_text(_LEFT, 24, title, size=15)]
    for step in range(5):
        _, y = at(min(places), most * step / 4)
        drawn.append(f'<path d="M{_LEFT} {y:.1f}h{wide}" stroke="#ddd"/>')
        drawn.append(_text(_LEFT - 8, y + 4, f"{most * step / 4:,.3g}", anchor="end"))
    for place in sorted(set(places)):
        x, _ = at(place, 0)
        drawn.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{place:,.0f}", anchor="middle"))
    drawn.append(_text(_LEFT + wide / 2, _HEIGHT - 8, across, anchor="middle"))
    for number, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        spots = [at(*point) for point in points]
        path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        drawn.append(f'<polyline points="{path_of}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        drawn.append(_text(_WIDTH - _RIGHT + 16, _TOP + 10 + 18 * number, name, colour=colour))
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
    )
    background = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    path.write_text("\n".join([begin, background, *drawn, "</svg>\n"]), encoding="utf-8")


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
