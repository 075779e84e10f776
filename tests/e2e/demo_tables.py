"""What the demo shows at its end: a table for each thing that it proves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.audit.reading.formatting import format_word
from kinetic_mailchimp.kit.parsing.email_address import email_key
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from stage import Stage

ACTS = {
    "unsubscribe": "unsubscribed",
    "complain": "marked a mail as spam",
    "bounce": "address bounced",
    "edit_profile": "edited the profile",
    "change_address": "changed the address",
}
EDITED_NAME = "Robin"
NAME_IN_EPICOR = "Alex"

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


def show_first_load(stage: Stage, plan: str) -> None:
    """Print what was planned, and what the run that had the approval wrote.

    Args:
        stage: Where both are.
        plan: The number of the plan.
    """
    found = stage.decisions("--plugin", "target-mailchimp")
    first = min(row["run_id"] for row in found if not row["dry_run"])
    counts = (
        Counter(
            row["action"] for row in found if row["run_id"] == run and row["action"] in {"created", "updated"}
        )
        for run in (int(plan), first)
    )
    table = Table("", "Created", "Updated", **STYLE, title="First load")
    for what, count in zip((f"Plan {plan}, approved", f"Run {first}, which wrote it"), counts, strict=True):
        table.add_row(what, str(count["created"]), str(count["updated"]))
    console.print(table)


def show_quality(stage: Stage) -> None:
    """Print why customers cannot be mailed, and which sales rep has most of them."""
    lines = stage.run("sync-audit", "quality", "--format", "json", log="quality")
    rows = [json.loads(line) for line in lines.splitlines()]
    reps: dict[str, Counter[str]] = {}
    for row in rows:
        reps.setdefault(format_word(row["kind"]), Counter())[row["rep"]] += 1
    table = Table("Flaw of the address", "Customers", "Most of them", **STYLE, title="Data quality")
    for kind, of_rep in sorted(reps.items()):
        rep, most = of_rep.most_common(1)[0]
        table.add_row(kind, str(of_rep.total()), escape(f"{most} of {rep}"))
    console.print(table)


def show_forward(stage: Stage) -> None:
    """Print what became of every record of the forward pipeline."""
    decisions = stage.decisions("--plugin", "target-mailchimp")
    # What a later attempt says about a dead letter is of no record.
    found = [row for row in decisions if not row.get("dry_run") and row["stream"] != "trail"]
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
