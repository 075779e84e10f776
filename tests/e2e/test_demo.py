"""The demo fits a terminal, explains its reasons, and ends at Ctrl-C without noise."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import demo_tables
from rich.console import Console
from stage import ROOT

MOST_COLUMNS = 80


class Decided:
    """A stage on which this was decided."""

    def decisions(self, *_: str) -> list[dict[str, str]]:
        left = {"action": "skipped", "reason": "not_a_member", "detail": "The stream only updates members."}
        merged = {"action": "merged", "reason": "same_address_in_batch"}
        return [
            {"stream": "member_names", **left},
            {"stream": "members", **merged, "detail": "Row 1 stands for it."},
            {"stream": "members", **merged, "detail": "Row 2 stands for it."},
        ]

    def members(self) -> dict[str, dict[str, str]]:
        return {"person@example.com": {"status": "subscribed"}}


def test_the_table_fits_a_terminal_and_explains_each_reason(monkeypatch):
    console = Console(width=MOST_COLUMNS, record=True, file=io.StringIO())
    monkeypatch.setattr(demo_tables, "console", console)

    demo_tables.show_forward(Decided())  # type: ignore[arg-type]

    said = console.export_text()
    assert "The stream only updates members." in " ".join(said.split())
    assert "same address in batch" in said
    assert "not_a_member" not in said
    assert max(map(len, said.splitlines())) <= MOST_COLUMNS


def test_ctrl_c_shows_one_line(tmp_path: Path):
    folder = tmp_path / "demo"
    call = f"import pathlib, demo; demo.FOLDER = pathlib.Path({str(folder)!r}); demo.run()"
    with subprocess.Popen(
        [sys.executable, "-c", call],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/e2e"), "DEMO_CUSTOMERS": "20", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        # In the first step, while Meltano works and nothing is being printed.
        while not (folder / "install.log").exists():
            assert process.poll() is None
            time.sleep(0.05)
        # The terminal sends it to all of them.
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=120)[0]

    assert process.returncode == 130, said
    assert [line for line in said.splitlines() if line.strip()] == [
        "Epicor Kinetic ⇄ Mailchimp: 20 customers, both vendors simulated here",
        "Stopped; nothing is left running.",
    ]
