"""The commands `sync-audit plan`: the dry runs that a person approves before a run writes them."""

from __future__ import annotations

import click

from kinetic_mailchimp.audit.cli.common import limit_option, open_trail
from kinetic_mailchimp.audit.cli.letters import to_reason, user_name
from kinetic_mailchimp.audit.plans.plans import Plan, PlanState, decide, find_plan, list_plans
from kinetic_mailchimp.audit.reading.formatting import format_counts, format_time, printable
from kinetic_mailchimp.audit.reading.queries import EntryFilter, entries
from kinetic_mailchimp.audit.reading.reports.differences import differences, text_lines

_number = click.argument("number", type=int)


@click.group()
def plan() -> None:
    """List and show plans, and approve or reject one.

    A plan is a run into Mailchimp with `dry_run` that was read to its end. A run with
    `approved_plan` writes it.
    """


@plan.command("list")
@limit_option(20)
@click.pass_context
def list_all(ctx: click.Context, limit: int) -> None:
    """List the newest plans, each with what has become of it."""
    with open_trail(ctx) as trail:
        found = list_plans(trail, limit=limit)
    click.echo("\n".join(map(_line, found)) or "There is no plan: a run with `dry_run` makes one.")


@plan.command()
@_number
@click.pass_context
def show(ctx: click.Context, number: int) -> None:
    """Show plan NUMBER: what it would change, and who decided about it."""
    with open_trail(ctx) as trail:
        found = find_plan(trail, number)
        click.echo(_line(found))
        for line in filter(None, text_lines(differences(entries(trail, EntryFilter(run_id=number))))):
            click.echo(line)


@plan.command()
@_number
@click.option("--because", callback=to_reason, metavar="TEXT", help="A reason, if any; name no person.")
@click.pass_context
def approve(ctx: click.Context, number: int, because: str | None) -> None:
    """Allow plan NUMBER to be written, by a run with `approved_plan`."""
    _decide(ctx, number, because or "", approved=True)


@plan.command()
@_number
@click.option(
    "--because", required=True, callback=to_reason, metavar="TEXT", help="The reason; name no person."
)
@click.pass_context
def reject(ctx: click.Context, number: int, because: str) -> None:
    """Refuse plan NUMBER, or take its approval back."""
    _decide(ctx, number, because, approved=False)


def _decide(ctx: click.Context, number: int, because: str, *, approved: bool) -> None:
    with open_trail(ctx) as trail:
        found = find_plan(trail, number)
        run_id = decide(trail, found, approved=approved, decided_by=user_name(), because=because)
    word = PlanState.APPROVED if approved else PlanState.REJECTED
    click.echo(f"Plan {number} is {word}. Run {run_id} of the trail proves it.")


def _line(found: Plan) -> str:
    run = found.run
    words = [
        f"Plan {run.id}",
        f"{format_time(run.finished_at or run.active_at)} UTC",
        found.state.value if found.newer is None else f"{found.state.value} (newer: {found.newer})",
        run.plugin,
        run.pipeline,
        format_counts(run.counts),
        f"{format_time(found.decided_at)} {found.decided}" if found.decided_at else "",
    ]
    return printable("  ".join(filter(None, words)))
