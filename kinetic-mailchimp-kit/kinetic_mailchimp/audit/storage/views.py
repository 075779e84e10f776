"""The schema of a new trail, and the views in it for reports of others, such as Power BI.

Their names are stable; two of them hold addresses, none holds secrets. A column may be added here and never
renamed. The migration that changes one makes the views again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import add_partial_indexes, metadata, properties


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


def _of(table: str, *names: str) -> dict[str, str]:
    """Columns under their own names."""
    return {name: f"{table}.{name}" for name in names}


_RUN: Final = {**_of("r", "plugin", "pipeline"), "is_dry_run": "r.dry_run"}
_MEMBERS: Final = "target-mailchimp/"

VIEWS: Final = (
    View(
        "report_runs",
        "One row for each run of a target, and of `sync-audit` itself.",
        {
            "run_id": "r.id",
            **_RUN,
            **_of("r", "version", "correlation", "started_at", "finished_at", "status", "error"),
            **_of("r", "records_read", "source_system", "destination_system"),
        },
        "runs r",
    ),
    View(
        "report_decisions",
        "One row for each decision; those with `part_of` are single writes of one, and enter no sum.",
        {
            "run_id": "d.run_id",
            "entry": "d.seq",
            **_of("d", "part_of", "recorded_at"),
            **_RUN,
            **_of("d", "stream", "action", "reason", "consent"),
            "person": "hex(d.person)",
            **_of("d", "source_key", "source_updated_on", "http_status", "duration_ms"),
        },
        "decisions d JOIN runs r ON r.id = d.run_id",
    ),
    View(
        "report_counts",
        "Decisions of each action that a run made in each hour; quick, however long the trail is.",
        {**_of("c", "run_id", "hour"), **_RUN, **_of("c", "action", "decisions")},
        "run_counts c JOIN runs r ON r.id = c.run_id",
    ),
    View(
        "report_dead_letters",
        "One row for each dead letter, with what became of it; the record itself is not in it.",
        {
            "run_id": "l.run_id",
            "entry": "l.seq",
            **_of("l", "plugin", "stream", "state", "consent", "opened_at"),
            **_of("d", "reason", "http_status"),
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
            **_of("e", "run_id", "recorded_at"),
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
            **_of("e", "run_id", "recorded_at"),
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


def create_schema(connection: sa.Connection) -> None:
    """Make every table and view, and draw the key of the person digests."""
    create_tables(connection)
    make_views(connection)


def create_tables(connection: sa.Connection) -> None:
    """Make every table, and draw the key of the person digests."""
    add_partial_indexes()
    metadata.create_all(connection)
    fixed = {"person_key": secrets.token_bytes(32), "journal_head": bytes(8 + 32), "digest_format": b"2"}
    rows = [{"name": name, "value": value} for name, value in fixed.items()]
    connection.execute(sa.insert(properties), rows)
