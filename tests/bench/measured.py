"""Measures a program by a small process in between, which waits for it and tells what it took.

Linux counts into the peak of a process what the process held before it became another program, which is what
its parent holds: a benchmark holds a lot, the process in between hardly anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_WAIT = """
import json, os, signal, sys, time
log, name, *command = sys.argv[1:]
began = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ)
signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
_, status, used = os.wait4(child, 0)
took = {"name": name, "cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - began}
with open(log, "a") as file:
    print(json.dumps({**took, "mib": used.ru_maxrss / 1024}), file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Usage:
    """What a program took.

    Attributes:
        cpu: Seconds of user and system time, which hold on a busy machine too.
        wall: Seconds from its start to its end.
        mib: The most memory that it held.
    """

    name: str
    cpu: float
    wall: float
    mib: float


def measuring(log: Path, name: str, *command: str | Path) -> list[str]:
    """A command that runs another one and notes in a file what it took.

    Args:
        log: The file; a line is added.
        name: Of the program, in that file.
        command: The program and its arguments.
    """
    return [sys.executable, "-ISc", _WAIT, str(log), name, *map(str, command)]


def measured(log: Path) -> list[Usage]:
    """What was noted, in the order in which the programs ended; the file is empty afterwards."""
    lines = log.read_text().splitlines()
    log.write_text("")
    return [Usage(**json.loads(line)) for line in lines]


def run_measured(folder: Path, command: Sequence[str | Path], *, stdin: Path | None = None) -> Usage:
    """Run a command to its end, which must be a success, with its output thrown away.

    Args:
        folder: For what it says on stderr.
        command: A program and its arguments.
        stdin: What it reads; nothing by default.
    """
    log, errors = folder / "usage.jsonl", folder / "stderr.log"
    with (stdin or Path(os.devnull)).open("rb") as given, errors.open("wb") as said:
        ended = subprocess.run(
            measuring(log, "it", *command), stdin=given, stdout=subprocess.DEVNULL, stderr=said, check=False
        )
    assert ended.returncode == 0, errors.read_text(errors="replace")[-4000:]
    (usage,) = measured(log)
    return usage
