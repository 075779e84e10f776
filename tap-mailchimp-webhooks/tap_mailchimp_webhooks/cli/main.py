"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import logging
from typing import Final

import click
from kinetic_mailchimp.kit.command_group import LazyCommand, LazyGroup
from kinetic_mailchimp.kit.project import env_file
from kinetic_mailchimp.kit.redaction.masker import mask_logs
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared

_CLI: Final = "tap_mailchimp_webhooks.cli"

COMMANDS: Final = {
    "catch-up": LazyCommand(
        f"{_CLI}.watch",
        "Ask Mailchimp for what no webhook reported and put it into the inbox, for a schedule of its own.",
    ),
    "copy": LazyCommand(
        f"{_CLI}.inbox", "Copy the inbox into an empty database, such as PostgreSQL; bookmarks stay valid."
    ),
    "erase": LazyCommand(f"{_CLI}.inbox", "Remove the events about a person from the inbox."),
    "events": LazyCommand(
        f"{_CLI}.watch",
        "Print the ids of the events that webhooks delivered, for `sync-audit undo --events -`.",
    ),
    "export": LazyCommand(f"{_CLI}.inbox", "Print the events about a person, one JSON object a line."),
    "register": LazyCommand(
        f"{_CLI}.registration", "Make sure that each audience has the webhook, once, with all events."
    ),
    "rotate-secret": LazyCommand(
        f"{_CLI}.registration",
        "Move the webhooks to the first path secret; the receiver must accept NEW,OLD already.",
    ),
    "secret": LazyCommand(f"{_CLI}.registration", "Print a new path secret."),
    "serve": LazyCommand(f"{_CLI}.serve", "Receive webhooks: store each, then answer."),
    "status": LazyCommand(
        f"{_CLI}.watch",
        "Compare what is registered with what arrived; ends with status 2 when something must be done.",
    ),
    "unregister": LazyCommand(
        f"{_CLI}.registration", "Remove the webhooks of this receiver, those of older secrets included."
    ),
}


@click.group("mailchimp-webhooks", cls=LazyGroup, lazy=COMMANDS)
@click.version_option(package_name="tap-mailchimp-webhooks")
def commands() -> None:
    """Receive Mailchimp's webhooks and look after them.

    Every setting can be given as a variable, also in the .env of the project.
    """


def main() -> None:
    """Run the command line."""
    mask_logs()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    warn_if_shared(env_file())
    commands()
