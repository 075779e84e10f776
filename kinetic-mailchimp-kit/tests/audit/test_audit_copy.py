"""A trail that moves into another database: whole, verified, and going on there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from kinetic_mailchimp.audit import AuditTrail, Decision
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.storage.schema import metadata
from kinetic_mailchimp.console.cli import main

Make = Callable[..., Decision]


def fill(trail: AuditTrail, decision: Make, runs: int) -> None:
    for number in range(runs):
        run = trail.start_run(plugin="target-mailchimp", version="0.1.0", pipeline="dev:forward")
        run.read(2)
        run.record(
            [decision(number, subject="ada@example.com"), decision(number + 100)],
            ledger={"members": {"ada@example.com": {"FNAME": "Ada"}}},
        )
        run.finish()


def contents(trail: AuditTrail) -> dict[str, list[tuple[object, ...]]]:
    with trail.database.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(sa.select(table)))
            for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_trail_is_the_same_in_another_database_and_goes_on_there(
    sqlite_trail: AuditTrail, sqlite_url: str, decision: Make, request: pytest.FixtureRequest, kind: str
) -> None:
    other = (
        request.getfixturevalue("new_postgres_url")()
        if kind == "postgresql"
        else sqlite_url.replace("sync-audit", "other")
    )
    fill(sqlite_trail, decision, 3)

    told = CliRunner().invoke(main, ["--database", sqlite_url, "copy", "--to", other])

    assert told.exit_code == 0, told.output
    with AuditTrail.open(other) as copied:
        assert contents(copied) == contents(sqlite_trail)
        fill(copied, decision, 1)
        outcome = verify(copied, anchor=verify(sqlite_trail).anchor)
        assert (outcome.problems, outcome.runs) == ((), 4)
        about = list(entries(copied, EntryFilter(email="ada@example.com")))
        assert [entry.run_id for entry in about] == [1, 2, 3, 4]


def test_a_trail_is_never_copied_over_another_one(
    sqlite_trail: AuditTrail, sqlite_url: str, decision: Make, new_postgres_url: Callable[[], str]
) -> None:
    other = new_postgres_url()
    with AuditTrail.open(other) as used:
        fill(used, decision, 1)
        before = contents(used)
        fill(sqlite_trail, decision, 2)

        told = CliRunner().invoke(main, ["--database", sqlite_url, "copy", "--to", other])

        assert told.exit_code == 3
        assert "has rows already" in told.output
        assert contents(used) == before
