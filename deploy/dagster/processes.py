"""Starts the project's programs for a tenant, and reads from the audit trail what a run decided."""

from __future__ import annotations

import collections
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from tenants import PROJECT, WORK, Tenant

PROGRAMS = PROJECT / ".venv" / "bin"
CONNECTIONS = {"epicor": 4, "mailchimp": 10}
"""Calls in flight at once for an instance or an account, over all runs: a choice, and Mailchimp's limit."""

_DIE_WITH_PARENT = [path, "--pdeathsig", "TERM", "--"] if (path := shutil.which("setpriv")) else []
"""A worker that is killed takes its run with it, or the run would go on beside its own retry."""

_KEPT_LINES = 15
_PREFIXES = {"epicor": ("tap-epicor-kinetic", "target-epicor-contacts"), "mailchimp": ("target-mailchimp",)}


def _project() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text(encoding="utf-8"))
    return read


def meltano_jobs() -> list[str]:
    """The jobs of meltano.yml."""
    return [job["name"] for job in _project()["jobs"]]


def command(job: str, tenant: Tenant) -> list[str]:
    """The command line of a job.

    Args:
        job: A job of meltano.yml, or `alert`.
        tenant: Whose state it continues.
    """
    if job == "alert":
        return [str(PROGRAMS / "sync-audit"), "alert"]
    options = ["--no-install", "--state-id-suffix", tenant.id]
    return [str(PROGRAMS / "meltano"), "run", *options, job]


def environment(tenant: Tenant, runs: Mapping[str, int]) -> dict[str, str]:
    """The variables of a tenant's run, with its part of the connections, and a folder for Meltano.

    Args:
        tenant: The tenant.
        runs: Vendor → runs that may be at work at once.
    """
    own = tenant.variables()
    folder = WORK / tenant.id
    for kind, plugins in _project()["plugins"].items():
        for name in (plugin["name"] for plugin in plugins):
            link = folder / kind / name / "venv" / "bin"
            link.parent.mkdir(parents=True, exist_ok=True)
            # The checkout has all plugins: none is installed again. Not a link to the whole of its
            # environment: Meltano clears the folder in which it installs.
            if not link.exists():
                link.symlink_to(PROGRAMS)
            for vendor, prefixes in _PREFIXES.items():
                if name.startswith(prefixes):
                    variable = name.upper().replace("-", "_") + "_CONCURRENCY"
                    own.setdefault(variable, str(max(1, CONNECTIONS[vendor] // runs[vendor])))
    return {"MELTANO_SYS_DIR_ROOT": str(folder)} | own


def run_program(arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a program to its end; what it prints goes to stdout line by line.

    Returns:
        The exit status, and the last lines.
    """
    last: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        [*_DIE_WITH_PARENT, *arguments],
        cwd=PROJECT,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o077,  # Meltano writes the settings of a plugin into a file while it runs
    ) as process:
        try:
            for line in process.stdout or ():
                sys.stdout.write(line)
                last.append(line)
        except BaseException:
            process.terminate()  # a run that is stopped ends after what it has in hand
            raise
    sys.stdout.flush()
    return process.returncode, "".join(last)


def decisions_since(start: str, variables: Mapping[str, str]) -> dict[str, int]:
    """Count what the targets decided in the runs of the trail since a time, by action.

    Args:
        start: RFC 3339, UTC.
        variables: Of the tenant's environment.
    """
    printed = subprocess.run(
        [str(PROGRAMS / "sync-audit"), "runs", "--format", "json", "--limit", "5"],
        cwd=PROJECT,
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    counts: collections.Counter[str] = collections.Counter()
    for run in map(json.loads, printed.stdout.splitlines()):
        if run["started_at"] >= start:
            counts["read"] += run["records_read"]
            counts.update(run["counts"])
    return dict(counts)
