"""Options that several commands of `mailchimp-webhooks` have, and what they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from kinetic_mailchimp.kit.redaction import MASKER
from kinetic_mailchimp.kit.secret_option import SecretText
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings

from tap_mailchimp_webhooks.inbox.database import default_url
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.settings import PathSecrets

Command = TypeVar("Command", bound=Callable[..., Any])

PREFIX = "MAILCHIMP_WEBHOOKS"
_NAME = re.compile(r"[^\s,\[\]\"']+")


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in texts that may hold several: after commas, after blanks, or as a JSON list."""
    return tuple(_NAME.findall(" ".join(texts)))


def _named_audiences(
    context: click.Context, option: click.Parameter, values: Sequence[str]
) -> tuple[str, ...]:
    # Without any, all audiences are meant: a variable of a script that came out empty must not lead there.
    is_typed = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    if is_typed and not all(listed([value]) for value in values):
        raise click.BadParameter("is empty; name an audience, or leave the option out for all of them.")
    return listed(values)


path_secret_option = click.option(
    "--secret",
    type=SecretText(),
    envvar=f"{PREFIX}_SECRET",
    default="",
    help="The last part of the webhook's address.",
)
inbox_option = click.option(
    "--inbox-database-url",
    type=SecretText(),
    envvar=f"{PREFIX}_INBOX_DATABASE_URL",
    default="",
    help="SQLAlchemy URL of the inbox.  [default: data/webhook-inbox.sqlite3 in the Meltano project]",
)
account_options = _options(
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
        callback=_named_audiences,
        help="An audience; may be given several times.  [default: all]",
    ),
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def parse_path_secrets(text: str) -> PathSecrets:
    """The path secrets, masked in what the process logs."""
    found = PathSecrets.parse(text)
    MASKER.add(found.values)
    return found


def open_inbox(url: str) -> Inbox:
    """The inbox of a URL, or the default one, for as long as the command runs."""
    inbox = Inbox.open(url or default_url())
    click.get_current_context().call_on_close(inbox.close)
    return inbox


def open_client(options: dict[str, Any]) -> MailchimpClient:
    """A client for the account of `account_options`."""
    names = ("api_key", "access_token", "base_url")
    return MailchimpClient(MailchimpSettings.from_config({name: options[name] for name in names}))
