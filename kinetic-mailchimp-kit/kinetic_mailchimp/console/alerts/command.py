"""The command `sync-audit alert`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import click

from kinetic_mailchimp.audit.cli.common import open_trail
from kinetic_mailchimp.audit.reading.formatting import count_of
from kinetic_mailchimp.audit.reading.reports.comparisons import last_comparisons
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.alerts.channels import AppriseChannel, open_channels
from kinetic_mailchimp.console.alerts.collect import collect_dead_letters, collect_runs, read_webhook_status
from kinetic_mailchimp.console.alerts.conditions import evaluate
from kinetic_mailchimp.console.alerts.delivery import Delivery, send_due
from kinetic_mailchimp.console.alerts.facts import AlertCondition, Facts
from kinetic_mailchimp.console.alerts.jobs import collect_jobs
from kinetic_mailchimp.console.alerts.settings import AlertSettings
from kinetic_mailchimp.console.alerts.store import AlertStore
from kinetic_mailchimp.console.receiver_probe import make_transport, probe_receiver
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.redaction.masker import mask_logs
from kinetic_mailchimp.kit.settings.declaration import read
from kinetic_mailchimp.kit.settings.options import options_of


@click.command()
@options_of(AlertSettings, prefix="AUDIT_ALERT", names={"urls": "to"})
@click.option(
    "--webhook-status",
    type=click.File("r", encoding="utf-8", lazy=False),
    metavar="FILE",
    help="The output of `mailchimp-webhooks status --json`; - for stdin.",
)
@click.option("--dry-run", is_flag=True, help="Print what is wrong; send and store nothing.")
@click.pass_context
def alert(
    ctx: click.Context,
    /,
    webhook_status: IO[str] | None,
    *,
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - the settings, by name
) -> None:
    """Look for what needs a person, and send one message per cause.

    Exit status: 0 nothing is wrong; 1 something is; 2 wrong usage; 3 it could not be looked at, or a message
    could not be sent.
    """
    mask_logs()
    settings = read(AlertSettings, options)
    channels = _channels(settings.urls, dry_run=dry_run)
    with open_trail(ctx) as trail:
        now = trail.clock()
        evaluation = evaluate(_collect(trail, settings, webhook_status), settings, now)
        _print(evaluation.conditions)
        if not dry_run:
            store = AlertStore(trail.database)
            _report(send_due(store, evaluation, channels, now=now, quiet=settings.quiet))
    ctx.exit(1 if evaluation.conditions else 0)


def _channels(urls: Sequence[str], *, dry_run: bool) -> list[AppriseChannel]:
    if dry_run:
        return []
    # A variable that was encrypted as a whole may hold several.
    written = [url for text in urls for url in text.split()]
    if not written:
        raise ConfigurationError(
            "No channel is set for alerts.",
            advice="Set AUDIT_ALERT_URLS or --to to an apprise URL, or use --dry-run.",
        )
    return open_channels(written)


def _collect(trail: AuditTrail, settings: AlertSettings, webhook_status: IO[str] | None) -> Facts:
    webhooks = read_webhook_status(webhook_status.read()) if webhook_status else None
    return Facts(
        runs=collect_runs(trail),
        dead_letters=collect_dead_letters(trail),
        comparisons=tuple(last_comparisons(trail)),
        receiver=probe_receiver(settings.receiver_url, make_transport()) if settings.receiver_url else None,
        jobs=collect_jobs(settings.meltano_database),
        webhooks=webhooks,
        webhooks_unknown=webhook_status is not None and webhooks is None,
    )


def _print(conditions: Sequence[AlertCondition]) -> None:
    for condition in conditions:
        click.echo(f"{condition.key}: {condition.what}\n  What to do: {condition.advice}")
    if not conditions:
        click.echo("Nothing needs a person.")


def _report(delivery: Delivery) -> None:
    for message in delivery.sent:
        click.echo(f"Sent: {message.title}.", err=True)
    if delivery.failed_channels:
        unsent = count_of(len(delivery.unsent), "message")
        left = f" To be sent at the next look, since nobody was reached: {unsent}." if delivery.unsent else ""
        raise TransientError(
            f"A channel did not take a message: {', '.join(delivery.failed_channels)}.{left}",
            advice="Try the URL by itself: `apprise -vv --body test URL` says what is wrong.",
        )
