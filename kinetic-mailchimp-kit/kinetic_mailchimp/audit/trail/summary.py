"""Summary of a run, in numbers that add up and in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from kinetic_mailchimp.audit.trail.decision import LEFT, Action

_MOST_FIELDS: Final = 8

Word = TypeVar("Word", bound=str)
Status = Literal["succeeded", "failed", "stopped"]
"""The end of a run: as it should be, with an error or too many failures, or because it was asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The end of a run.

    Args:
        dry_run: Whether it only said what it would do.
        read: How many records it read.
        counts: How many decisions of each action it made.
        fields: How many updates changed each field.
    """

    run_id: int
    plugin: str
    status: str
    dry_run: bool
    read: int
    counts: Mapping[Action, int]
    seconds: float
    fields: Mapping[str, int] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        """Number of records that have a decision."""
        return sum(self.counts.values())

    @property
    def undecided(self) -> int:
        """Number of records that were read and have no decision; 0 when everything adds up."""
        return self.read - self.decided

    def __str__(self) -> str:
        """The run in one line."""
        parts = [f"{count:,} {action}" for action, count in _largest_first(self.counts)]
        if self.undecided:
            parts.append(f"{self.undecided:,} without a decision")
        rate = self.decided / self.seconds if self.seconds > 0 else 0.0
        dry = " (dry run: nothing was written)" if self.dry_run else ""
        plural = "" if self.read == 1 else "s"
        decided = f": {', '.join(parts)}" if parts else ""
        return (
            f"{self.plugin} run {self.run_id} {self.status}{dry}: {self.read:,} record{plural} read{decided};"
            f" {_duration(self.seconds)}, {rate:,.0f} per second{self._more()}"
        )

    def _more(self) -> str:
        """The fields that updates changed, and the commands that tell the rest."""
        more = ""
        if self.fields:
            named = _largest_first(self.fields)
            shown = ", ".join(f"{name} {count:,}" for name, count in named[:_MOST_FIELDS])
            more += f"; updated {shown}{' …' if len(named) > _MOST_FIELDS else ''}"
        if self.dry_run and self.decided:
            more += f"; `sync-audit diff {self.run_id}` shows what would change"
        if self.counts.keys() & LEFT and self.status != "failed":
            more += f"; `sync-audit skipped {self.run_id}` says who was left out and why"
        return more


def _largest_first(counts: Mapping[Word, int]) -> list[tuple[Word, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
