"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import gc
import json
import logging
import re
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import click
from connector_kit.errors import ConnectorError
from connector_kit.redaction import MASKER, mask_logs
from connector_kit.secret_option import SecretText
from mailchimp_client import MailchimpClient, MailchimpSettings

from tap_mailchimp_webhooks.catch_up import CatchUp, CatchUpSettings
from tap_mailchimp_webhooks.health import PROBLEMS, hook_health
from tap_mailchimp_webhooks.inbox.database import default_url
from tap_mailchimp_webhooks.inbox.hooks import HookRegister
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.probe import probe
from tap_mailchimp_webhooks.receiver.settings import PathSecrets, ReceiverSettings
from tap_mailchimp_webhooks.registration import Registrar, Registration, public_address

Command = TypeVar("Command", bound=Callable[..., Any])

PREFIX = "MAILCHIMP_WEBHOOKS"
SECRET_BYTES = 32
_NAME = re.compile(r"[^\s,\[\]\"']+")


def main() -> None:
    """Run the command line; an error that is understood ends it with one readable line and status 1."""
    mask_logs()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        commands.main(standalone_mode=True)
    except ConnectorError as error:
        click.echo(MASKER.mask(f"Error: {error}"), err=True)
        sys.exit(1)


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in texts that may hold several: after commas, after blanks, or as a JSON list."""
    return tuple(_NAME.findall(" ".join(texts)))


_secret = click.option(
    "--secret",
    type=SecretText(),
    envvar=f"{PREFIX}_SECRET",
    default="",
    help="The last part of the webhook's address.",
)
_inbox_url = click.option(
    "--inbox-database-url",
    type=SecretText(),
    envvar=f"{PREFIX}_INBOX_DATABASE_URL",
    default="",
    help="SQLAlchemy URL of the inbox.  [default: data/webhook-inbox.sqlite3 in the Meltano project]",
)
_account = _options(
    click.option(
        "--api-key",
        type=SecretText(),
        envvar=[f"{PREFIX}_API_KEY", "MAILCHIMP_API_KEY"],
        default="",
        help="Of the Mailchimp account.",
    ),
    click.option(
        "--access-token",
        type=SecretText(),
        envvar=[f"{PREFIX}_ACCESS_TOKEN", "MAILCHIMP_ACCESS_TOKEN"],
        default="",
        help="Instead of a key.",
    ),
    click.option(
        "--base-url",
        envvar=[f"{PREFIX}_BASE_URL", "MAILCHIMP_BASE_URL"],
        default="",
        help="Where the API is, ending in /3.0.  [default: from the data centre]",
    ),
    click.option(
        "--list-id",
        "list_ids",
        multiple=True,
        envvar=[f"{PREFIX}_LIST_IDS", "MAILCHIMP_LIST_IDS"],
        callback=lambda _context, _option, values: listed(values),
        help="An audience; may be given several times.  [default: all]",
    ),
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
@click.version_option(package_name="tap-mailchimp-webhooks")
def commands() -> None:
    """Receive Mailchimp's webhooks and look after them.

    Every option can be set as a variable: MAILCHIMP_WEBHOOKS_ and its name.
    """


@commands.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))


@commands.command()
@_secret
@_inbox_url
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
        secrets=_path_secrets(secret),
        max_body_bytes=max_body_bytes,
        retention_days=retention_days,
        min_free_bytes=min_free_mib * 1_048_576,
        wrong_secrets_per_minute=wrong_secrets_per_minute,
        on_event=on_event,
        on_event_delay=on_event_delay,
        root_path=root_path,
    )
    inbox = _open_inbox(inbox_database_url)
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
@_secret
@_inbox_url
@_account
@_json
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
    path_secrets = _path_secrets(secret)
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
@_secret
@_inbox_url
@_account
@_json
@click.option("--url", required=True, envvar=f"{PREFIX}_URL", help="The public address of the receiver.")
def unregister(*, url: str, secret: str, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Remove the webhooks of this receiver, those of older secrets included."""
    path_secrets = _path_secrets(secret)
    address = public_address(url, path_secrets.current)
    registrar = _registrar(path_secrets, options)
    removed = [registrar.unregister(list_id, address) for list_id in registrar.list_ids(options["list_ids"])]
    _tell([one for some in removed for one in some], as_json=as_json)


@commands.command(name="catch-up")
@_inbox_url
@_account
@click.option("--all-changes", is_flag=True, help="Also find subscriptions, profiles and changed addresses.")
@click.option("--no-backfill", is_flag=True, help="Let the first one look at the last day alone.")
def catch_up(*, all_changes: bool, no_backfill: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Ask Mailchimp for what no webhook told and put it into the inbox, for a schedule of its own."""
    settings = CatchUpSettings(tuple(options["list_ids"]), all_changes, not no_backfill)
    found = CatchUp(_client(options), _open_inbox(options["inbox_database_url"]), settings).run()
    click.echo(f"{found} events were missing.")


@commands.command()
@_inbox_url
@_account
@_json
def status(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Compare what is registered with what arrived; ends with status 2 when something must be done."""
    client = _client(options)
    inbox = _open_inbox(options["inbox_database_url"])
    list_ids = list(options["list_ids"]) or [str(found["id"]) for found in client.lists()]
    found = list(hook_health(client, inbox, list_ids, datetime.now(timezone.utc)))
    unwatched = _unwatched(options["list_ids"], list_ids, {hook.list_id for hook in found if hook.is_ours})
    if as_json:
        document = {"webhooks": [hook.document for hook in found], "audiences_without_webhook": unwatched}
        click.echo(json.dumps(document, indent=2))
    else:
        for hook in found:
            last = hook.last_event_at or "never"
            click.echo(f"{hook.list_id}  {hook.verdict:<14}  last event {last}  {hook.url}")
            if hook.advice:
                click.echo(f"    {hook.advice}")
        for list_id in unwatched:
            click.echo(f"{list_id}  has no webhook of this receiver: run `mailchimp-webhooks register`.")
    if unwatched or any(hook.verdict in PROBLEMS for hook in found):
        sys.exit(2)


def _unwatched(named: Sequence[str], list_ids: Sequence[str], watched: set[str]) -> list[str]:
    """Audiences that should have a webhook of ours and have none; an account may have others beside."""
    return sorted(set(list_ids) - watched) if named or not watched else []


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


def _path_secrets(text: str) -> PathSecrets:
    found = PathSecrets.parse(text)
    MASKER.add(found.values)
    return found


def _open_inbox(url: str) -> Inbox:
    return Inbox.open(url or default_url())


def _client(options: dict[str, Any]) -> MailchimpClient:
    names = ("api_key", "access_token", "base_url")
    return MailchimpClient(MailchimpSettings.from_config({name: options[name] for name in names}))


def _registrar(path_secrets: PathSecrets, options: dict[str, Any]) -> Registrar:
    inbox = _open_inbox(options["inbox_database_url"])
    return Registrar(_client(options), HookRegister(inbox.database, inbox.sealing, path_secrets.values))
