"""`make clean` leaves what cannot be made again, and `make purge` asks before it deletes that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from plugin_definitions import ROOT

KEPT = (
    "data/sync-audit.sqlite3",
    "output/members.jsonl",
    ".meltano/meltano.db",
    ".env",
    "data/__pycache__/x",
)
MADE = (".venv/installed", "dist/a.whl", ".meltano/loaders/target-a/venv/bin/target-a", "a/__pycache__/b.pyc")


@pytest.fixture
def checkout(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (*KEPT, *MADE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def there(checkout: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (checkout / name).exists()]


def make(checkout: Path, target: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(shutil.which("make")), "--no-print-directory", target],
        cwd=checkout,
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


def test_clean_leaves_data_and_state(checkout):
    assert make(checkout, "clean").returncode == 0

    assert (there(checkout, KEPT), there(checkout, MADE)) == (list(KEPT), [])


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "yes\n"])
def test_purge_deletes_nothing_without_the_word(checkout, answer):
    run = make(checkout, "purge", answer)

    assert run.returncode != 0
    assert "Nothing was deleted." in run.stdout
    assert there(checkout, KEPT) == list(KEPT)


def test_purge_deletes_data_and_state_at_the_word(checkout):
    assert make(checkout, "purge", "delete\n").returncode == 0

    assert there(checkout, KEPT) == [".env"]


def test_the_list_of_targets_fits_a_terminal(checkout):
    shown = make(checkout, "help").stdout.splitlines()

    assert len(shown) > len(MADE)
    assert [line for line in shown if len(line) > 80] == []
