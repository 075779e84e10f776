"""Measures a command as the system accounts for it: seconds, CPU seconds, the most memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_MEASURE = """
import os, sys, time
out, log, *command = sys.argv[1:]
create = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
files = [(os.POSIX_SPAWN_OPEN, number, path, create, 0o600) for number, path in ((1, out), (2, log))]
started = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=files)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
print([os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss])
"""
"""It is a small process in between: Linux counts into a peak what the process held before it became another
program, which is what its parent holds."""


@dataclass(frozen=True)
class Run:
    """A run of a command: seconds, seconds of CPU, MiB at its peak."""

    seconds: float
    cpu: float
    memory: float


def measured(command: Sequence[str], out: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command; where it fails, the error is what it wrote on stderr.

    Args:
        command: With the path of the program.
        out: The file for its standard output.
        environment: Variables beside the present ones.
    """
    log = out.with_suffix(".log")
    # Where the commands run from source, their bytecode is kept, as it is for whoever installs them.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(
        [sys.executable, "-ISc", _MEASURE, str(out), str(log), *command],
        env=variables | dict(environment or {}),
        stdout=subprocess.PIPE,
        check=True,
    )
    status, seconds, cpu, kib = json.loads(ended.stdout)
    assert status == 0, f"{command[0]}: {log.read_text(errors='replace')[-2000:]}"
    return Run(seconds, cpu, kib / 1024)
