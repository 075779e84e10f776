"""What each command costs before it does anything, against what importing the SDK costs every plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kinetic_mailchimp.audit import AuditTrail
from meltano_floor import PROGRAMS, cost_of
from sizing import SMOKE, size

TIMES = size(5, 2)
PLUGINS = ("tap-epicor-kinetic", "tap-mailchimp-webhooks", "target-epicor-contacts", "target-mailchimp")
MOST_OF_A_PLUGIN = 1.3
MOST_OF_A_QUERY = 1.3
"""Half a second, where importing the SDK takes 0.39 s."""
MOST_OF_A_HELP = 0.5
HELPS = ("sync-audit", "mailchimp-webhooks", "connector-doctor", "connector-setup", "connector-secrets")
HEAVY = ("sqlalchemy", "alembic", "singer_sdk", "pendulum", "rich", "fastapi", "requests")


def least(*commands: list[str | Path], folder: Path) -> list[float]:
    """The least CPU seconds of each command, of several tries that take turns."""
    for command in commands:  # compiles what is not compiled yet
        cost_of(command, folder)
    costs = [[cost_of(command, folder).cpu for command in commands] for _ in range(TIMES)]
    return [min(tries) for tries in zip(*costs, strict=True)]


def the_sdk() -> list[str | Path]:
    return [sys.executable, "-c", "import singer_sdk"]


def judge(name: str, seconds: float, floor: float, most: float) -> None:
    print(f"\n{name}: {seconds:.2f} s of CPU, {seconds / floor:.2f} times the SDK's own import", end="")
    assert SMOKE or seconds <= most * floor


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_starts_as_fast_as_the_sdk_can_be_imported(plugin: str, tmp_path: Path) -> None:
    floor, seconds = least(the_sdk(), [PROGRAMS / plugin, "--help"], folder=tmp_path)
    judge(f"{plugin} --help", seconds, floor, MOST_OF_A_PLUGIN)


@pytest.mark.parametrize("command", HELPS)
def test_help_needs_nothing_heavy(command: str, tmp_path: Path) -> None:
    floor, seconds = least(the_sdk(), [PROGRAMS / command, "--help"], folder=tmp_path)
    judge(f"{command} --help", seconds, floor, MOST_OF_A_HELP)
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAMS / command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert not imported.intersection(HEAVY)


def test_a_small_query_of_the_trail_takes_half_a_second(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audit.sqlite3'}"
    AuditTrail.open(url).close()
    query: list[str | Path] = [PROGRAMS / "sync-audit", "--database", url, "runs"]
    floor, seconds = least(the_sdk(), query, folder=tmp_path)
    judge("sync-audit runs", seconds, floor, MOST_OF_A_QUERY)
