"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import gc
import json
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import click
from dotenv import load_dotenv
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs

from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings
from tap_mailchimp_webhooks.cli.options import (
    PREFIX,
    account_options,
    inbox_option,
    json_option,
    open_client,
    open_inbox,
    parse_path_secrets,
    path_secret_option,
)
from tap_mailchimp_webhooks.inbox.statistics import Quarantined, quarantined
from tap_mailchimp_webhooks.receiver.settings import PathSecrets, ReceiverSettings
from tap_mailchimp_webhooks.webhooks.health import PERIOD, PROBLEMS, hook_health
from tap_mailchimp_webhooks.webhooks.probe import probe
from tap_mailchimp_webhooks.webhooks.register import Registrar, Registration, public_address
from tap_mailchimp_webhooks.webhooks.registry import HookRegister
from tap_mailchimp_webhooks.webhooks.signature import MAX_AGE_SECONDS

logger = logging.getLogger(__name__)

SECRET_BYTES = 32
MOST_LISTED = 20


def main() -> None:
    """Run the command line; an error that is understood ends it with one readable line and status 1."""
    mask_logs()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        load_dotenv(".env")  # as Meltano does; what the process was given comes first
    except OSError as error:
        logger.warning("The .env of this folder cannot be read: %s", error.strerror)
    try:
        commands.main(standalone_mode=True)
    except ConnectorError as error:
        click.echo(MASKER.mask(f"Error: {error}"), err=True)
        sys.exit(1)


@click.group()
@click.version_option(package_name="tap-mailchimp-webhooks")
def commands() -> None:
    """Receive Mailchimp's webhooks and look after them.

    Every option can be set as a variable, MAILCHIMP_WEBHOOKS_ and its name, also in the .env of this folder.
    """


@commands.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))


@commands.command()
@path_secret_option
@inbox_option
@click.option(
    "--host", envvar=f"{PREFIX}_HOST", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option("--port", envvar=f"{PREFIX}_PORT", default=8080, show_default=True, help="Where to listen.")
@click.option(
    "--root-path",
    envvar=f"{PREFIX}_ROOT_PATH",
    default="",
    help="The prefix under which a proxy publishes it.",
)
@click.option(
    "--forwarded-allow-ips",
    envvar=f"{PREFIX}_FORWARDED_ALLOW_IPS",
    default="127.0.0.1",
    show_default=True,
    help="Proxies whose word on a client's address is believed.",
)
@click.option(
    "--signature-max-age",
    envvar=f"{PREFIX}_SIGNATURE_MAX_AGE",
    type=click.IntRange(min=1),
    default=MAX_AGE_SECONDS,
    show_default=True,
    help="Seconds that a signature may be old; Mailchimp repeats deliveries for 75 minutes.",
)
@click.option(
    "--max-body-bytes",
    envvar=f"{PREFIX}_MAX_BODY_BYTES",
    default=1_048_576,
    show_default=True,
    help="Refuse more.",
)
@click.option(
    "--retention-days",
    envvar=f"{PREFIX}_RETENTION_DAYS",
    default=400,
    show_default=True,
    help="Delete events that were read so long ago; 0 keeps them.",
)
@click.option(
    "--min-free-mib",
    envvar=f"{PREFIX}_MIN_FREE_MIB",
    default=100,
    show_default=True,
    help="Free disk space under which /readyz says no.",
)
@click.option(
    "--wrong-secrets-per-minute",
    envvar=f"{PREFIX}_WRONG_SECRETS_PER_MINUTE",
    default=0,
    show_default=True,
    help="Refuse a client that sends more for a minute; 0 for no limit.",
)
@click.option(
    "--on-event",
    envvar=f"{PREFIX}_ON_EVENT",
    default="",
    help='A command to run after new events, such as "meltano run reverse".',
)
@click.option(
    "--on-event-delay",
    envvar=f"{PREFIX}_ON_EVENT_DELAY",
    default=2.0,
    show_default=True,
    help="Seconds to wait for more events before it runs.",
)
def serve(  # noqa: PLR0913 (click hands in each option)
    *,
    secret: str,
    inbox_database_url: str,
    host: str,
    port: int,
    root_path: str,
    forwarded_allow_ips: str,
    signature_max_age: int,
    max_body_bytes: int,
    retention_days: int,
    min_free_mib: int,
    wrong_secrets_per_minute: int,
    on_event: str,
    on_event_delay: float,
) -> None:
    """Receive webhooks: store each, then answer."""
    # The web server is imported where it is needed: the other commands start faster without.
    import uvicorn  # noqa: PLC0415

    from tap_mailchimp_webhooks.receiver.app import create_app  # noqa: PLC0415

    settings = ReceiverSettings(
        secrets=parse_path_secrets(secret),
        signature_max_age=signature_max_age,
        max_body_bytes=max_body_bytes,
        retention_days=retention_days,
        min_free_bytes=min_free_mib * 1_048_576,
        wrong_secrets_per_minute=wrong_secrets_per_minute,
        on_event=on_event,
        on_event_delay=on_event_delay,
        root_path=root_path,
    )
    inbox = open_inbox(inbox_database_url)
    # After its graceful end uvicorn raises the signal again; whoever asked it to stop shall see a success.
    signal.signal(signal.SIGTERM, lambda *_: None)
    app = create_app(settings, inbox)
    # What is loaded by now stays: without this, the collector walks all of it again and again, and each
    # time deliveries wait for some 50 ms.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=host,
        port=port,
        forwarded_allow_ips=forwarded_allow_ips,
        access_log=False,  # its lines would hold the secret
        log_config=None,
        timeout_graceful_shutdown=20,
        server_header=False,
    )


@commands.command()
@path_secret_option
@inbox_option
@account_options
@json_option
@click.option("--url", required=True, envvar=f"{PREFIX}_URL", help="The public address of the receiver.")
@click.option("--include-api", is_flag=True, help="Also tell changes through the API, such as our own.")
@click.option("--no-probe", is_flag=True, help="Do not ask the address first whether it answers.")
def register(
    *,
    url: str,
    secret: str,
    include_api: bool,
    no_probe: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 (click's)
) -> None:
    """Make sure that each audience has the webhook, once, with all events."""
    path_secrets = parse_path_secrets(secret)
    address = public_address(url, path_secrets.current)
    if not no_probe:
        probe(address)
    registrar = _registrar(path_secrets, options)
    _tell(
        [
            registrar.register(list_id, address, include_api=include_api)
            for list_id in registrar.list_ids(options["list_ids"])
        ],
        as_json=as_json,
    )


@commands.command()
@path_secret_option
@inbox_option
@account_options
@json_option
@click.option("--url", required=True, envvar=f"{PREFIX}_URL", help="The public address of the receiver.")
def unregister(*, url: str, secret: str, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Remove the webhooks of this receiver, those of older secrets included."""
    path_secrets = parse_path_secrets(secret)
    address = public_address(url, path_secrets.current)
    registrar = _registrar(path_secrets, options)
    removed = [registrar.unregister(list_id, address) for list_id in registrar.list_ids(options["list_ids"])]
    _tell([one for some in removed for one in some], as_json=as_json)


@commands.command(name="catch-up")
@inbox_option
@account_options
@click.option("--all-changes", is_flag=True, help="Also find subscriptions, profiles and changed addresses.")
@click.option("--no-backfill", is_flag=True, help="Let the first one look at the last day alone.")
def catch_up(*, all_changes: bool, no_backfill: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Ask Mailchimp for what no webhook told and put it into the inbox, for a schedule of its own."""
    settings = CatchUpSettings(tuple(options["list_ids"]), all_changes, not no_backfill)
    found = CatchUp(open_client(options), open_inbox(options["inbox_database_url"]), settings).run()
    click.echo(f"{found} events were missing.")


@commands.command()
@inbox_option
@account_options
@json_option
def status(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Compare what is registered with what arrived; ends with status 2 when something must be done."""
    client = open_client(options)
    inbox = open_inbox(options["inbox_database_url"])
    now = datetime.now(timezone.utc)
    list_ids = list(options["list_ids"]) or [str(found["id"]) for found in client.lists()]
    found = list(hook_health(client, inbox, list_ids, now))
    not_understood = quarantined(inbox.database, now - PERIOD)
    unwatched = _unwatched(options["list_ids"], list_ids, {hook.list_id for hook in found if hook.is_ours})
    if as_json:
        document = {
            "webhooks": [hook.document for hook in found],
            "audiences_without_webhook": unwatched,
            "quarantined_last_7_days": len(not_understood),
            "quarantined": [asdict(delivery) for delivery in not_understood[-MOST_LISTED:]],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        for hook in found:
            last = hook.last_event_at or "never"
            click.echo(f"{hook.list_id}  {hook.verdict:<14}  last event {last}  {hook.url}")
            if hook.advice:
                click.echo(f"    {hook.advice}")
        for list_id in unwatched:
            click.echo(f"{list_id}  has no webhook of this receiver: run `mailchimp-webhooks register`.")
        _tell_quarantined(not_understood)
    if unwatched or not_understood or any(hook.verdict in PROBLEMS for hook in found):
        sys.exit(2)


def _unwatched(named: Sequence[str], list_ids: Sequence[str], watched: set[str]) -> list[str]:
    """Audiences that should have a webhook of ours and have none; an account may have others beside."""
    return sorted(set(list_ids) - watched) if named or not watched else []


def _tell_quarantined(deliveries: Sequence[Quarantined]) -> None:
    if not deliveries:
        return
    click.echo(f"{len(deliveries)} deliveries of the last {PERIOD.days} days were not understood:")
    for delivery in deliveries[-MOST_LISTED:]:
        kind = delivery.type or "no type"
        click.echo(f"    event {delivery.sequence}  {delivery.received_at}  {delivery.note}  {kind}")
    click.echo("    Look at these people in Mailchimp; an opt-out among them is found by the catch-up.")


def _tell(results: Sequence[Registration], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([result.document for result in results], indent=2))
        return
    for result in results:
        signed = "signed" if result.signed else "not signed"
        click.echo(
            f"{result.list_id}  {result.action:<9}  webhook {result.webhook_id}, {signed}  {result.url}"
        )
    if not results:
        click.echo("There was nothing to do.")


def _registrar(path_secrets: PathSecrets, options: dict[str, Any]) -> Registrar:
    inbox = open_inbox(options["inbox_database_url"])
    return Registrar(
        open_client(options), HookRegister(inbox.database, inbox.encryption, path_secrets.values)
    )
