"""`make demo`: both pipelines between both simulators, and a table of what happened."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from followed import merged, steps
from kinetic_mailchimp.audit.reading.formatting import format_word
from kinetic_mailchimp.kit.parsing.email_address import email_key
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
NAME_IN_EPICOR = "Alex"
NEW_TERRITORY = "Islands"
NO_INSTALL = "--no-install"
"""The plugins are installed, and can be from the folder of the checkout alone."""

STYLE: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "pad_edge": False}

Row = dict[str, Any]
console = Console(highlight=False)


@dataclass(frozen=True)
class Act:
    """What one person did."""

    act: str
    address: str
    new_address: str | None = None


@dataclass(frozen=True)
class BothWays:
    """The people with whom the two directions must agree.

    Attributes:
        returns: Leaves, and returns once Epicor knows it.
        is_named_twice: Gets another first name in Mailchimp and in Epicor at once.
    """

    returns: str
    is_named_twice: str


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
    details: dict[str, set[str]] = {}
    for row in found:
        details.setdefault(row["reason"], set()).add(row["detail"] or format_word(row["reason"]))
    # What is the same for all who have this reason says more than its name.
    reasons = {name: text.pop() if len(text) == 1 else format_word(name) for name, text in details.items()}
    counts = Counter((row["stream"], row["action"], reasons[row["reason"]]) for row in found)
    for (stream, action, reason), count in sorted(counts.items()):
        table.add_row(stream, action, reason, str(count))
    console.print(table)
    states = Counter(member["status"] for member in stage.members().values())
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    console.print(f"The audience now has {len(stage.members())} members: {told}.\n")


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


def rows_by_address(stage: Stage) -> dict[str, list[Row]]:
    """Every contact and customer of Epicor, by address."""
    found: dict[str, list[Row]] = {}
    for name in ("Customer", "CustCnt"):
        for row in stage.epicor_control("GET", f"/tables/{name}"):
            found.setdefault(email_key(row["EMailAddress"]), []).append(row)
    return found


def show_reverse(stage: Stage, acts: list[Act]) -> None:
    """Print what Epicor says now about everybody who did something."""
    by_address = rows_by_address(stage)
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


def flags(rows: list[Row]) -> str:
    """The flag of each row, as one reads it."""
    return ", ".join("set" if row["NoContact"] else "clear" for row in rows)


def show_both_ways(stage: Stage, people: BothWays, flags_before: str) -> None:
    """Print what both sides show about the people whom both directions met.

    Args:
        stage: Where they are.
        people: Who they are.
        flags_before: Those of the person who returned, before that.
    """
    rows, members = rows_by_address(stage), stage.members()
    names = sorted({row["FirstName"] for row in rows[people.is_named_twice] if "FirstName" in row})
    table = Table("Person", "What happened", "Epicor", "Mailchimp", **STYLE, title="Both ways")
    table.columns[0].overflow = "fold"
    table.add_row(
        escape(people.returns),
        f"left (flags: {flags_before}), then returned",
        f"flags: {flags(rows[people.returns])}",
        members[people.returns]["status"],
    )
    table.add_row(
        escape(people.is_named_twice),
        f"{NAME_IN_EPICOR} in Epicor, {EDITED_NAME} in Mailchimp at once",
        ", ".join(names),
        members[people.is_named_twice]["merge_fields"]["FNAME"],
    )
    console.print(table)


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


def show_tags(stage: Stage, address: str, before: Row) -> None:
    """Print tags and sums of somebody before and after their customer changed in Epicor.

    Args:
        stage: Where they are.
        address: Of the member.
        before: The member, before that.
    """
    table = Table("", "Before", "Then", **STYLE, title=f"Tags and purchases: {escape(address)}")
    both = (before, stage.members()[address])
    tags = ("\n".join(sorted(tag["name"] for tag in member["tags"])) for member in both)
    table.add_row("Tags", *map(escape, tags))
    for name, tag in (
        ("Last order", "LASTORDER"),
        ("Orders in 12 months", "ORDERS12"),
        ("Revenue", "REVENUE12"),
    ):
        table.add_row(name, *(str(member["merge_fields"].get(tag, "")) for member in both))
    console.print(table)


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
        with step("meltano run forward"):
            stage.forward("forward", NO_INSTALL)
        with step("meltano run forward, again: nothing has changed, so nothing is sent"):
            stage.forward("forward-again", NO_INSTALL)
        with step("People opt out, bounce, edit their profile, change their address"):
            acts, both_ways = let_people_act(stage)
        with step("meltano run reverse"):
            stage.reverse("reverse", NO_INSTALL)
        flags_before = flags(rows_by_address(stage)[both_ways.returns])
        with step("One of them returns, a name is edited on both sides, a customer moves and cancels"):
            meet_halfway(stage, both_ways)
            known = stage.members()
            moved = change_customer(stage)
        with step("meltano run forward reverse: both sides agree, Mailchimp's name wins"):
            stage.meltano("run", NO_INSTALL, "forward", "reverse", log="both-ways")
        console.print()
        show_forward(stage)
        show_reverse(stage, acts)
        show_both_ways(stage, both_ways, flags_before)
        show_tags(stage, moved, known[moved])
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
