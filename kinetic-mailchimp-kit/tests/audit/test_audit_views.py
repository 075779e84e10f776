"""The views for reports of others: the same on both databases, with stable columns and nothing secret."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagCause, FlagState
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace
from kinetic_mailchimp.audit.storage.views import VIEWS

ADA, SECRET = "ada@example.com", "a private value"
CREATED = Decision(
    stream="customers",
    action=Action.CREATED,
    reason="new_subscribed",
    subject=ADA,
    source_key="Customer 1/1",
    changes={"FNAME": (None, SECRET)},
)
FAILED = Decision(
    stream="customers", action=Action.FAILED, reason="other", subject=ADA, dead_letter={"FNAME": SECRET}
)


def test_the_views_tell_of_runs_decisions_members_and_flags(url: str) -> None:
    key = Fernet.generate_key().decode()
    with AuditTrail.open(url, encryption_key=key, keep_payloads=True) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="1", pipeline="prod:tap")
        run.read(2)
        member = MemberState(ADA, "subscribed", changed_at="2026-03-01T00:00:00+00:00")
        flag = FlagState(ADA, FlagCause.PERSON, list_id="1a2b", at="2026-03-02")
        run.record(
            [CREATED, FAILED],
            ledger={
                members_namespace("1a2b"): {"hash": member},
                FLAGS_NAMESPACE: {"Customer 1/1": flag},
                "target-mailchimp/1a2b/sources": {"customers/Customer 1/1": {"member": "hash"}},
            },
        )
        run.finish()
        found: dict[str, list[dict[str, Any]]] = {}
        with trail.database.reading() as connection:
            for view in VIEWS:
                columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in view.columns]
                query = sa.select(*columns).select_from(sa.table(view.name))
                rows = connection.execute(query).mappings().all()
                found[view.name] = [dict(row) for row in rows]
        person = trail.person(ADA).hex()
    for view in VIEWS:
        assert all(tuple(row) == tuple(view.columns) for row in found[view.name]), view.name
    assert SECRET not in str(found)
    assert ADA not in str({name: rows for name, rows in found.items() if name not in _OF_PEOPLE})
    [of_run] = found["report_runs"]
    assert (of_run["plugin"], of_run["status"], of_run["records_read"]) == (
        "target-mailchimp",
        "succeeded",
        2,
    )
    created, failed = found["report_decisions"]
    assert (created["person"], created["action"], bool(created["is_dry_run"])) == (person, "created", False)
    assert {row["action"]: row["decisions"] for row in found["report_counts"]} == {"created": 1, "failed": 1}
    [letter] = found["report_dead_letters"]
    assert (letter["state"], letter["reason"], letter["entry"]) == ("open", "other", failed["entry"])
    [shown] = found["report_members"]
    assert (shown["list_id"], shown["member"], shown["address"]) == ("1a2b", "hash", ADA)
    assert (shown["status"], shown["changed_at"]) == ("subscribed", "2026-03-01T00:00:00+00:00")
    [flagged] = found["report_flags"]
    assert (flagged["row_name"], flagged["cause"], flagged["cleared_at"]) == ("Customer 1/1", "person", None)


def test_a_value_that_a_database_has_no_text_for_keeps_no_member_out_of_the_view(url: str) -> None:
    with AuditTrail.open(url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="1")
        states = {
            f"hash {number}": MemberState(ADA, "subscribed", sent={"FNAME": name})
            for number, name in enumerate(("A\0\0da", "A\ud800da", "A\\u0000da", "A\\\0da"))
        }
        run.record([], ledger={members_namespace("1a2b"): states})
        run.finish()
        with trail.database.reading() as connection:
            found = connection.exec_driver_sql("SELECT address, status FROM report_members").all()
    assert [tuple(row) for row in found] == [(ADA, "subscribed")] * 4


_OF_PEOPLE = ("report_members", "report_flags")
