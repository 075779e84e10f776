"""`mailchimp-webhooks register`, `rotate-secret` and `unregister`: the webhooks of an account."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from kinetic_mailchimp.kit.errors import ConfigurationError

from tap_mailchimp_webhooks.cli.options import (
    RegistrationOptions,
    json_option,
    open_inbox,
    options_of,
    read_options,
)
from tap_mailchimp_webhooks.webhooks.probe import probe
from tap_mailchimp_webhooks.webhooks.register import Registrar, Registration
from tap_mailchimp_webhooks.webhooks.registry import WebhookRegistry
from tap_mailchimp_webhooks.webhooks.urls import public_url

SECRET_BYTES = 32

include_api_option = click.option(
    "--include-api", is_flag=True, help="Also report changes through the API, such as our own."
)


@click.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))


@click.command()
@options_of(RegistrationOptions)
@json_option
@include_api_option
@click.option("--no-probe", is_flag=True, help="Do not check first that the URL answers.")
def register(*, include_api: bool, no_probe: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Make sure that each audience has the webhook, once, with all events."""
    settings = read_options(RegistrationOptions, options)
    url = public_url(settings.url, settings.secret.current)
    if not no_probe:
        probe(url)
    registrar, list_ids = _registrar(settings)
    results = [registrar.register(list_id, url, include_api=include_api) for list_id in list_ids]
    _print(results, as_json=as_json)


@click.command(name="rotate-secret")
@options_of(RegistrationOptions)
@json_option
@include_api_option
def rotate_secret(*, include_api: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Move the webhooks to the first path secret; the receiver must accept NEW,OLD already."""
    settings = read_options(RegistrationOptions, options)
    if len(settings.secret.values) == 1:
        raise ConfigurationError(
            "There is one path secret, and nothing to change it to.",
            advice="`mailchimp-webhooks secret` makes a new one; set MAILCHIMP_WEBHOOKS_SECRET to NEW,OLD "
            "for the receiver and here, restart the receiver, and run this again.",
        )
    url = public_url(settings.url, settings.secret.current)
    probe(url)  # a receiver that does not know the new secret yet would lose what comes
    registrar, list_ids = _registrar(settings)
    moved = [
        registrar.rotate(list_id, url, include_api=include_api)
        for list_id in list_ids
        if registrar.has_webhook(list_id, url)
    ]
    _print([result for results in moved for result in results], as_json=as_json)


@click.command()
@options_of(RegistrationOptions)
@json_option
def unregister(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Remove the webhooks of this receiver, those of older secrets included."""
    settings = read_options(RegistrationOptions, options)
    url = public_url(settings.url, settings.secret.current)
    registrar, list_ids = _registrar(settings)
    removed = [registrar.unregister(list_id, url) for list_id in list_ids]
    _print([result for results in removed for result in results], as_json=as_json)


def _registrar(settings: RegistrationOptions) -> tuple[Registrar, list[str]]:
    """The registrar of an account, and the ids of the audiences to work on."""
    client, inbox = settings.client(), open_inbox(settings)
    registry = WebhookRegistry(inbox.database, inbox.encryption, settings.secret.values)
    return Registrar(client, registry), settings.audiences(client)


def _print(results: Sequence[Registration], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    for result in results:
        signed = "signed" if result.signed else "not signed"
        click.echo(
            f"{result.list_id}  {result.action:<9}  webhook {result.webhook_id}, {signed}  {result.url}"
        )
    if not results:
        click.echo("There was nothing to do.")
