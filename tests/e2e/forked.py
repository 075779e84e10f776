"""Runs programs of this project out of a process that has imported them once: that is what takes long."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from multiprocessing import get_context
from pathlib import Path

from stage import PROGRAMS, ROOT

PRELOADED = (
    "kinetic_mailchimp.kit.secrets.cli",
    "pytest",  # which a child imports where the main program is pytest
    "kinetic_mailchimp.audit.cli.history",
    "kinetic_mailchimp.audit.cli.search",
    "kinetic_mailchimp.console.cli",
    "tap_epicor_kinetic.__main__",
    "tap_mailchimp_webhooks.__main__",
    "tap_mailchimp_webhooks.cli.main",
    "target_epicor_contacts.__main__",
    "target_mailchimp.__main__",
)


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Run a program to its end, in a process of its own that reads nothing from its standard input.

    For one thread alone: two that start processes at once take each other's exit status.

    Args:
        command: The name of a console script and its arguments.
        environment: All of its variables.
        log: Gets what it prints.

    Returns:
        Its exit status.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=_become, args=(tuple(command), dict(environment), log))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _become(command: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    with log.open("w") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    sys.argv = [str(PROGRAMS / command[0]), *command[1:]]
    (program,) = entry_points(group="console_scripts", name=command[0])
    program.load()()
