"""Views for reports of others, such as Power BI: stable names, addresses in two of them, secrets in none.

A column may be added here and never renamed. The migration that changes one makes the views again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        about: A sentence for the reference.
        columns: Name → its expression. `hex(…)` and `json(…, name)` stand for those of the database.
        source: What follows FROM.
    """

    name: str
    about: str
    columns: Mapping[str, str]
    source: str


_RUN: Final = {
    "plugin": "r.plugin",
    "pipeline": "r.pipeline",
    "is_dry_run": "r.dry_run",
}
_MEMBERS: Final = "target-mailchimp/"

VIEWS: Final = (
    View(
        "report_runs",
        "One row for each run of a target, and of `sync-audit` itself.",
        {
            "run_id": "r.id",
            **_RUN,
            **{
                name: f"r.{name}"
                for name in ("version", "correlation", "started_at", "finished_at", "status", "error")
            },
            "records_read": "r.records_read",
            "source_system": "r.source_system",
            "destination_system": "r.destination_system",
        },
        "runs r",
    ),
    View(
        "report_decisions",
        "One row for each decision; those with `part_of` are single writes of one, and enter no sum.",
        {
            "run_id": "d.run_id",
            "entry": "d.seq",
            "part_of": "d.part_of",
            "recorded_at": "d.recorded_at",
            **_RUN,
            **{name: f"d.{name}" for name in ("stream", "action", "reason", "consent")},
            "person": "hex(d.person)",
            **{
                name: f"d.{name}"
                for name in ("source_key", "source_updated_on", "http_status", "duration_ms")
            },
        },
        "decisions d JOIN runs r ON r.id = d.run_id",
    ),
    View(
        "report_counts",
        "Decisions of each action that a run made in each hour; quick, however long the trail is.",
        {
            "run_id": "c.run_id",
            "hour": "c.hour",
            **_RUN,
            "action": "c.action",
            "decisions": "c.decisions",
        },
        "run_counts c JOIN runs r ON r.id = c.run_id",
    ),
    View(
        "report_dead_letters",
        "One row for each dead letter, with what became of it; the record itself is not in it.",
        {
            "run_id": "l.run_id",
            "entry": "l.seq",
            **{name: f"l.{name}" for name in ("plugin", "stream", "state", "consent", "opened_at")},
            "reason": "d.reason",
            "http_status": "d.http_status",
            "person": "hex(d.person)",
            "source_key": "d.source_key",
        },
        "dead_letters l LEFT JOIN decisions d ON d.run_id = l.run_id AND d.seq = l.seq",
    ),
    View(
        "report_members",
        "One row for each member of an audience, as it was known last. It holds addresses.",
        {
            "list_id": f"substr(e.namespace, {len(_MEMBERS) + 1}, length(e.namespace) - {len(_MEMBERS) + 8})",
            "member": "e.key",
            "address": "json(e.value, address)",
            "status": "json(e.value, status)",
            "changed_at": "json(e.value, changed)",
            "returned_at": "json(e.value, returned)",
            "run_id": "e.run_id",
            "recorded_at": "e.recorded_at",
        },
        f"ledger_entries e WHERE e.namespace LIKE '{_MEMBERS}%/members'",
    ),
    View(
        "report_flags",
        "One row for each opt-out flag that this software set in Epicor. It holds addresses.",
        {
            "row_name": "e.key",
            "address": "json(e.value, address)",
            "cause": "coalesce(json(e.value, cause), 'person')",
            "list_id": "json(e.value, list_id)",
            "opted_out_at": "json(e.value, at)",
            "cleared_at": "json(e.value, cleared_at)",
            "run_id": "e.run_id",
            "recorded_at": "e.recorded_at",
        },
        "ledger_entries e WHERE e.namespace = 'consent/flags'",
    ),
)


def make_views(connection: sa.Connection) -> None:
    """Make every view, in place of what is there under its name."""
    drop_views(connection)
    for view in VIEWS:
        columns = ", ".join(
            f"{_translated(text, connection.dialect.name)} AS {name}" for name, text in view.columns.items()
        )
        statement = f"CREATE VIEW {view.name} AS SELECT {columns} FROM {view.source}"  # noqa: S608 (texts of above)
        connection.execute(sa.text(statement))


def drop_views(connection: sa.Connection) -> None:
    """Take the views away: no table can be changed under them."""
    for view in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")


def _translated(expression: str, dialect: str) -> str:
    if "json(" in expression:
        before, _, rest = expression.partition("json(")
        value, _, rest = rest.partition(", ")
        name, _, after = rest.partition(")")
        # A NUL anywhere in a value would fail the whole view in PostgreSQL, whose text has none.
        readable = rf"regexp_replace({value}, '(?<!\\)((\\\\)*)\\u0000', '\1', 'g')::json"
        read = f"json_extract({value}, '$.{name}')" if dialect == "sqlite" else f"{readable} ->> '{name}'"
        return f"{before}{read}{after}"
    if expression.startswith("hex("):
        inner = expression.removeprefix("hex(").removesuffix(")")
        return f"lower(hex({inner}))" if dialect == "sqlite" else f"encode({inner}, 'hex')"
    return expression
