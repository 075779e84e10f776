"""Makes the tables of docs/faults.md from the table that the tests in tests/faults hold."""

from __future__ import annotations

import sys
from importlib import import_module

from plugin_definitions import ROOT

TESTS = ROOT / "tests" / "faults"


def tables() -> str:
    """A Markdown table for each process."""
    sys.path.append(str(TESTS))
    matrix = import_module("matrix")
    parts = []
    for process, cells in matrix.MATRIX.items():
        rows = [f"## {process}", "", matrix.ABOUT[process], ""]
        rows += ["| Fault | Log or answer | Exit | State | Data |", "|:--|:--|--:|:--|:--|"]
        for fault in matrix.FAULTS:
            cell = cells[fault]
            if isinstance(cell, str):
                rows.append(f"| {fault} | *Cannot occur: {cell}* | | | |")
            else:
                told = " … ".join(cell.sees) or "—"
                rows.append(f"| {fault} | {told} | {cell.exit} | {cell.state} | {cell.data} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)
