"""`make demo`: both pipelines between both simulators, and a table of what happened."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.kit.email_address import email_key
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from stage import ROOT, PipelineError, Stage, set_stage

CUSTOMERS = int(os.environ.get("DEMO_CUSTOMERS", "2000"))
FOLDER = ROOT / "data" / "demo"
ACTS = {
    "unsubscribe": "unsubscribed",
    "complain": "marked a mail as spam",
    "bounce": "address bounced",
    "edit_profile": "edited the profile",
    "change_address": "changed the address",
}
PEOPLE_PER_ACT = 3
EDITED_NAME = "Robin"

STYLE: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "pad_edge": False}

Row = dict[str, Any]
console = Console(highlight=False)


@dataclass(frozen=True)
class Act:
    """What one person did."""

    act: str
    address: str
    new_address: str | None = None


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    begun = time.monotonic()
    with console.status(what):
        yield
    console.print(f"  [green]✓[/] {what} [dim]({time.monotonic() - begun:.1f} s)[/]")


def show_forward(stage: Stage) -> None:
    """Print what became of every record of the forward pipeline."""
    found = stage.decisions("--plugin", "target-mailchimp")
    table = Table("Stream", "Decision", "Reason", "Records", **STYLE, title="Epicor → Mailchimp")
    table.columns[-1].justify = "right"
    counts = Counter((row["stream"], row["action"], row["reason"] or "") for row in found)
    for (stream, action, reason), count in sorted(counts.items()):
        table.add_row(stream, action, reason, str(count))
    console.print(table)
    states = Counter(member["status"] for member in stage.members().values())
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    console.print(f"The audience now has {len(stage.members())} members: {told}.\n")


def let_people_act(stage: Stage) -> list[Act]:
    """Let some members who are contacts too do something, and wait until the webhooks are delivered."""
    contacts = {email_key(row["EMailAddress"]) for row in stage.epicor_control("GET", "/tables/CustCnt")}
    members = stage.members()
    people = [a for a in sorted(members) if a in contacts and members[a]["status"] == "subscribed"]
    acts = []
    for act in ACTS:
        for _ in range(min(PEOPLE_PER_ACT, len(people) // len(ACTS) or 1)):
            if not people:
                break
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
    return acts


def show_reverse(stage: Stage, acts: list[Act]) -> None:
    """Print what Epicor says now about everybody who did something."""
    by_address: dict[str, list[Row]] = {}
    for name in ("Customer", "CustCnt"):
        for row in stage.epicor_control("GET", f"/tables/{name}"):
            by_address.setdefault(email_key(row["EMailAddress"]), []).append(row)
    table = Table("Person", "What happened", "Epicor rows that say so", **STYLE, title="Mailchimp → Epicor")
    table.columns[0].overflow = "fold"
    for done in acts:
        own = [row for row in by_address.get(done.new_address or done.address, []) if concerns(done, row)]
        know = [row_name(row) for row in own if says_so(done, row)]
        told = ", ".join(know) if len(know) == len(own) and own else f"[red]{len(know)} of {len(own)}[/]"
        table.add_row(escape(done.address), ACTS[done.act], told)
    console.print(table)


def row_name(row: Row) -> str:
    """A row's table and key, as one reads them."""
    if "ConNum" in row:
        return f"contact {row['Company']}/{row['CustNum']}/{row['ShipToNum']}/{row['ConNum']}"
    return f"customer {row['Company']}/{row['CustNum']}"


def concerns(done: Act, row: Row) -> bool:
    """Whether a row can say what a person did: a customer has no first name."""
    return done.act != "edit_profile" or "FirstName" in row


def says_so(done: Act, row: Row) -> bool:
    """Whether a row says what a person did."""
    if done.act == "edit_profile":
        return bool(row["FirstName"] == EDITED_NAME)
    return done.act == "change_address" or bool(row["NoContact"])


def main() -> None:
    """Run the demo."""
    console.print(
        f"\n[bold]Epicor Kinetic ⇄ Mailchimp[/]: {CUSTOMERS} customers, both vendors simulated here\n"
    )
    begun = time.monotonic()
    with set_stage(FOLDER, customers=CUSTOMERS, receiver=False) as stage:
        with step("Install the plugins into Meltano"):
            stage.meltano("install", log="install")
        with step("Start the receiver and register the webhook"):
            stage.start_receiver()
            stage.register_webhook()
        with step("meltano run forward"):
            stage.forward()
        with step("meltano run forward, again: nothing has changed, so nothing is sent"):
            stage.forward("forward-again")
        with step("People unsubscribe, complain, bounce, edit their profile and change their address"):
            acts = let_people_act(stage)
        with step("meltano run reverse"):
            stage.reverse()
        console.print()
        show_forward(stage)
        show_reverse(stage, acts)
    audit = (FOLDER / "audit.sqlite3").relative_to(ROOT)
    console.print(
        f"\nDone in {time.monotonic() - begun:.0f} s. Logs: {FOLDER.relative_to(ROOT)}/*.log. Every decision:"
    )
    console.print(
        f"  .venv/bin/sync-audit --database sqlite:///{audit} person {acts[0].address}\n", soft_wrap=True
    )


if __name__ == "__main__":
    try:
        main()
    except PipelineError as error:
        console.print(f"\n[red]The demo failed.[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        sys.exit(130)
