"""Members are found by Mailchimp's ids of their contacts, however many the ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, SourceRow, members_namespace, read_member
from kinetic_mailchimp.audit.storage.schema import ledger_entries

MEMBERS = members_namespace("a1")


def store(trail: AuditTrail, members: dict[str, MemberState], namespace: str = MEMBERS) -> None:
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    run.record([], ledger={namespace: members})
    run.finish()


def contacts(trail: AuditTrail, *wanted: str) -> set[str]:
    return set(trail.ledger(MEMBERS).find("contact", wanted, read_member))


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent to a database, with their values."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        sent.append((statement, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_a_member_is_found_by_its_number_and_without_one_by_its_contact(trail: AuditTrail) -> None:
    ann = MemberState("ann@example.com", "subscribed", "c1", web_id="404")
    bob = MemberState("bob@example.com", contact_id="c2")
    store(trail, {"m1": ann, "m2": bob, "m3": MemberState("eve@example.com")})
    store(trail, {"m1": ann, "m2": bob}, members_namespace("b2"))
    members = trail.ledger(MEMBERS)
    assert members.find("web", ["404", "", "404", "405"], read_member) == {"m1": ann}
    assert members.find("contact", ["c1", "c2"], read_member) == {"m2": bob}
    assert members.find("contact", [], read_member) == {}


def test_the_contact_of_a_row_is_not_that_of_its_member(trail: AuditTrail) -> None:
    row = SourceRow(contact_id="c1")
    store(trail, {"m1": MemberState("ann@example.com", rows={"members/Customer A/1": row})})
    store(trail, {"m2": MemberState('"contact":"c1"@example.com', sent={"contact": "c1"})})
    assert contacts(trail, "c1") == set()


def test_a_member_with_a_value_that_no_text_of_postgresql_takes_is_found(trail: AuditTrail) -> None:
    for contact in ("c1", "c2"):
        store(trail, {"m1": MemberState("ann@example.com", contact_id=contact, sent={"vip": "A\0nn"})})
    assert (contacts(trail, "c1"), contacts(trail, "c2")) == (set(), {"m1"})


@pytest.mark.parametrize("name", ["contact", "web"])
def test_no_other_entry_is_looked_at(trail: AuditTrail, name: str) -> None:
    members = {
        text: MemberState("a@b.example", contact_id=text, web_id=text if name == "web" else "")
        for text in map(str, range(3_000))
    }
    store(trail, members)
    with trail.database.autocommit() as connection:
        connection.exec_driver_sql("ANALYZE")
    with statements() as sent:
        trail.ledger(MEMBERS).find(name, ["7", "2999"], read_member)
    statement, values = next(found for found in sent if "ledger_entries" in found[0])
    explain = "EXPLAIN QUERY PLAN" if trail.database.is_sqlite else "EXPLAIN"
    with trail.database.reading() as connection:
        plan = [str(line) for line in connection.exec_driver_sql(f"{explain} {statement}", values)]
    assert f"ix_ledger_entries_{name}" in " ".join(plan), plan


def test_a_trail_of_before_gets_the_indexes(url: str) -> None:
    with AuditTrail.open(url) as trail:
        store(trail, {"m1": MemberState("ann@example.com", contact_id="c1")})
        with trail.database.writing() as connection:
            for index in ledger_entries.indexes:
                connection.exec_driver_sql(f"DROP INDEX {index.name}")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    with AuditTrail.open(url) as trail:
        assert contacts(trail, "c1") == {"m1"}
        with trail.database.writing() as connection:
            for index in ledger_entries.indexes:
                connection.exec_driver_sql(f"DROP INDEX {index.name}")
