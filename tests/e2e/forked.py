"""Runs programs of this project out of a process that has imported them once: that is what takes long."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import time_machine
from stage import PROGRAMS, ROOT

PRELOADED = (
    "kinetic_mailchimp.kit.secrets.cli",
    "pytest",  # which a child imports where the main program is pytest
    "kinetic_mailchimp.audit.cli.history",
    "kinetic_mailchimp.console.cli",
    "meltano_map_transform.mapper",
    "tap_epicor_kinetic.tap",
    "tap_mailchimp_webhooks.tap",
    "tap_mailchimp_webhooks.cli.main",
    "tap_mailchimp_webhooks.receiver.app",
    "target_epicor_contacts.target",
    "target_mailchimp.target",
    "uvicorn",
)
_CAPABILITIES = 0x20080522
"""The version of the structures of capset(2)."""
_DROP = 24
"""PR_CAPBSET_DROP of prctl(2)."""
_PAST_MODES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, with which the modes of files do not bind."""


@dataclass(frozen=True)
class Conditions:
    """The circumstances of a process.

    Attributes:
        largest_file: Bytes that a file may have, as with a quota; 0 for any number.
        obeys_modes: Whether the modes of files bind it, though it may be root's.
        clock_off_by: Seconds that its clock is ahead. SIGUSR1 sets the clock back by twice as much.
    """

    largest_file: int = 0
    obeys_modes: bool = False
    clock_off_by: float = 0

    def apply(self) -> None:
        """Put them in force in this process."""
        if self.largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.largest_file, self.largest_file))
        if self.obeys_modes:
            libc = ctypes.CDLL(None)
            for capability in _PAST_MODES:
                libc.prctl(_DROP, capability, 0, 0, 0)  # else root's have it back with the next program
            header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
            none = (ctypes.c_uint32 * 6)()
            libc.capset(header, none)
        if self.clock_off_by:
            clock = time_machine.travel(time.time() + self.clock_off_by, tick=True).start()
            signal.signal(signal.SIGUSR1, lambda *_: clock.shift(-2 * self.clock_off_by))


USUAL = Conditions()


@dataclass(frozen=True)
class Files:
    """The files that stand for the streams of a process.

    Attributes:
        log: Gets what it prints as errors.
        output: Gets what it prints; None for the log as well.
    """

    log: Path
    output: Path | None = None

    def connect(self) -> None:
        """Make them the streams of this process."""
        with self.log.open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        if self.output:
            os.dup2(os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)


def start(
    command: Sequence[str], environment: Mapping[str, str], files: Files, conditions: Conditions = USUAL
) -> ForkServerProcess:
    """Start a program in a process of its own, which reads nothing from its standard input.

    For one thread alone: two that start processes at once take each other's exit status.

    Args:
        command: The name of a console script and its arguments.
        environment: All of its variables.
        files: Its streams.
        conditions: Its circumstances.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=_become, args=(tuple(command), dict(environment), files, conditions))
    process.start()
    return process


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Run a program to its end in a process of its own.

    Args:
        command: The name of a console script and its arguments.
        environment: All of its variables.
        log: Gets what it prints.

    Returns:
        Its exit status.
    """
    log.unlink(missing_ok=True)
    return ended(start(command, environment, Files(log)))


def ended(process: ForkServerProcess) -> int:
    """Wait for the end of a process; its exit status."""
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _become(
    command: tuple[str, ...], environment: dict[str, str], files: Files, conditions: Conditions
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    conditions.apply()
    files.connect()
    sys.argv = [str(PROGRAMS / command[0]), *command[1:]]
    (program,) = entry_points(group="console_scripts", name=command[0])
    program.load()()
