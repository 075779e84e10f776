"""Administrative runs: what is done to the trail itself is recorded in it, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.run import Run

PLUGIN = "sync-audit"
"""The plugin name of administrative runs. Their entries are never erased or pruned."""
PREVIEW = "preview"
"""The pipeline of a dry run that shows what a mapping makes of some records; it is not a plan."""
CORRECT = "correct"
"""The pipeline of a run that holds a correction by hand: a run of the target whose record it is."""


@contextmanager
def administrative_run(
    trail: AuditTrail, action: str, *, plugin: str = PLUGIN, direction: Direction | None = None
) -> Iterator[Run]:
    """A run of this package, sealed when the block is left.

    Args:
        trail: Where it is recorded.
        action: The work: `erase`, `prune`, `replay`, `close` or `correct`.
        plugin: The target whose personal data it holds; by default it holds none.
        direction: The direction of that target.
    """
    run = trail.start_run(
        plugin=plugin, version=version("kinetic-mailchimp-kit"), pipeline=action, direction=direction
    )
    try:
        yield run
    except BaseException as error:
        run.finish("failed", type(error).__name__)
        raise
    run.finish()
