"""The command `mailchimp-webhooks`: serves the receiver and looks after the webhooks at Mailchimp."""

from __future__ import annotations

import logging
import secrets
import sys

import click
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.project import env_file, load_env_file
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared

from tap_mailchimp_webhooks.cli.copy import copy
from tap_mailchimp_webhooks.cli.person import erase, export
from tap_mailchimp_webhooks.cli.registration import register, rotate_secret, unregister
from tap_mailchimp_webhooks.cli.serve import serve
from tap_mailchimp_webhooks.cli.watch import catch_up, events, status

SECRET_BYTES = 32


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


@click.group()
@click.version_option(package_name="tap-mailchimp-webhooks")
def commands() -> None:
    """Receive Mailchimp's webhooks and look after them.

    Every setting can be given as a variable, also in the .env of the project.
    """


@commands.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))


for command in (serve, register, rotate_secret, unregister, catch_up, status, events, export, erase, copy):
    commands.add_command(command)
