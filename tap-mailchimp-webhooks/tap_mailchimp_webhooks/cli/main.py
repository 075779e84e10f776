"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import logging
import sys

import click
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.lazy_group import LazyCommand, LazyGroup
from kinetic_mailchimp.kit.private_files import warn_if_shared
from kinetic_mailchimp.kit.project import env_file, load_env_file
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs

_CLI = "tap_mailchimp_webhooks.cli"

COMMANDS = {
    "catch-up": LazyCommand(f"{_CLI}.watch", "Ask Mailchimp for what no webhook reported."),
    "copy": LazyCommand(f"{_CLI}.copy", "Copy the inbox into an empty database, such as PostgreSQL."),
    "erase": LazyCommand(f"{_CLI}.person", "Remove the events about a person from the inbox."),
    "events": LazyCommand(f"{_CLI}.watch", "Print the ids of the events that webhooks delivered."),
    "export": LazyCommand(f"{_CLI}.person", "Print the events about a person, one JSON object a line."),
    "register": LazyCommand(f"{_CLI}.registration", "Make sure that each audience has the webhook."),
    "rotate-secret": LazyCommand(f"{_CLI}.registration", "Move the webhooks to the first path secret."),
    "secret": LazyCommand(f"{_CLI}.secret", "Print a new path secret."),
    "serve": LazyCommand(f"{_CLI}.serve", "Receive webhooks: store each, then answer."),
    "status": LazyCommand(f"{_CLI}.watch", "Compare what is registered with what arrived."),
    "unregister": LazyCommand(f"{_CLI}.registration", "Remove the webhooks of this receiver."),
}


def main() -> None:
    """Run the command line; an error that is understood ends it with one readable line and status 1."""
    mask_logs()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    warn_if_shared(env_file())
    try:
        load_env_file()
        commands.main(standalone_mode=True)
    except ConnectorError as error:
        click.echo(MASKER.mask(f"Error: {error}"), err=True)
        sys.exit(1)


@click.group(cls=LazyGroup, lazy=COMMANDS)
@click.version_option(package_name="tap-mailchimp-webhooks")
def commands() -> None:
    """Receive Mailchimp's webhooks and look after them.

    Every setting can be given as a variable, also in the .env of the project.
    """
