"""`mailchimp-webhooks secret`: a new path secret."""

from __future__ import annotations

import secrets

import click

SECRET_BYTES = 32


@click.command()
def secret() -> None:
    """Print a new path secret."""
    click.echo(secrets.token_urlsafe(SECRET_BYTES))
