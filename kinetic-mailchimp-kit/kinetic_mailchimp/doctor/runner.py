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
    running = [(name, check, _Look(check)) for name, checks in sections.items() for check in checks]
    until = time.monotonic() + seconds
    found: dict[str, list[Finding]] = {name: [] for name in sections}
    for name, check, look in running:
        found[name] += look.wait(max(0.0, until - time.monotonic()))
        if look.thread.is_alive():
            text = f"The check `{check.name}` was not done within {seconds:g} s."
            fix = "Something on the way does not answer: the name server, a firewall, the server."
            found[name].append(Finding(Verdict.WRONG, text, fix))
    return found


class _Look:
    """A check at work in a thread that does not keep the process from ending."""

    def __init__(self, check: Check) -> None:
        self._findings: list[Finding] = []
        self.thread = threading.Thread(target=self._look, args=(check,), daemon=True)
        self.thread.start()

    def _look(self, check: Check) -> None:
        for found in check.findings():
            self._findings.append(found)

    def wait(self, seconds: float) -> list[Finding]:
        self.thread.join(seconds)
        return list(self._findings)
