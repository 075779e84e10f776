"""Loads the same members with target-mailchimp and with Mailchimp's own client, ten connections at most."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import NotInstalledError, environment, program
from mailchimp_load import simulator, write_input
from measuring import measured
from simulators.mailchimp.control import Control

CALL_SECONDS = 0.2
MEMBER_SECONDS = 0.002
BATCH = 500
CLIENT = "mailchimp-marketing"
WAYS: Mapping[str, tuple[bool, int]] = {
    "one by one": (False, 1),
    "in batches": (True, 1),
    "in batches, nine threads": (True, 9),
}
"""How the client is used: in batches or not, and over how many connections."""


@dataclass(frozen=True)
class Loaded:
    """A way to load, with what it took; seconds are those of the whole process."""

    name: str
    members: int
    seconds: float
    calls: int
    most_connections: int


def load(folder: Path, members: int, singles: int, missing: dict[str, str]) -> list[Loaded]:
    """Load an empty audience in each way.

    Args:
        folder: For files.
        members: How many.
        singles: How many one by one, which takes ages.
        missing: Takes the peer if it cannot be installed, with the reason.
    """
    source = folder / "members.jsonl"
    write_input(source, members)
    with simulator() as hello:
        control = Control(hello["control_url"], hello["list_id"])
        found = [_by_target(hello, control, folder, source, members)]
        try:
            python = environment(CLIENT) / "python"
        except NotInstalledError as error:
            missing[CLIENT] = str(error)
            return found
        for name, (batches, threads) in WAYS.items():
            count = members if batches else min(members, singles)
            given = {**hello, "members": count, "batches": batches, "threads": threads}
            _begin(control)
            command = [str(python), program("official_client_loader.py"), json.dumps(given)]
            run = measured(command, folder / "client.json")
            assert json.loads((folder / "client.json").read_text())["written"] == count
            found.append(_seen(control, f"{CLIENT}, {name}", count, run.seconds))
    return found


def _by_target(
    hello: Mapping[str, Any], control: Control, folder: Path, source: Path, members: int
) -> Loaded:
    config = folder / "target.json"
    known = {name: hello[name] for name in ("api_key", "base_url", "list_id")}
    config.write_text(json.dumps({**known, "audit_database_url": f"sqlite:///{folder / 'audit.sqlite3'}"}))
    _begin(control)
    # Its input comes from a file, as from a pipe that is never empty.
    script = (
        "import sys, runpy; sys.stdin = open(sys.argv.pop(1), encoding='utf-8');"
        "runpy.run_module('target_mailchimp', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", script, str(source), "--config", str(config)]
    run = measured(command, folder / "target.out")
    return _seen(control, "target-mailchimp", members, run.seconds)


def _begin(control: Control) -> None:
    control.reset()
    batch = {"method": "POST", "path": r"/lists/[^/]+$"}
    single = {"path": r"/lists/[^/]+/members/"}
    whole = CALL_SECONDS + BATCH * MEMBER_SECONDS
    control.set_faults(
        [
            {"match": batch, "effect": {"kind": "latency", "seconds": whole}},
            {"match": single, "effect": {"kind": "latency", "seconds": CALL_SECONDS + MEMBER_SECONDS}},
        ]
    )
    control.clear_requests()


def _seen(control: Control, name: str, members: int, seconds: float) -> Loaded:
    calls = sum(control.request_counts().values())
    return Loaded(name, members, seconds, calls, control.connections()["most"])
