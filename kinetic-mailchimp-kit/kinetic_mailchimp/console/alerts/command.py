"""The command `sync-audit alert`."""

from __future__ import annotations

from datetime import timedelta
from typing import IO

import click

from kinetic_mailchimp.audit.cli.common import opened, to_age
from kinetic_mailchimp.audit.cli.drift import LIMIT_VARIABLE, accept_option
from kinetic_mailchimp.audit.cli.render import number_of
from kinetic_mailchimp.audit.reading.comparisons import last_comparisons
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.alerts.causes import Cause, Limits, judge
from kinetic_mailchimp.console.alerts.channels import AppriseChannel, open_channels
from kinetic_mailchimp.console.alerts.facts import Facts
from kinetic_mailchimp.console.alerts.looking import look_at_letters, look_at_runs
from kinetic_mailchimp.console.alerts.memory import AlertMemory
from kinetic_mailchimp.console.alerts.receiver import look_at_receiver, make_transport, read_webhook_status
from kinetic_mailchimp.console.alerts.watch import Outcome, tell
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.redaction import mask_logs
from kinetic_mailchimp.kit.secret_option import SecretText

PREFIX = "AUDIT_ALERT"


@click.command()
@click.option(
    "--to",
    "urls",
    type=SecretText(),
    multiple=True,
    envvar=f"{PREFIX}_URLS",
    show_envvar=True,
    metavar="URL",
    help="An apprise URL; may be given several times. In the variable, spaces stand between them.",
)
@click.option(
    "--receiver-url",
    envvar=f"{PREFIX}_RECEIVER_URL",
    show_envvar=True,
    default="",
    help="The receiver of webhooks, to look at its health and inbox: http://127.0.0.1:8080.",
)
@click.option(
    "--webhook-status",
    type=click.File("r", encoding="utf-8", lazy=False),
    metavar="FILE",
    help="What `mailchimp-webhooks status --json` printed; - for stdin.",
)
@click.option(
    "--inactive",
    callback=to_age,
    envvar=f"{PREFIX}_INACTIVE",
    show_envvar=True,
    default="30m",
    show_default=True,
    metavar="AGE",
    help="A run that has written nothing for so long, and whose process is not seen, was killed.",
)
@click.option(
    "--failures",
    type=click.IntRange(0),
    envvar=f"{PREFIX}_FAILURES",
    show_envvar=True,
    default=10,
    show_default=True,
    help="More failed records than this, in a run or waiting.",
)
@click.option(
    "--opt-out-age",
    callback=to_age,
    envvar=f"{PREFIX}_OPT_OUT_AGE",
    show_envvar=True,
    default="60m",
    show_default=True,
    metavar="AGE",
    help="Opt-outs that have waited for so long.",
)
@click.option(
    "--drift",
    type=click.IntRange(0),
    envvar=LIMIT_VARIABLE,
    show_envvar=True,
    default=0,
    show_default=True,
    help="More differences in the last comparison than this.",
)
@accept_option
@click.option(
    "--quiet",
    callback=to_age,
    envvar=f"{PREFIX}_QUIET",
    show_envvar=True,
    default="12h",
    show_default=True,
    metavar="AGE",
    help="So long a cause that persists is not told again.",
)
@click.option("--dry-run", is_flag=True, help="Print what is wrong; send and remember nothing.")
@click.pass_context
def alert(
    ctx: click.Context,
    /,
    urls: tuple[str, ...],
    receiver_url: str,
    webhook_status: IO[str] | None,
    accept: tuple[str, ...],
    quiet: timedelta,
    *,
    dry_run: bool,
    **limits: int | timedelta,
) -> None:
    """Look for what needs a person, and send one message per cause.

    Exit status: 0 nothing is wrong; 1 something is; 2 wrong usage; 3 it could not be looked at, or a message
    could not be sent.
    """
    mask_logs()
    channels = _channels(urls, dry_run=dry_run)
    with opened(ctx) as trail:
        now = trail.clock()
        allowed = Limits(**limits, accepted=frozenset(accept))  # type: ignore[arg-type] # by name
        judgement = judge(_look(trail, receiver_url, webhook_status), allowed, now)
        _print(judgement.causes)
        if not dry_run:
            outcome = tell(AlertMemory(trail.database), judgement, channels, now=now, quiet=quiet)
            _check(outcome)
    ctx.exit(1 if judgement.causes else 0)


def _channels(urls: tuple[str, ...], *, dry_run: bool) -> list[AppriseChannel]:
    if dry_run:
        return []
    # A variable that was encrypted as a whole may hold several.
    written = [url for text in urls for url in text.split()]
    if not written:
        raise ConfigurationError(
            "Nobody is told: no channel is set.",
            advice="Set AUDIT_ALERT_URLS or --to to an apprise URL, or look with --dry-run.",
        )
    return open_channels(written)


def _look(trail: AuditTrail, receiver_url: str, webhook_status: IO[str] | None) -> Facts:
    webhooks = read_webhook_status(webhook_status.read()) if webhook_status else None
    return Facts(
        runs=look_at_runs(trail),
        letters=look_at_letters(trail),
        comparisons=tuple(last_comparisons(trail)),
        receiver=look_at_receiver(receiver_url, make_transport()) if receiver_url else None,
        webhooks=webhooks,
        webhooks_unknown=webhook_status is not None and webhooks is None,
    )


def _print(causes: tuple[Cause, ...]) -> None:
    for cause in causes:
        click.echo(f"{cause.key}: {cause.what}")
    if not causes:
        click.echo("Nothing needs a person.")


def _check(outcome: Outcome) -> None:
    for message in outcome.sent:
        click.echo(f"Sent: {message.title}.", err=True)
    if outcome.failed_channels:
        unsent = number_of(len(outcome.unsent), "message")
        left = f" To be sent at the next look, since nobody was reached: {unsent}." if outcome.unsent else ""
        raise TransientError(
            f"A channel did not take a message: {', '.join(outcome.failed_channels)}.{left}",
            advice="Try the URL by itself: `apprise -vv --body test URL` says what is wrong.",
        )
