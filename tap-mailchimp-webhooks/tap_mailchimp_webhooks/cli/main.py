"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import logging
import secrets
import sys
from pathlib import Path

import click
from dotenv import load_dotenv
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.private_files import warn_if_shared
from kinetic_mailchimp.kit.redaction import MASKER, mask_logs

from tap_mailchimp_webhooks.cli.copy import copy
from tap_mailchimp_webhooks.cli.person import erase, export
from tap_mailchimp_webhooks.cli.registration import register, rotate_secret, unregister
from tap_mailchimp_webhooks.cli.serve import serve
from tap_mailchimp_webhooks.cli.watch import catch_up, events, status

logger = logging.getLogger(__name__)

SECRET_BYTES = 32


def main() -> None:
    """Run the command line; an error that is understood ends it with one readable line and status 1."""
    mask_logs()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    warn_if_shared(Path.cwd() / ".env")
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

    Every setting can be given as a variable, also in the .env of this folder.
    """


@commands.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))


for command in (serve, register, rotate_secret, unregister, catch_up, status, events, export, erase, copy):
    commands.add_command(command)
