"""What the alerts look at, as it was at one moment: plain values, and nothing personal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.audit.reading.comparisons import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFact:
    """A run.

    Args:
        id: Its number.
        plugin: Which plugin ran.
        pipeline: What it ran in.
        status: As stored: `running`, `succeeded`, `failed` or `stopped`.
        started_at: As stored.
        active_at: When it last wrote to the trail, as stored.
        finished_at: As stored; None while it runs or after it was killed.
        is_alive: Whether its process is there; None where that cannot be known, as on another host.
        failures: Decisions that are failures.
    """

    id: int
    plugin: str
    pipeline: str
    status: str
    started_at: str
    active_at: str
    finished_at: str | None = None
    is_alive: bool | None = None
    failures: int = 0

    @property
    def lane(self) -> str:
        """What the run is one of many of, in words."""
        return f"{self.plugin} in {self.pipeline}" if self.pipeline else self.plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersFact:
    """The dead letters of one target that wait.

    Args:
        plugin: The target.
        waiting: How many.
        oldest: Since when the oldest waits, as stored.
        opt_outs: How many of them tell of an opt-out.
        oldest_opt_out: Since when the oldest of those waits; None where there is none.
    """

    plugin: str
    waiting: int
    oldest: str
    opt_outs: int = 0
    oldest_opt_out: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverFact:
    """How the receiver of webhooks is.

    Args:
        problems: What is wrong with it, in its own words; empty when deliveries would be stored.
        unread: How many events in its inbox nobody has read; None where it does not say.
        oldest_unread_seconds: The age of the oldest of them; None where it does not say.
    """

    problems: tuple[str, ...] = ()
    unread: int | None = None
    oldest_unread_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFact:
    """A webhook, or the lack of one, as `mailchimp-webhooks status --json` tells it.

    Args:
        list_id: The audience.
        verdict: `alive`, `quiet`, `incomplete`, `looks_disabled`, `foreign`; `missing` where there is none.
        last_event_at: When it last told something, RFC 3339; None if never.
    """

    list_id: str
    verdict: str
    last_event_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was looked at.

    Args:
        runs: Of each plugin and pipeline the last run that succeeded and all after it, newest first.
        letters: By target.
        comparisons: Of both sides, those of the last job.
        receiver: None where nobody asked for it.
        webhooks: None where nobody asked for them, or no answer came.
        webhooks_unknown: Whether somebody asked for them, and no answer came.
    """

    runs: tuple[RunFact, ...] = ()
    letters: tuple[LettersFact, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    receiver: ReceiverFact | None = None
    webhooks: tuple[WebhookFact, ...] | None = None
    webhooks_unknown: bool = False

    @property
    def lanes(self) -> Mapping[str, tuple[RunFact, ...]]:
        """The runs of each lane, newest first."""
        lanes: dict[str, tuple[RunFact, ...]] = {}
        for run in self.runs:
            lanes[run.lane] = (*lanes.get(run.lane, ()), run)
        return lanes
