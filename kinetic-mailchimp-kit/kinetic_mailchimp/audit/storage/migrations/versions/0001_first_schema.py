"""The first schema: runs, decisions, dead letters, counts, journal and ledger."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT, _TIME, _WORD, _DIGEST = sa.Text(), sa.String(27), sa.String(20), sa.LargeBinary(32)


def upgrade() -> None:
    """Make every table, and draw the key of the person digests."""
    _create(
        "dead_letters",
        _columns({_BIG: "run_id seq"}, {_TEXT: "plugin stream"}, {_WORD: "state consent"})
        | _columns({_TIME: "opened_at"}, {_BIG: "replay_run_id result_run_id result_seq"}),
        key=("run_id", "seq"),
        optional="consent replay_run_id result_run_id result_seq",
        comment="What became of each dead letter: open, handed_out, resolved, failed_again, closed.",
    )
    _index("dead_letters", "state", "plugin", "opened_at")
    _create(
        "decisions",
        _columns({_BIG: "run_id seq part_of"}, {_TIME: "recorded_at"}, {_TEXT: "stream"}, {_WORD: "action"})
        | _columns(
            {sa.String(80): "reason"}, {_WORD: "consent"}, {sa.LargeBinary(16): "person former_person"}
        )
        | _columns({_TEXT: "source_updated_on"}, {sa.Integer(): "http_status"}, {_TEXT: "request_id"})
        | _columns({sa.Float(53): "duration_ms"}, {_TEXT: "refers_to"}, {_DIGEST: "private_digest digest"})
        | _columns({sa.LargeBinary(16): "salt"}, {_TEXT: "subject former_subject source_key event_id"})
        | _columns({_TEXT: "targets detail changes dead_letter payload"}),
        key=("run_id", "seq"),
        optional="part_of consent person former_person source_updated_on http_status request_id duration_ms"
        " refers_to salt subject former_subject source_key event_id targets detail changes dead_letter"
        " payload",
        comment="One row per decision and per part of one; digest chains them within a run.",
    )
    for leading in (["source_key"], ["action"], []):
        _index("decisions", *leading, "recorded_at", "run_id", "seq")
    for name in ("consent", "former_person"):
        present = sa.text(f"{name} IS NOT NULL")
        _index("decisions", name, "recorded_at", sqlite_where=present, postgresql_where=present)
    op.create_index("ix_decisions_person", "decisions", [sa.text("substr(person, 1, 4)")])
    _create(
        "journal",
        _columns({_BIG: "position run_id"}, {_WORD: "kind"}, {_TIME: "recorded_at"})
        | _columns({_DIGEST: "content_digest digest"}),
        key=("position",),
        comment="The start and the end of every run, chained over the whole trail.",
    )
    _index("journal", "run_id")
    _create(
        "ledger_entries",
        _columns({_TEXT: "namespace key value"}, {_BIG: "run_id"}, {_TIME: "recorded_at"}),
        key=("namespace", "key"),
        comment="What is known last about each key: state, not history.",
    )
    properties = _create(
        "properties",
        _columns({sa.String(40): "name"}, {sa.LargeBinary(): "value"}),
        key=("name",),
        comment="What is fixed for the life of a trail, such as the key of its person digests.",
    )
    _create(
        "run_counts",
        _columns({_BIG: "run_id"}, {sa.String(13): "hour"}, {_WORD: "action"}, {_BIG: "decisions"}),
        key=("run_id", "hour", "action"),
        comment="How many decisions of each action a run made in each hour (`2026-03-01T09`); no parts.",
    )
    _index("run_counts", "hour")
    _create(
        "runs",
        _columns({_BIG: "id"}, {_TEXT: "plugin version pipeline correlation"}, {sa.Boolean(): "dry_run"})
        | _columns({_TEXT: "host"}, {sa.Integer(): "process"}, {_TIME: "started_at active_at finished_at"})
        | _columns({_WORD: "status"}, {_TEXT: "error"}, {_BIG: "records_read entries"}, {_DIGEST: "head"})
        | _columns({_BIG: "pruned_entries"}, {_DIGEST: "pruned_head"}),
        key=("id",),
        optional="finished_at error pruned_head",
        comment="One row per run of a plugin; head is the digest of its newest entry.",
    )
    for names in (["correlation"], ["plugin", "started_at"], ["started_at"]):
        _index("runs", *names)
    _create(
        "stream_schemas",
        _columns({_BIG: "run_id"}, {_TEXT: "stream message"}),
        key=("run_id", "stream"),
        comment="The Singer SCHEMA message under which a run read a stream: a replay begins with it.",
    )
    fixed = {"person_key": secrets.token_bytes(32), "journal_head": bytes(8 + 32), "digest_format": b"2"}
    op.bulk_insert(properties, [{"name": name, "value": value} for name, value in fixed.items()])


def _columns(*typed: Mapping[Any, str]) -> dict[str, Any]:
    """Types of columns by name, in order."""
    return {name: kind for group in typed for kind, names in group.items() for name in names.split()}


def _create(
    table: str, columns: Mapping[str, Any], *, key: Collection[str], comment: str, optional: str = ""
) -> sa.Table:
    made: Iterable[sa.Column[Any]] = (
        sa.Column(
            name, kind, autoincrement="auto" if table == "runs" else False, nullable=name in optional.split()
        )
        for name, kind in columns.items()
    )
    return op.create_table(table, *made, sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"), comment=comment)


def _index(table: str, *columns: str, **where: Any) -> None:  # noqa: ANN401 (conditions by dialect)
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), **where)
