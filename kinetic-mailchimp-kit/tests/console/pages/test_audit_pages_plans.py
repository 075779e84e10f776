"""Plans on the pages: shown, approved by somebody with a name, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.plans.plans import PlanState, find_plan

PLANNED = Decision(
    stream="customers",
    action=Action.CREATED,
    reason="new_subscribed",
    subject="ada@example.com",
    changes={"merge_fields.COMPANY": (None, "Acme")},
    targets="list 1",
)


def make_plan(trail: AuditTrail) -> int:
    run = trail.start_run(plugin="target-mailchimp", version="1", pipeline="prod:tap", dry_run=True)
    run.read()
    run.record([PLANNED])
    run.finish()
    return run.id


def test_a_dry_run_into_epicor_is_no_plan(
    logged_in: Callable[..., Any], record_run: Callable[..., int], sqlite_trail: AuditTrail
) -> None:
    number = record_run(sqlite_trail, "target-epicor-contacts", [], dry_run=True)
    reader = logged_in(sqlite_trail)
    assert f"/plans/{number}" not in reader.get("/plans").text
    assert reader.get(f"/plans/{number}").status_code == 404


def test_a_plan_is_approved_on_its_page_by_name_and_taken_back_with_a_reason(
    logged_in: Callable[..., Any], open_pages: Callable[..., Any], tmp_path: Path
) -> None:
    with AuditTrail.open(f"sqlite:///{tmp_path / 'audit.sqlite3'}") as trail:
        number = make_plan(trail)
        reader = logged_in(trail)

        def send(**fields: str) -> Any:
            return reader.post(f"/plans/{number}", {"form_token": reader.form_token, **fields})

        assert f"/plans/{number}" in reader.get("/plans").text
        page = reader.get(f"/plans/{number}").text
        assert "1 <span" in page
        assert 'value="approve"' in page
        assert "Write your name" in send(decision="approve").text
        assert send(decision="approve", name="Kim", because="mail kim@example.com").status_code == 409
        assert find_plan(trail, number).state is PlanState.WAITING
        assert send(decision="approve", name="Kim").status_code == 303
        page = reader.get(f"/plans/{number}").text
        assert "Approved by Kim (logged in by token)." in page
        assert 'value="approve"' not in page
        assert "approved already" in send(decision="approve", name="Kim").text
        assert "Say why" in send(decision="reject", name="Kim").text
        assert find_plan(trail, number).state is PlanState.APPROVED

        # Behind a proxy that logs in, its name is the one that counts.
        proxied = open_pages(trail, user_header="X-User")
        proxied.session.headers["X-User"] = "Sam"
        fields = {"decision": "reject", "name": "Somebody else", "because": "too many"}
        token = {"form_token": proxied.form_token}
        assert proxied.post(f"/plans/{number}", {**fields, **token}).status_code == 303
        rejected = find_plan(trail, number)
        assert (rejected.state, rejected.decided) == (PlanState.REJECTED, "Rejected by Sam: too many")
        newer = make_plan(trail)
        assert find_plan(trail, newer).state is PlanState.WAITING
        for unknown in ("0", "99", "x", str(number + 1)):  # the last one is the approval itself
            assert reader.get(f"/plans/{unknown}").status_code == 404
