"""What is done to the trail itself is a run of the trail, too: its name, and how such a run begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.run import Run

PLUGIN = "sync-audit"
"""The plugin name of administrative runs. Their entries are never erased or pruned."""


@contextmanager
def administrative_run(trail: AuditTrail, what: str) -> Iterator[Run]:
    """A run of this package, sealed when the block is left.

    Args:
        trail: Where it is recorded.
        what: What it does: `erase`, `prune`, `replay` or `close`.
    """
    run = trail.start_run(plugin=PLUGIN, version=version("kinetic-mailchimp-kit"), pipeline=what)
    try:
        yield run
    except BaseException as error:
        run.finish("failed", type(error).__name__)
        raise
    run.finish()
