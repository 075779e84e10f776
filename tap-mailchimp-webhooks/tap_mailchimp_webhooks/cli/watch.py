"""`mailchimp-webhooks status`, `catch-up` and `events`: what webhooks report, and what none did."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp, utc_now
from kinetic_mailchimp.kit.settings.declaration import read

from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings
from tap_mailchimp_webhooks.cli.options import (
    AccountOptions,
    json_option,
    open_inbox,
    options_of,
    read_options,
)
from tap_mailchimp_webhooks.inbox.settings import InboxSettings
from tap_mailchimp_webhooks.inbox.statistics import Quarantined, delivered_events, quarantined
from tap_mailchimp_webhooks.webhooks.health import ADVICE, PERIOD, PROBLEMS, WebhookHealth, webhook_health

MOST_LISTED = 20


@click.command(name="catch-up")
@options_of(AccountOptions)
@click.option("--all-changes", is_flag=True, help="Also find subscriptions, profiles and changed addresses.")
@click.option("--no-backfill", is_flag=True, help="Let the first one look at the last day alone.")
def catch_up(*, all_changes: bool, no_backfill: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Ask Mailchimp for what no webhook reported and put it into the inbox, for a schedule of its own."""
    settings = read_options(AccountOptions, options)
    client = settings.client()
    scope = CatchUpSettings(tuple(settings.audiences(client)), all_changes, not no_backfill)
    found = CatchUp(client, open_inbox(settings), scope).run()
    click.echo(f"{found} events were missing.")


@click.command()
@options_of(AccountOptions)
@json_option
def status(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Compare what is registered with what arrived; ends with status 2 when something must be done."""
    settings = read_options(AccountOptions, options)
    client = settings.client()
    inbox = open_inbox(settings)
    now = utc_now()
    list_ids = settings.audiences(client)
    found = list(webhook_health(client, inbox, list_ids, now))
    not_understood = quarantined(inbox, now - PERIOD)
    watched = {hook.list_id for hook in found if hook.is_ours}
    # An account may have other audiences beside: only those that are named must have a webhook of ours.
    unwatched = sorted(set(list_ids) - watched) if settings.list_ids or not watched else []
    if as_json:
        document = {
            "webhooks": [asdict(hook) for hook in found],
            "audiences_without_webhook": unwatched,
            "quarantined_last_7_days": len(not_understood),
            "quarantined": [asdict(delivery) for delivery in not_understood[-MOST_LISTED:]],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _print_health(found, unwatched)
        _print_quarantined(not_understood)
    alarming = any(delivery.names_somebody for delivery in not_understood)
    if unwatched or alarming or any(hook.verdict in PROBLEMS for hook in found):
        sys.exit(2)


@click.command()
@options_of(InboxSettings)
@click.option("--since", required=True, metavar="TIME", help="By their receipt: 2026-03-01T09:30 (UTC).")
@click.option("--list-id", "list_ids", multiple=True, help="Only of this audience's webhook; several times.")
@click.option("--unsigned", is_flag=True, help="Only those that Mailchimp did not sign.")
def events(*, since: str, list_ids: Sequence[str], unsigned: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Print the ids of the events that webhooks delivered, for `sync-audit undo --events -`."""
    try:
        start = parse_timestamp(since)
    except ValueError as error:
        raise click.BadParameter(
            f"{since!r} is not a time: write 2026-03-01 or 2026-03-01T09:30.", param_hint="'--since'"
        ) from error
    database = open_inbox(read(InboxSettings, options)).database
    for event_id in delivered_events(database, start, list_ids, only_unsigned=unsigned):
        click.echo(event_id)


def _print_health(found: Sequence[WebhookHealth], unwatched: Sequence[str]) -> None:
    for hook in found:
        last = hook.last_event_at or "never"
        click.echo(f"{hook.list_id}  {hook.verdict:<14}  last event {last}  {hook.url}")
        if advice := ADVICE[hook.verdict]:
            click.echo(f"    {advice}")
    for list_id in unwatched:
        click.echo(f"{list_id}  has no webhook of this receiver: run `mailchimp-webhooks register`.")


def _print_quarantined(deliveries: Sequence[Quarantined]) -> None:
    if not deliveries:
        return
    click.echo(f"{len(deliveries)} deliveries of the last {PERIOD.days} days were not understood:")
    for delivery in deliveries[-MOST_LISTED:]:
        kind = delivery.type or "no type"
        click.echo(f"    event {delivery.sequence}  {delivery.received_at}  {delivery.note}  {kind}")
    if any(delivery.names_somebody for delivery in deliveries):
        click.echo("    Look at these people in Mailchimp; an opt-out among them is found by the catch-up.")
