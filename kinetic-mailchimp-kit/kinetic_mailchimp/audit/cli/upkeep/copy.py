"""The command `copy`: move the trail into another database."""

from __future__ import annotations

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.schema import metadata, properties
from kinetic_mailchimp.kit.database.copy_rows import copy_rows
from kinetic_mailchimp.kit.settings.secret_option import empty_database_option


@click.command()
@empty_database_option
@click.pass_context
def copy(ctx: click.Context, url: str) -> None:
    """Copy the trail and the ledger into an empty database, such as PostgreSQL; it verifies there too.

    Stop every run before: what they write meanwhile is not copied.
    """
    with opened(ctx) as trail:
        target = Database(url)
        try:
            count = copy_rows(trail.database, target, metadata, replaced=[properties])
        finally:
            target.close()
        click.echo(f"Copied: {count:,} rows to {target}. Set AUDIT_DATABASE_URL to it.")
