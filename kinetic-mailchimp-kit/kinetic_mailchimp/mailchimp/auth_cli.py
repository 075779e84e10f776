"""`mailchimp-auth`: gets an OAuth2 access token for an account, and keeps it encrypted."""

from __future__ import annotations

import secrets
import webbrowser
from dataclasses import replace
from pathlib import Path

import click
from dotenv import set_key

from kinetic_mailchimp.kit.command_group import CommandGroup
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.redaction.plain_text import message
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.kit.secrets.private_files import make_private
from kinetic_mailchimp.kit.settings.options import SecretText
from kinetic_mailchimp.mailchimp.client import MailchimpClient
from kinetic_mailchimp.mailchimp.oauth import (
    AUTHORIZE_URL,
    DEFAULT_REDIRECT,
    TOKEN_URL,
    Callback,
    OAuthApplication,
    exchange_code,
)
from kinetic_mailchimp.mailchimp.settings import METADATA_URL, MailchimpSettings

TOKEN_VARIABLE = "MAILCHIMP_ACCESS_TOKEN"  # noqa: S105 (the name of a variable)
BASE_URL_VARIABLE = "MAILCHIMP_BASE_URL"
WRONG_CONFIGURATION = 2


@click.group("mailchimp-auth", cls=CommandGroup, settings_status=WRONG_CONFIGURATION, help=__doc__)
def main() -> None:
    """Hold the commands."""


@main.command()
@click.option(
    "--client-id",
    envvar="MAILCHIMP_CLIENT_ID",
    prompt="Client id",
    help="Of the registered application.",
)
@click.option(
    "--client-secret",
    type=SecretText(),
    envvar="MAILCHIMP_CLIENT_SECRET",
    prompt="Client secret",
    hide_input=True,
    help="Of the registered application; better given as MAILCHIMP_CLIENT_SECRET than as an option.",
)
@click.option("--redirect-uri", default=DEFAULT_REDIRECT, show_default=True, help="As it is registered.")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Store the token in this file, encrypted.",
)
@click.option("--show", is_flag=True, help="Print the token in clear instead of encrypted.")
@click.option("--browser/--no-browser", default=True, help="Open the browser, or only print the URL.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the person to agree.")
@click.option("--authorize-url", default=AUTHORIZE_URL, hidden=True)
@click.option("--token-url", default=TOKEN_URL, hidden=True)
@click.option("--metadata-url", default=METADATA_URL, hidden=True)
def authorize(
    *,
    client_id: str,
    client_secret: str,
    redirect_uri: str,
    env_file: Path | None,
    show: bool,
    browser: bool,
    timeout: float,
    **urls: str,
) -> None:
    """Let a person agree in the browser; print or store the access token and where the account is.

    Without --show the token comes out encrypted with the key in CONNECTOR_SECRET_KEY, ready for the setting
    `access_token`.
    """
    if show and env_file:
        raise ConfigurationError("--show and --env-file exclude each other.", advice="Choose one.")
    # Before anybody is asked to agree: a token that cannot be kept would be lost.
    box = None if show else SecretBox.from_environment()
    state = secrets.token_urlsafe(32)  # nobody else can make up an answer with it
    callback = Callback(redirect_uri, state)
    application = OAuthApplication(client_id, client_secret, callback.redirect_uri, **urls)
    url = application.authorization_url(state)
    click.echo(f"Agree here:\n{url}", err=True)
    if browser:
        webbrowser.open(url)
    token = exchange_code(application, callback.wait(timeout))
    base_url = _base_url(token, application.metadata_url)
    kept = box.encrypt(token) if box else token
    if env_file:
        _store(env_file, {TOKEN_VARIABLE: kept, BASE_URL_VARIABLE: base_url})
        click.echo(f"{TOKEN_VARIABLE} (encrypted) and {BASE_URL_VARIABLE} are in {env_file}.", err=True)
        return
    click.echo(f"{TOKEN_VARIABLE}={kept}")
    click.echo(f"{BASE_URL_VARIABLE}={base_url}")


def _base_url(token: str, metadata_url: str) -> str:
    """The URL of the account's API; the first call shows that the token works."""
    settings = MailchimpSettings(access_token=token, metadata_url=metadata_url)
    client = MailchimpClient(settings)
    base_url = client.base_url
    client = MailchimpClient(replace(settings, base_url=base_url))
    account = client.account()
    click.echo(message(f"Connected to the account {account.get('account_name')}."), err=True)
    return base_url


def _store(path: Path, variables: dict[str, str]) -> None:
    make_private(path)
    for name, value in variables.items():
        set_key(path.resolve(), name, value, quote_mode="never")  # a link stays one
