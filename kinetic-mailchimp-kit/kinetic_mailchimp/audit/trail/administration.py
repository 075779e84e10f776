"""Administrative runs: what is done to the trail itself is recorded in it, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.run import Run

PLUGIN = "sync-audit"
"""The plugin name of administrative runs. Their entries are never erased or pruned."""


@contextmanager
def administrative_run(trail: AuditTrail, action: str) -> Iterator[Run]:
    """A run of this package, sealed when the block is left.

    Args:
        trail: Where it is recorded.
        action: The work: `erase`, `prune`, `replay` or `close`.
    """
    run = trail.start_run(plugin=PLUGIN, version=version("kinetic-mailchimp-kit"), pipeline=action)
    try:
        yield run
    except BaseException as error:
        run.finish("failed", type(error).__name__)
        raise
    run.finish()
