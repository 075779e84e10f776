"""Options that several commands of `mailchimp-webhooks` have, and what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from kinetic_mailchimp.kit.settings import options as kit_options
from kinetic_mailchimp.kit.settings.declaration import read, setting
from kinetic_mailchimp.kit.settings.from_text import names_in
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from kinetic_mailchimp.mailchimp.audiences import audience_ids

from tap_mailchimp_webhooks.inbox.database import default_url
from tap_mailchimp_webhooks.inbox.settings import InboxSettings
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.settings import AudienceSettings
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecretSettings

Command = TypeVar("Command", bound=Callable[..., Any])
Options = TypeVar("Options")

PREFIX = "MAILCHIMP_WEBHOOKS"
LIST_ID = "list_id"


@dataclass(frozen=True)
class AccountOptions(InboxSettings, AudienceSettings, MailchimpSettings):
    """The account and the inbox that a command works on."""

    def client(self) -> MailchimpClient:
        """A client for the account."""
        return MailchimpClient(MailchimpSettings.from_config(asdict(self)))

    def audiences(self, client: MailchimpClient) -> list[str]:
        """The ids of the audiences to work on: all of the account where none is named.

        Raises:
            ConfigurationError: The account has none of an id.
        """
        return audience_ids(list(client.lists()), self.list_ids)


@dataclass(frozen=True, kw_only=True)
class RegistrationOptions(PathSecretSettings, AccountOptions):
    """The receiver whose webhooks are registered or removed."""

    url: str = setting(description="The public URL of the receiver.")


def options_of(cls: type) -> Callable[[Command], Command]:
    """Decorate a command with the options of a dataclass, which `read_options` fills."""
    return kit_options.options_of(cls, prefix=PREFIX, names={"list_ids": LIST_ID})


def read_options(cls: type[Options], options: Mapping[str, Any]) -> Options:
    """Fill a dataclass with the options of the command that runs.

    Raises:
        click.BadParameter: An audience is empty. Without any, all audiences are meant: a variable of a script
            that came out empty must not lead there.
    """
    context = click.get_current_context()
    is_typed = context.get_parameter_source("list_ids") is ParameterSource.COMMANDLINE
    if is_typed and not all(names_in([value]) for value in options["list_ids"]):
        reason = "is empty; name an audience, or leave the option out for all of them."
        raise click.BadParameter(reason, context, param_hint="'--list-id'")
    return read(cls, options)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def open_inbox(settings: InboxSettings) -> Inbox:
    """Open the inbox that is set, or the default one, until the command ends."""
    inbox = Inbox.open(settings.inbox_database_url or default_url())
    click.get_current_context().call_on_close(inbox.database.close)
    return inbox
