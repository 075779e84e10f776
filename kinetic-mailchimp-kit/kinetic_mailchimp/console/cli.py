"""The command `sync-audit`: read the trail, check it, and keep it in order.

Exit status: 0 done; 1 done, and something is wrong (the trail was changed, a replayed record failed again);
2 the command was used wrongly; 3 it could not be done, and the message says why.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any, Final

import click

from kinetic_mailchimp.audit.cli.close import close
from kinetic_mailchimp.audit.cli.common import Commands, make_console, opened, to_age, to_time
from kinetic_mailchimp.audit.cli.drift import drift
from kinetic_mailchimp.audit.cli.render import (
    counts_text,
    entries_table,
    failures_table,
    moment,
    number_of,
    print_story,
    printable,
    runs_table,
    write_csv,
    write_json,
)
from kinetic_mailchimp.audit.dead_letters.replay import replay_into, replay_to, requeue
from kinetic_mailchimp.audit.integrity.verification import verify as verify_trail
from kinetic_mailchimp.audit.privacy.erasure import erase as erase_person
from kinetic_mailchimp.audit.privacy.retention import prune as prune_trail
from kinetic_mailchimp.audit.reading.queries import Question, entries, latest_runs
from kinetic_mailchimp.audit.trail.decision import Action
from kinetic_mailchimp.audit.trail.environment import default_database_url
from kinetic_mailchimp.console.alerts.command import alert
from kinetic_mailchimp.console.pages.command import serve
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secret_option import SecretText
from kinetic_mailchimp.mailchimp import subscriber_hash

_ACTIONS: Final = [action.value for action in Action]
_MOST_PROBLEMS: Final = 100


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--database",
    type=SecretText(),
    envvar="AUDIT_DATABASE_URL",
    show_envvar=True,
    metavar="URL",
    help="Where the trail is. Default: data/sync-audit.sqlite3 in the Meltano project or the current folder.",
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
    ctx.obj = (database or default_database_url(), encryption_key)


main.add_command(serve)
main.add_command(alert)
main.add_command(drift)
main.add_command(close)

_format = click.option(
    "--format", "style", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
_since = click.option(
    "--since",
    callback=to_time,
    metavar="TIME",
    help="From this time on: 2026-03-01, 2026-03-01T09:30 (UTC), or 7d ago.",
)
_until = click.option("--until", callback=to_time, metavar="TIME", help="Before this time.")
_plugin = click.option("--plugin", help="Only this plugin, such as target-mailchimp.")


@main.command()
@click.argument("text", required=False)
@click.option("--email", help="A person's address, present or former.")
@click.option("--source-key", help="A record's key at its source, such as EPIC06/12//3.")
@click.option("--run", "run_id", type=int, help="A run's number.")
@click.option(
    "--action", type=click.Choice(_ACTIONS), metavar="ACTION", help=f"One of {', '.join(_ACTIONS)}."
)
@_plugin
@_since
@_until
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest that match."
)
@_format
@click.pass_context
def search(ctx: click.Context, /, text: str | None, style: str, **criteria: Any) -> None:  # noqa: ANN401 - the options, by name
    """Find decisions, newest first.

    TEXT is the same as --email where it holds an @, and else as --source-key.
    """
    if text is not None:
        option = "email" if "@" in text else "source_key"
        if criteria[option] is not None:
            raise click.UsageError(f"TEXT counts as --{option.replace('_', '-')} here: leave one out.")
        criteria[option] = text
    with opened(ctx) as trail:
        found = entries(trail, Question(newest_first=True, **criteria))
        if style == "json":
            write_json(found, sys.stdout)
        elif style == "csv":
            write_csv(found, sys.stdout)
        else:
            console = make_console()
            table = entries_table(found, width=console.width)
            console.print(table if table.row_count else "Nothing in the trail matches.")


@main.command()
@click.argument("email")
@click.pass_context
def person(ctx: click.Context, email: str) -> None:
    """What happened to EMAIL, in both directions, oldest first."""
    with opened(ctx) as trail:
        found = list(entries(trail, Question(email=email)))
    console = make_console()
    decisions = [entry for entry in found if entry.part_of is None]
    if not decisions:
        console.print(f"The trail has no decision about {printable(email)}.", markup=False)
        return
    first, last = moment(decisions[0].recorded_at), moment(decisions[-1].recorded_at)
    console.print(
        f"{printable(email)}: {number_of(len(decisions), 'decision')} from {first} to {last} UTC",
        style="bold",
        markup=False,
    )
    consents = [entry for entry in decisions if entry.consent and not entry.dry_run]
    if consents:
        newest = consents[-1]
        console.print(
            f"Consent, as last told: {newest.consent} ({moment(newest.recorded_at)}; {newest.action},"
            f" run {newest.run_id} entry {newest.seq})",
            markup=False,
        )
    console.print()
    print_story(console, found)


@main.command()
@_plugin
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.pass_context
def runs(ctx: click.Context, plugin: str | None, limit: int) -> None:
    """The newest runs."""
    with opened(ctx) as trail:
        found = latest_runs(trail, limit=limit, plugin=plugin)
    console = make_console()
    console.print(runs_table(found, width=console.width) if found else "The trail has no run.")


@main.command()
@click.argument("number", type=int)
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="The first that it decided."
)
@click.pass_context
def run(ctx: click.Context, number: int, limit: int) -> None:
    """The story of run NUMBER."""
    with opened(ctx) as trail:
        found = latest_runs(trail, run_id=number)
        if not found:
            raise ConfigurationError(
                f"The trail has no run {number}.", advice="`sync-audit runs` lists them."
            )
        told = list(entries(trail, Question(run_id=number, limit=limit)))
    one = found[0]
    console = make_console()
    dry = ", a dry run: nothing was written" if one.dry_run else ""
    end = (
        f"{one.status} at {moment(one.finished_at)}"
        if one.finished_at
        else f"last active at {moment(one.active_at)}"
    )
    console.print(f"Run {one.id}: {one.plugin} {one.version}{dry}", style="bold", markup=False)
    console.print(
        f"{one.pipeline or 'no pipeline'} · started {moment(one.started_at)} UTC · {end}", markup=False
    )
    console.print(
        f"{number_of(one.records_read, 'record')} read: {counts_text(one.counts) or 'no decision'}",
        markup=False,
    )
    if one.error:
        console.print(f"Error: {printable(one.error)}", style="red", markup=False)
    if one.pruned_entries:
        console.print(f"The first {one.pruned_entries:,} entries are past their retention.", markup=False)
    console.print()
    print_story(console, told)
    if one.entries - one.pruned_entries > len(told):
        console.print(f"\n{len(told)} of {one.entries:,} entries are shown: --limit shows more.", style="dim")


@main.command()
@_plugin
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@_format
@click.pass_context
def failures(ctx: click.Context, style: str, plugin: str | None, limit: int) -> None:
    """Dead letters that wait to be replayed, oldest first."""
    with opened(ctx) as trail:
        found = list(entries(trail, Question(waiting=True, plugin=plugin, limit=limit)))
    if style == "json":
        write_json(found, sys.stdout)
    elif style == "csv":
        write_csv(found, sys.stdout)
    else:
        console = make_console()
        console.print(failures_table(found, width=console.width) if found else "No dead letter waits.")


@main.command()
@_since
@_until
@_plugin
@click.option("--format", "style", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=False),
    default="-",
    help="A file; default stdout.",
)
@click.pass_context
def export(ctx: click.Context, /, style: str, output: Any, **criteria: Any) -> None:  # noqa: ANN401 - click hands them over
    """Write every decision, oldest first."""
    with opened(ctx) as trail:
        (write_json if style == "json" else write_csv)(entries(trail, Question(**criteria)), output)


@main.command()
@click.option(
    "--anchor", metavar="ANCHOR", help="What an earlier verify printed: nothing up to there was rewritten."
)
@click.pass_context
def verify(ctx: click.Context, anchor: str | None) -> None:
    """Check that nothing was changed or removed."""
    with opened(ctx) as trail:
        outcome = verify_trail(trail, anchor=anchor)
    for problem in outcome.problems[:_MOST_PROBLEMS]:
        click.echo(str(problem), err=True)
    if more := outcome.problems[_MOST_PROBLEMS:]:
        click.echo(f"… and {number_of(len(more), 'more problem')}.", err=True)
    click.echo(
        f"{outcome.entries:,} entries of {number_of(outcome.runs, 'run')} checked,"
        f" {number_of(len(outcome.problems), 'problem')}."
    )
    click.echo(f"Anchor: {outcome.anchor}")
    ctx.exit(0 if outcome.is_whole else 1)


@main.command()
@click.option("--email", required=True, help="The person's address.")
@click.option(
    "--with-open-dead-letters", is_flag=True, help="Give up dead letters that wait for replay, too."
)
@click.confirmation_option(prompt="Remove this person's data from the audit trail, for good?")
@click.pass_context
def erase(ctx: click.Context, email: str, *, with_open_dead_letters: bool) -> None:
    """Remove a person's data; the trail still verifies."""
    with opened(ctx) as trail:
        outcome = erase_person(
            trail, email, vendor_hash=subscriber_hash, with_open_dead_letters=with_open_dead_letters
        )
    click.echo(
        f"Erased: {outcome.records} entries, {outcome.open_dead_letters} waiting dead letters,"
        f" {outcome.ledger_keys} ledger keys. Run {outcome.run_id} of the trail proves it."
    )
    if not outcome.cleaned_up:
        click.echo("Another process still reads: run the command again to clean the files, too.", err=True)
    click.echo("Backups and exports are not touched: erase there, too.")


@main.command()
@click.option("--older-than", callback=to_age, metavar="AGE", required=True, help="An age, such as 730d.")
@click.pass_context
def prune(ctx: click.Context, older_than: timedelta) -> None:
    """Remove old entries; the trail still verifies."""
    with opened(ctx) as trail:
        outcome = prune_trail(trail, older_than)
    click.echo(
        f"Pruned: {outcome.removed:,} entries; {outcome.kept:,} kept as proofs of consent or for replay."
        f" Run {outcome.run_id} of the trail proves it."
    )


@main.command()
@_plugin
@click.option("--stream", help="Only dead letters of this stream.")
@click.option(
    "--into", metavar="COMMAND", help='The target to start, such as "meltano invoke target-mailchimp".'
)
@click.option(
    "--requeue",
    "requeues",
    is_flag=True,
    help="Dispatch nothing; open again what went to a target that ended early.",
)
@click.option("--give-back", "gives_back", is_flag=True, hidden=True, help="The earlier name of --requeue.")
@click.pass_context
def replay(
    ctx: click.Context, /, plugin: str | None, stream: str | None, into: str | None, **flags: bool
) -> None:
    """Dispatch every open dead letter again, once.

    Without --into, Singer messages go to stdout; their results are recorded by the next `sync-audit
    replay`. With --into, the target runs here, and what it decided is recorded when it ends.
    """
    with opened(ctx) as trail:
        if any(flags.values()):
            click.echo(str(requeue(trail)), err=True)
            return
        if into is None:
            outcome = replay_to(trail, sys.stdout, plugin=plugin, stream=stream)
        else:
            outcome = replay_into(trail, into, plugin=plugin, stream=stream)
    click.echo(str(outcome), err=True)
    ctx.exit(0 if outcome.is_good else 1)
