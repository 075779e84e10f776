"""The command `sync-audit`: the commands of the audit trail, and with them `serve` and `alert`."""

from __future__ import annotations

from typing import Final

import click

from kinetic_mailchimp.kit.command_group import LazyCommand, LazyGroup
from kinetic_mailchimp.kit.settings.options import SecretText

_AUDIT: Final = "kinetic_mailchimp.audit.cli"
_CONSOLE: Final = "kinetic_mailchimp.console"

COMMANDS: Final = {
    "alert": LazyCommand(
        f"{_CONSOLE}.alerts.command",
        "Look for what needs a person, and send one message per cause.",
        "kinetic-mailchimp-kit[alerts]",
    ),
    "close": LazyCommand(f"{_AUDIT}.letters", "Close dead letters that can never be written, such as 12/34."),
    "correct": LazyCommand(
        f"{_AUDIT}.letters",
        "Correct the record of a dead letter, such as 12/34: its address, or a field.",
    ),
    "copy": LazyCommand(
        f"{_AUDIT}.upkeep",
        "Copy the trail and the ledger into an empty database, such as PostgreSQL; it verifies there too.",
    ),
    "diff": LazyCommand(
        f"{_AUDIT}.history", "Show what run NUMBER, or the last one, changed or would change."
    ),
    "drift": LazyCommand(
        f"{_AUDIT}.drift",
        "Show how far both systems differed when they were compared last (`meltano run reconcile`).",
    ),
    "erase": LazyCommand(f"{_CONSOLE}.person", "Remove a person's data; the trail still verifies."),
    "evidence": LazyCommand(
        f"{_AUDIT}.evidence", "Write the consent of EMAIL as a document with its proof, or check one."
    ),
    "export": LazyCommand(
        f"{_CONSOLE}.person", "Write every decision, oldest first; or all that is known about one person."
    ),
    "failures": LazyCommand(f"{_AUDIT}.history", "List dead letters that wait to be replayed, oldest first."),
    "import-suppressions": LazyCommand(
        f"{_AUDIT}.suppressions", "Read the opt-outs of another tool from a CSV file, and hand them on."
    ),
    "metrics": LazyCommand(f"{_AUDIT}.upkeep", "Print the numbers of the trail for Prometheus."),
    "person": LazyCommand(
        f"{_CONSOLE}.person", "Show what happened to EMAIL, in both directions, oldest first."
    ),
    "plan": LazyCommand(f"{_AUDIT}.plan", "List and show plans, and approve or reject one."),
    "preview": LazyCommand(
        "kinetic_mailchimp.doctor.preview",
        "Show records beside what the mapping and its target would make of them.",
        "kinetic-mailchimp-kit[audit,singer]",
    ),
    "prune": LazyCommand(f"{_AUDIT}.upkeep", "Remove old entries; the trail still verifies."),
    "quality": LazyCommand(
        f"{_AUDIT}.quality", "List the customers who cannot be mailed and why, by sales rep."
    ),
    "replay": LazyCommand(f"{_AUDIT}.letters", "Dispatch every open dead letter again, once."),
    "run": LazyCommand(f"{_AUDIT}.history", "Show run NUMBER, or the newest one, and its decisions."),
    "runs": LazyCommand(f"{_AUDIT}.history", "List the newest runs, with the counts of their decisions."),
    "search": LazyCommand(f"{_AUDIT}.history", "Find decisions, newest first."),
    "serve": LazyCommand(
        f"{_CONSOLE}.pages.command",
        "Show the trail in a browser, to those who log in.",
        "kinetic-mailchimp-kit[pages]",
    ),
    "skipped": LazyCommand(f"{_AUDIT}.history", "Show whom run NUMBER, or the last one, left out, and why."),
    "undo": LazyCommand(
        f"{_AUDIT}.letters",
        "List what would put back the values before the events of a time, or send it to the target.",
    ),
    "verify": LazyCommand(f"{_AUDIT}.upkeep", "Check that nothing was changed or removed."),
}


@click.group(
    "sync-audit",
    cls=LazyGroup,
    lazy=COMMANDS,
    failure_status=3,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--database",
    type=SecretText(),
    envvar="AUDIT_DATABASE_URL",
    show_envvar=True,
    metavar="URL",
    help="URL of the trail. Default: data/sync-audit.sqlite3 in the Meltano project or the current folder.",
)
@click.option(
    "--encryption-key",
    type=SecretText(),
    envvar="AUDIT_ENCRYPTION_KEY",
    show_envvar=True,
    metavar="KEY",
    help="The key of encrypted dead letters and payloads; NEW,OLD while it changes. Set the variable:"
    " arguments are visible to others.",
)
@click.version_option(package_name="kinetic-mailchimp-kit")
@click.pass_context
def main(ctx: click.Context, database: str | None, encryption_key: str | None) -> None:
    """Read the audit trail, check it, and keep it in order.

    Exit status: 0 done; 1 something is wrong (the trail was changed, a replayed record failed again); 2
    wrong usage; 3 it could not be done, and the message says why.
    """
    ctx.obj = (database, encryption_key)
