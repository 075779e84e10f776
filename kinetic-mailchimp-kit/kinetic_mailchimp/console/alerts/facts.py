"""Facts that alerts are made from, at one point in time, and the conditions in them that need a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from kinetic_mailchimp.audit.reading.reports.comparisons import Comparison
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.console.receiver_probe import ReceiverStatus
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFact:
    """A run.

    Args:
        status: As stored: `running`, `succeeded`, `failed` or `stopped`.
        active_at: The time at which it last wrote to the trail, as stored.
        finished_at: As stored; None while it runs or after it was killed.
        is_alive: True if its process exists; None where that cannot be known, as on another host.
        failures: The number of its decisions that are failures.
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
    def series(self) -> str:
        """Plugin and pipeline: the series of runs that it belongs to."""
        return f"{self.plugin} in {self.pipeline}" if self.pipeline else self.plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersFact:
    """The dead letters of one target that wait.

    Args:
        oldest: The time since which the oldest waits, as stored.
        oldest_opt_out: The time since which the oldest of those waits; None where there is none.
        destination: The system that the target writes to; None where its runs registered none.
    """

    plugin: str
    waiting: int
    oldest: str
    opt_outs: int = 0
    oldest_opt_out: str | None = None
    destination: str | None = None


class WebhookFact(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, or the lack of one, as `mailchimp-webhooks status --json` prints it.

    Args:
        verdict: `alive`, `quiet`, `incomplete`, `looks_disabled`, `foreign`; `missing` where there is none.
        last_event_at: The time of its last event, RFC 3339; another value says nothing.
    """

    list_id: str
    verdict: str
    last_event_at: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFact:
    """The last run of a job that has ended, as Meltano's own database has it.

    Args:
        name: As `prod:tap-one-to-target-two`.
        is_failed: Whether it failed, or was killed.
        ended_at: As stored in the trail; None where Meltano does not say.
        command: Runs it again; empty where no job of meltano.yml has these plugins.
    """

    name: str
    is_failed: bool
    ended_at: str | None = None
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was collected.

    Args:
        runs: Of each plugin and pipeline the last run that succeeded and all after it, newest first.
        receiver: None where it was not probed.
        webhooks: None where their status was not given, or is not readable.
        webhooks_unknown: True if their status was given and is not readable.
        jobs: Of each job of Meltano the last run that ended; None where its database was not read.
    """

    runs: tuple[RunFact, ...] = ()
    dead_letters: tuple[DeadLettersFact, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    receiver: ReceiverStatus | None = None
    webhooks: tuple[WebhookFact, ...] | None = None
    webhooks_unknown: bool = False
    jobs: tuple[JobFact, ...] | None = None

    @property
    def series(self) -> Mapping[str, tuple[RunFact, ...]]:
        """The runs of each series, newest first."""
        series: dict[str, tuple[RunFact, ...]] = {}
        for run in self.runs:
            series[run.series] = (*series.get(run.series, ()), run)
        return series


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCondition:
    """A condition that needs a person.

    Args:
        kind: The rule that found it; `evaluate` names it.
        scope: Its subject, such as a target: two conditions of one kind differ in it.
        what: The problem in one sentence.
        since: Its beginning, as stored; None where it began with the first alert about it.
    """

    kind: str = ""
    scope: str
    what: str
    advice: str
    since: str | None = None

    @property
    def key(self) -> str:
        """Kind and scope: the name under which it is stored."""
        return f"{self.kind}:{self.scope}"


Rule = Callable[[Facts, AlertSettings, datetime], "Iterable[AlertCondition] | None"]
"""Finds conditions; None where the facts it needs were not collected."""


def as_stored(value: object) -> str | None:
    """A time of another program as the trail stores it, in UTC without a zone; None for anything else."""
    try:
        when = value if isinstance(value, datetime) else parse_timestamp(str(value or ""))
    except ValueError:
        return None
    return format_timestamp(when if when.tzinfo else when.replace(tzinfo=UTC))
