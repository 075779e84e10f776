"""`make demo`: both pipelines between both simulators, and a table of what happened."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from demo_tables import (
    ACTS,
    EDITED_NAME,
    NAME_IN_EPICOR,
    Act,
    BothWays,
    console,
    flags,
    rows_by_address,
    show_both_ways,
    show_first_load,
    show_forward,
    show_quality,
    show_reverse,
    show_tags,
)
from followed import merged, steps
from kinetic_mailchimp.kit.parsing.email_address import email_key
from rich.markup import escape
from stage import ROOT, PipelineError, Stage, set_stage

CUSTOMERS = int(os.environ.get("DEMO_CUSTOMERS", "2000"))
FOLDER = ROOT / "data" / "demo"
PEOPLE_PER_ACT = 3
NEW_TERRITORY = "Islands"
NO_INSTALL = "--no-install"
"""The plugins are installed, and can be from the folder of the checkout alone."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    begun = time.monotonic()
    with console.status(what):
        yield
    console.print(f"  [green]✓[/] {what} [dim]({time.monotonic() - begun:.1f} s)[/]")


def plan_first_load(stage: Stage) -> str:
    """Plan the first load and approve it; the number of the plan."""
    stage.meltano("run", NO_INSTALL, "forward", log="plan", variables={"TARGET_MAILCHIMP_DRY_RUN": "true"})
    number = str(stage.decisions("--plugin", "target-mailchimp")[0]["run_id"])
    stage.run("sync-audit", "plan", "approve", number, "--because", "This is a demo.", log="approval")
    return number


def let_people_act(stage: Stage) -> tuple[list[Act], BothWays]:
    """Let some members who are contacts too do something, and wait until the webhooks are delivered."""
    rows = rows_by_address(stage)
    members = stage.members()
    people = [
        address
        for address in sorted(members)
        if members[address]["status"] == "subscribed"
        and any("ConNum" in row for row in rows.get(address, ()))
    ]
    if len(people) <= len(ACTS):
        raise PipelineError("Too few contacts are subscribers: `DEMO_CUSTOMERS` needs a larger number.")
    both_ways = BothWays(people.pop(), people.pop())
    stage.person("unsubscribe", both_ways.returns)
    acts = []
    for act in ACTS:
        for _ in range(min(PEOPLE_PER_ACT, len(people) // len(ACTS) or 1) if people else 0):
            address = people.pop(0)
            acts.append(Act(act, address, f"new.{address}" if act == "change_address" else None))
    for done in acts:
        details: dict[str, Any] = {}
        if done.act == "edit_profile":
            details["merge_fields"] = {"FNAME": EDITED_NAME}
        if done.new_address:
            details["new_email"] = done.new_address
        stage.person(done.act, done.address, **details)
    stage.mailchimp_control("POST", "/webhooks/flush")
    return acts, both_ways


def meet_halfway(stage: Stage, people: BothWays) -> None:
    """Let one person return, and a field be edited on both sides before any run."""
    for row in rows_by_address(stage)[people.is_named_twice]:
        if "FirstName" in row:
            key = {name: row[name] for name in ("Company", "CustNum", "ShipToNum", "ConNum")}
            body = {"key": key, "changes": {"FirstName": NAME_IN_EPICOR}}
            stage.epicor_control("POST", "/tables/CustCnt/edit", json=body)
    stage.person("edit_profile", people.is_named_twice, merge_fields={"FNAME": EDITED_NAME})
    stage.person("subscribe", people.returns)
    stage.mailchimp_control("POST", "/webhooks/flush")


def add_pages(stage: Stage) -> None:
    """Give the stage a project of its own, to which the pages on tags and purchases are added."""
    stage.project = stage.folder / "project"
    stage.project.mkdir()
    (stage.project / "plugins").symlink_to(ROOT / "plugins")
    shutil.copy(ROOT / "logging.yaml", stage.project)
    made: Any = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    for page in ("tags", "purchases"):
        for block in steps((ROOT / f"docs/how-to/{page}.md").read_text(encoding="utf-8")):
            if isinstance(block, str):
                made = merged(made, yaml.safe_load(block))
    (stage.project / "meltano.yml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")


def change_customer(stage: Stage) -> str:
    """Move a buyer to another territory and cancel all their orders; the address."""
    members = stage.members()
    row = next(
        row
        for row in stage.epicor_control("GET", "/tables/Customer")
        if members.get(email_key(row["EMailAddress"]), {}).get("merge_fields", {}).get("ORDERS12")
        and not row["Inactive"]
    )
    of_customer = {name: row[name] for name in ("Company", "CustNum")}
    body = {"key": of_customer, "changes": {"TerritoryID": NEW_TERRITORY}}
    stage.epicor_control("POST", "/tables/Customer/edit", json=body)
    for order in stage.epicor_control("GET", "/tables/OrderHed"):
        if of_customer.items() <= order.items():
            key = {name: order[name] for name in ("Company", "OrderNum")}
            stage.epicor_control(
                "POST", "/tables/OrderHed/edit", json={"key": key, "changes": {"VoidOrder": True}}
            )
    return email_key(row["EMailAddress"])


def main() -> None:
    """Run the demo."""
    console.print(
        f"\n[bold]Epicor Kinetic ⇄ Mailchimp[/]: {CUSTOMERS} customers, both vendors simulated here\n"
    )
    begun = time.monotonic()
    with set_stage(FOLDER, customers=CUSTOMERS, orders=3, receiver=False) as stage:
        with step("Install the plugins into Meltano"):
            stage.meltano("install", log="install")
            add_pages(stage)
        with step("Start the receiver and register the webhook"):
            stage.start_receiver()
            stage.register_webhook()
        with step("meltano run forward, dry: a plan of the first load, then approved"):
            plan = plan_first_load(stage)
        with step("meltano run forward writes that plan, and nothing else"):
            approved = {"TARGET_MAILCHIMP_APPROVED_PLAN": plan}
            stage.meltano("run", NO_INSTALL, "forward", log="forward", variables=approved)
        with step("meltano run forward without a limit: sums of what they bought"):
            stage.forward("purchases", NO_INSTALL)
        with step("meltano run forward, again: nothing has changed, so nothing is sent"):
            stage.forward("forward-again", NO_INSTALL)
        with step("People opt out, bounce, edit their profile, change their address"):
            acts, both_ways = let_people_act(stage)
        with step("meltano run reverse"):
            stage.reverse("reverse", NO_INSTALL)
        flags_before = flags(rows_by_address(stage)[both_ways.returns])
        with step("One returns, a name is edited on both sides, a customer moves"):
            meet_halfway(stage, both_ways)
            known = stage.members()
            moved = change_customer(stage)
        with step("meltano run forward reverse: both agree, Mailchimp's name wins"):
            stage.meltano("run", NO_INSTALL, "forward", "reverse", log="both-ways")
        console.print()
        show_first_load(stage, plan)
        show_forward(stage)
        show_reverse(stage, acts)
        show_both_ways(stage, both_ways, flags_before)
        show_tags(stage, moved, known[moved])
        show_quality(stage)
    audit = (FOLDER / "audit.sqlite3").relative_to(ROOT)
    console.print(
        f"\nDone in {time.monotonic() - begun:.0f} s. Logs: {FOLDER.relative_to(ROOT)}/*.log. Every decision:"
    )
    console.print(
        f"  .venv/bin/sync-audit --database sqlite:///{audit} person {acts[0].address}\n", soft_wrap=True
    )


def run() -> None:
    """Run the demo; what goes wrong is a message and an exit status."""
    try:
        main()
    except PipelineError as error:
        console.print(f"\n[red]The demo failed.[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        sys.exit(130)


if __name__ == "__main__":
    run()
