"""`connector-secrets`: makes keys, encrypts and decrypts settings."""

from __future__ import annotations

import sys

import click
from cryptography.fernet import Fernet

from connector_kit.errors import ConfigurationError
from connector_kit.secrets import SecretBox


@click.group(help=__doc__)
def commands() -> None:
    """Hold the commands."""


@commands.command()
def keygen() -> None:
    """Print a new key."""
    click.echo(Fernet.generate_key().decode())


@commands.command()
def encrypt() -> None:
    """Read a secret (asked for, or from standard input) and print it as `enc:…`."""
    clear = click.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().rstrip("\n")
    click.echo(SecretBox.from_environment().encrypt(clear))


@commands.command()
@click.argument("value")
def decrypt(value: str) -> None:
    """Print the secret that `enc:…` holds."""
    click.echo(SecretBox.from_environment().decrypt(value))


def main() -> None:
    """Run the command line; an error of the configuration is one line on stderr and exit status 2."""
    try:
        commands()
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
