"""The chain: whatever is changed or removed is found, and nothing else is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Direction
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.storage.schema import (
    dead_letters,
    decisions,
    journal,
    ledger_entries,
    metadata,
    properties,
    run_counts,
    runs,
    stream_schemas,
)
from kinetic_mailchimp.audit.trail.chain import link
from kinetic_mailchimp.kit.errors import DataError

Make = Callable[..., Decision]


def fill(trail: AuditTrail, decision: Make) -> None:
    for plugin in ("target-mailchimp", "target-epicor-contacts"):
        direction = Direction("Epicor", "Mailchimp") if plugin == "target-mailchimp" else None
        run = trail.start_run(plugin=plugin, version="0.1.0", pipeline="dev:forward", direction=direction)
        run.read(4)
        run.record(
            [
                decision(n, former_subject="old@example.com", event_id="e1", detail="Because.")
                for n in range(2)
            ]
        )
        run.record(
            [
                decision(
                    3,
                    Action.FAILED,
                    dead_letter={"email_address": "x@example.com"},
                    http_status=400,
                    request_id="r-1",
                    duration_ms=12.5,
                    consent="unsubscribed",
                    source_updated_on="2026-02-01",
                ),
                decision(4, parts=[decision(4), decision(4)]),
            ]
        )
        run.finish("succeeded")
    trail.start_run(plugin="target-mailchimp", version="0.1.0").record([decision(9)])


def test_an_honest_trail_is_whole(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    outcome = verify(trail)
    assert outcome.problems == ()
    assert (outcome.runs, outcome.entries) == (3, 13)


# The ledger and the schemas describe the present: they change all the time, and no chain covers them.
CHAINED = [table for table in metadata.sorted_tables if table not in (ledger_entries, stream_schemas)]
# Of a run that still goes on; its end seals them.
UNSEALED = {("runs", "active_at"), ("runs", "records_read")}


ROWID = sa.column("rowid", sa.Integer)


def rows_of(trail: AuditTrail, table: sa.Table) -> list[tuple[int, dict[str, Any]]]:
    with trail.database.reading() as connection:
        rows = connection.execute(sa.select(ROWID.label("at"), table)).mappings()
        return [(row["at"], {column.name: row[column.name] for column in table.columns}) for row in rows]


def change(trail: AuditTrail, statement: sa.Executable) -> bool:
    """Change the database behind the trail's back; returns whether the database allowed it."""
    try:
        with trail.database.writing() as connection:
            connection.execute(statement)
    except sa.exc.IntegrityError:
        return False
    return True


def flip(value: Any, position: int) -> Any:
    """The value with one byte changed."""
    if value is None:
        return b"1"
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    raw = value.encode() if isinstance(value, str) else bytes(value)
    position %= max(len(raw), 1)
    raw = raw[:position] + bytes([(raw[position] ^ 1) if raw else 49]) + raw[position + 1 :]
    return raw.decode() if isinstance(value, str) else raw


def is_whole(trail: AuditTrail) -> bool:
    try:
        return verify(trail).is_whole
    except DataError:
        return False


def test_a_change_of_any_column_of_any_row_is_found(sqlite_trail: AuditTrail, decision: Make) -> None:
    fill(sqlite_trail, decision)
    missed = []
    tried = 0
    for table in CHAINED:
        for rowid, values in rows_of(sqlite_trail, table):
            for name, before in values.items():
                if (table.name, name) in UNSEALED and values["finished_at"] is None:
                    continue
                tried += 1
                after = flip(before, position=tried)
                if not change(
                    sqlite_trail, sa.update(table).where(sa.literal(rowid) == ROWID).values({name: after})
                ):
                    continue
                if is_whole(sqlite_trail):
                    missed.append((table.name, rowid, name, before))
                # A changed integer key moves the row.
                same = {**values, name: after}
                key = [column == same[column.name] for column in table.primary_key]
                assert change(sqlite_trail, sa.update(table).where(*key).values({name: before}))
    assert missed == []
    assert tried > 400
    assert verify(sqlite_trail).is_whole


def test_a_change_of_any_byte_of_any_record_is_found(sqlite_trail: AuditTrail, decision: Make) -> None:
    run = sqlite_trail.start_run(plugin="target-mailchimp", version="0.1.0", pipeline="dev:forward")
    run.read(1)
    told = {"former_subject": "b@example.com", "event_id": "e", "detail": "Why.", "request_id": "r"}
    letter = {"email_address": "a@example.com"}
    run.record([decision(1, Action.FAILED, consent="cleaned", dead_letter=letter, **told)])
    run.finish("failed", "It broke off.")
    missed, tried = [], 0
    for table in (runs, decisions, dead_letters, journal, run_counts):
        for rowid, values in rows_of(sqlite_trail, table):
            here = sa.update(table).where(sa.literal(rowid) == ROWID)
            for name, position in bytes_of(values):
                tried += 1
                if not change(sqlite_trail, here.values({name: flip(values[name], position)})):
                    continue
                if verify(sqlite_trail).is_whole:
                    missed.append((table.name, name, position))
                assert change(sqlite_trail, here.values({name: values[name]}))
    assert missed == []
    assert tried > 700
    assert verify(sqlite_trail).is_whole


def bytes_of(values: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Each byte of each text or binary value; numbers are the business of the other test."""
    for name, value in values.items():
        raw = value.encode() if isinstance(value, str) else value
        if isinstance(raw, bytes):
            yield from ((name, position) for position in range(len(raw)))


@pytest.mark.parametrize("table", [table for table in CHAINED if table is not properties], ids=str)
def test_a_removed_row_is_found(sqlite_trail: AuditTrail, decision: Make, table: sa.Table) -> None:
    fill(sqlite_trail, decision)
    for rowid, values in rows_of(sqlite_trail, table):
        assert change(sqlite_trail, sa.delete(table).where(sa.literal(rowid) == ROWID))
        assert not verify(sqlite_trail).is_whole, values
        assert change(sqlite_trail, sa.insert(table).values(values))
    assert verify(sqlite_trail).is_whole


def test_a_removed_run_is_named(trail: AuditTrail, decision: Make) -> None:
    fill(trail, decision)
    with trail.database.writing() as connection:
        for table in (decisions, run_counts, dead_letters):
            connection.execute(sa.delete(table).where(table.c.run_id == 2))
        connection.execute(sa.delete(runs).where(runs.c.id == 2))
    assert [str(problem) for problem in verify(trail).problems] == [
        "run 2: was removed: the journal knows it"
    ]


def test_an_anchor_kept_elsewhere_finds_a_rewritten_trail(
    trail: AuditTrail, decision: Make, url: str, new_postgres_url: Callable[[], str], tmp_path: Path
) -> None:
    fill(trail, decision)
    anchor = verify(trail).anchor
    assert verify(trail, anchor=anchor).is_whole
    trail.start_run(plugin="target-mailchimp", version="0.1.0").finish()
    assert verify(trail, anchor=anchor).is_whole
    other = f"sqlite:///{tmp_path}/other.sqlite3" if url.startswith("sqlite") else new_postgres_url()
    with AuditTrail.open(other) as forged:
        fill(forged, decision)
        assert [problem.where for problem in verify(forged, anchor=anchor).problems] == ["journal"]


@pytest.mark.parametrize("written", [None, b"1"])
def test_a_trail_with_digests_of_another_kind_is_not_called_changed(
    trail: AuditTrail, decision: Make, written: bytes | None
) -> None:
    fill(trail, decision)
    mark = properties.c.name == "digest_format"
    with trail.database.writing() as connection:
        connection.execute(sa.delete(properties).where(mark))
        if written is not None:
            connection.execute(sa.insert(properties).values(name="digest_format", value=written))
        connection.execute(sa.update(journal).values(digest=b"of another kind"))
    with pytest.raises(DataError, match="begun by an earlier development version") as raised:
        verify(trail)
    assert "audit_database_url" in raised.value.advice


def test_an_anchor_that_is_none_is_an_error(sqlite_trail: AuditTrail) -> None:
    with pytest.raises(DataError, match="anchor"):
        verify(sqlite_trail, anchor="yesterday")


def test_no_two_rows_have_one_digest() -> None:
    rows = [(), (None,), ("",), (None, None), (0,), (False,), (0.0,), (1,), (True,), (1.0,), ("1",), (b"1",)]
    rows += [("a", "b"), ("a,b",), ("ab", ""), ("", "ab"), (float("inf"),), (float("-inf"),), ("a\0b",)]
    assert len({link(b"", row) for row in rows}) == len(rows)
