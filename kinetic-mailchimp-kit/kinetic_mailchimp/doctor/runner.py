"""Runs checks side by side, in a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from kinetic_mailchimp.kit.checks import Check, Finding, Verdict


def run_checks(sections: Mapping[str, Sequence[Check]], seconds: float) -> dict[str, list[Finding]]:
    """The findings of all checks; one that has not ended in time is a finding itself.

    Args:
        sections: The checks, by the name of their section.
        seconds: The time for all of them.
    """
    running = []
    for name, check in ((name, check) for name, checks in sections.items() for check in checks):
        seen: list[Finding] = []
        # No thread keeps the process from ending.
        thread = threading.Thread(target=_look, args=(check, seen), daemon=True)
        thread.start()
        running.append((name, check, seen, thread))
    until = time.monotonic() + seconds
    found: dict[str, list[Finding]] = {name: [] for name in sections}
    for name, check, seen, thread in running:
        thread.join(max(0.0, until - time.monotonic()))
        found[name] += list(seen)
        if thread.is_alive():
            text = f"The check `{check.name}` was not done within {seconds:g} s."
            fix = "Something on the way does not answer: the name server, a firewall, the server."
            found[name].append(Finding(Verdict.WRONG, text, fix))
    return found


def _look(check: Check, seen: list[Finding]) -> None:
    for found in check.findings():
        seen.append(found)  # noqa: PERF402 (one by one: it may not come to its end)
