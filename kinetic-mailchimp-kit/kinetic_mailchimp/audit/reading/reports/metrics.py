"""The trail as numbers for Prometheus: runs and decisions of every target, and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.dead_letters import count_waiting, waiting_plugins
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE
from kinetic_mailchimp.audit.storage.schema import ledger_entries, run_counts, runs
from kinetic_mailchimp.audit.trail.administration import PLUGIN
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, apart from its values."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str


RUNS: Final = Metric(
    "sync_audit_runs_total",
    "counter",
    ("plugin", "pipeline", "status"),
    "Runs of the targets by status; dry runs are left out.",
)
RECORDS: Final = Metric(
    "sync_audit_records_read_total", "counter", ("plugin", "pipeline"), "Records that these runs have read."
)
DECISIONS: Final = Metric(
    "sync_audit_decisions_total", "counter", ("plugin", "action"), "Decisions about records by action."
)
LAST_SUCCESS: Final = Metric(
    "sync_audit_last_success_timestamp_seconds",
    "gauge",
    ("plugin", "pipeline"),
    "When the last run that succeeded ended.",
)
DEAD_LETTERS: Final = Metric(
    "sync_audit_dead_letters_waiting", "gauge", ("plugin",), "Dead letters that wait; 10,000 stands for more."
)
OPT_OUTS: Final = Metric(
    "sync_audit_opt_outs_waiting", "gauge", ("plugin",), "Opt-outs among the dead letters that wait."
)
HANDOVERS: Final = Metric(
    "sync_audit_handovers_waiting",
    "gauge",
    (),
    "Flags that target-mailchimp found and target-epicor-contacts has not written.",
)
METRICS: Final = (RUNS, RECORDS, DECISIONS, LAST_SUCCESS, DEAD_LETTERS, OPT_OUTS, HANDOVERS)


def metric_lines(trail: AuditTrail) -> Iterator[str]:
    """The present numbers, in the text format of Prometheus."""
    with trail.database.reading() as connection:
        samples = dict(_samples(connection))
    for metric in METRICS:
        yield f"# HELP {metric.name} {metric.about}\n# TYPE {metric.name} {metric.kind}\n"
        for values, number in samples[metric]:
            named = ",".join(
                f'{label}="{_escaped(value)}"' for label, value in zip(metric.labels, values, strict=True)
            )
            yield f"{metric.name}{{{named}}} {number:.17g}\n" if named else f"{metric.name} {number:.17g}\n"


def _samples(connection: sa.Connection) -> Iterator[tuple[Metric, Iterable[Sample]]]:
    real = (runs.c.dry_run.is_(False), runs.c.plugin != PLUGIN)
    of_runs = sa.select(
        runs.c.plugin,
        runs.c.pipeline,
        runs.c.status,
        sa.func.count(),
        sa.func.sum(runs.c.records_read),
        sa.func.max(runs.c.finished_at),
    ).where(*real)
    found = connection.execute(of_runs.group_by(runs.c.plugin, runs.c.pipeline, runs.c.status)).all()
    yield RUNS, [((plugin, pipeline, status), count) for plugin, pipeline, status, count, *_ in found]
    records: dict[tuple[str, ...], float] = {}
    for plugin, pipeline, _, _, read, _ in found:
        records[plugin, pipeline] = records.get((plugin, pipeline), 0) + float(read)
    yield RECORDS, records.items()
    yield (
        LAST_SUCCESS,
        [
            ((plugin, pipeline), parse_timestamp(ended).timestamp())
            for plugin, pipeline, status, _, _, ended in found
            if status == "succeeded"
        ],
    )
    of_counts = (
        sa.select(runs.c.plugin, run_counts.c.action, sa.func.sum(run_counts.c.decisions))
        .join(runs, runs.c.id == run_counts.c.run_id)
        .where(*real)
        .group_by(runs.c.plugin, run_counts.c.action)
    )
    yield (
        DECISIONS,
        [((plugin, action), float(count)) for plugin, action, count in connection.execute(of_counts)],
    )
    plugins = list(waiting_plugins(connection))
    yield DEAD_LETTERS, [((one,), count_waiting(connection, plugins=[one]).count) for one in plugins]
    yield (
        OPT_OUTS,
        [((one,), count_waiting(connection, plugins=[one], only_opt_outs=True).count) for one in plugins],
    )
    waiting = sa.select(sa.func.count()).where(ledger_entries.c.namespace == HANDOVER_NAMESPACE)
    yield HANDOVERS, [((), connection.execute(waiting).scalar_one())]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
