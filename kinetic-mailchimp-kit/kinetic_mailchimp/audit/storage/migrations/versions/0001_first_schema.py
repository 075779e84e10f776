"""The first schema: runs, decisions, dead letters, counts, journal and ledger."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, and draw the key of the person digests."""
    op.create_table(
        "dead_letters",
        sa.Column("run_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("seq", _BIG, autoincrement=False, nullable=False),
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("consent", sa.String(length=20), nullable=True),
        sa.Column("opened_at", sa.String(length=27), nullable=False),
        sa.Column("replay_run_id", _BIG, nullable=True),
        sa.Column("result_run_id", _BIG, nullable=True),
        sa.Column("result_seq", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_dead_letters"),
        comment="What became of each dead letter: open, handed_out, resolved, failed_again, closed.",
    )
    op.create_index(
        "ix_dead_letters_state_plugin_opened_at",
        "dead_letters",
        ["state", "plugin", "opened_at"],
        unique=False,
    )
    op.create_table(
        "decisions",
        sa.Column("run_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("seq", _BIG, autoincrement=False, nullable=False),
        sa.Column("part_of", _BIG, nullable=True),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("consent", sa.String(length=20), nullable=True),
        sa.Column("person", sa.LargeBinary(length=16), nullable=True),
        sa.Column("former_person", sa.LargeBinary(length=16), nullable=True),
        sa.Column("source_updated_on", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Float(precision=53), nullable=True),
        sa.Column("refers_to", sa.Text(), nullable=True),
        sa.Column("private_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("former_subject", sa.Text(), nullable=True),
        sa.Column("source_key", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("targets", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("changes", sa.Text(), nullable=True),
        sa.Column("dead_letter", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_decisions"),
        comment="One row per decision and per part of one; digest chains them within a run.",
    )
    for leading in (["source_key"], ["action"], []):
        columns = [*leading, "recorded_at", "run_id", "seq"]
        op.create_index(f"ix_decisions_{'_'.join(columns)}", "decisions", columns)
    op.create_index(
        "ix_decisions_consent_recorded_at",
        "decisions",
        ["consent", "recorded_at"],
        unique=False,
        sqlite_where=sa.text("consent IS NOT NULL"),
        postgresql_where=sa.text("consent IS NOT NULL"),
    )
    op.create_index(
        "ix_decisions_former_person_recorded_at",
        "decisions",
        ["former_person", "recorded_at"],
        unique=False,
        sqlite_where=sa.text("former_person IS NOT NULL"),
        postgresql_where=sa.text("former_person IS NOT NULL"),
    )
    op.create_index("ix_decisions_person", "decisions", [sa.text("substr(person, 1, 4)")], unique=False)
    op.create_table(
        "journal",
        sa.Column("position", _BIG, autoincrement=False, nullable=False),
        sa.Column("run_id", _BIG, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_journal"),
        comment="The start and the end of every run, chained over the whole trail.",
    )
    op.create_index("ix_journal_run_id", "journal", ["run_id"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("run_id", _BIG, nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "key", name="pk_ledger_entries"),
        comment="What is known last about each key: state, not history.",
    )
    properties = op.create_table(
        "properties",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_properties"),
        comment="What is fixed for the life of a trail, such as the key of its person digests.",
    )
    op.create_table(
        "run_counts",
        sa.Column("run_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("hour", sa.String(length=13), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("decisions", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "hour", "action", name="pk_run_counts"),
        comment="How many decisions of each action a run made in each hour (`2026-03-01T09`); no parts.",
    )
    op.create_index("ix_run_counts_hour", "run_counts", ["hour"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.String(length=27), nullable=False),
        sa.Column("active_at", sa.String(length=27), nullable=False),
        sa.Column("finished_at", sa.String(length=27), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("records_read", _BIG, nullable=False),
        sa.Column("entries", _BIG, nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pruned_entries", _BIG, nullable=False),
        sa.Column("pruned_head", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        comment="One row per run of a plugin; head is the digest of its newest entry.",
    )
    op.create_index("ix_runs_correlation", "runs", ["correlation"], unique=False)
    op.create_index("ix_runs_plugin_started_at", "runs", ["plugin", "started_at"], unique=False)
    op.create_index("ix_runs_started_at", "runs", ["started_at"], unique=False)
    op.create_table(
        "stream_schemas",
        sa.Column("run_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "stream", name="pk_stream_schemas"),
        comment="The Singer SCHEMA message under which a run read a stream: a replay begins with it.",
    )

    op.bulk_insert(
        properties,
        [
            {"name": "person_key", "value": secrets.token_bytes(32)},
            {"name": "journal_head", "value": bytes(8 + 32)},
            {"name": "digest_format", "value": b"2"},
        ],
    )
