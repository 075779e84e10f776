"""`mailchimp-webhooks copy`: move the inbox into another database."""

from __future__ import annotations

from typing import Any

import click
from kinetic_mailchimp.kit.database.copy_rows import copy_rows
from kinetic_mailchimp.kit.settings.options import empty_database_option

from tap_mailchimp_webhooks.cli.options import open_inbox, options_of, read_options
from tap_mailchimp_webhooks.inbox.settings import InboxSettings
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.inbox.tables import identity, metadata


@click.command()
@options_of(InboxSettings)
@empty_database_option
def copy(*, url: str, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Copy the inbox into an empty database, such as PostgreSQL; bookmarks stay valid.

    Stop the receiver before: what it stores meanwhile is not copied.
    """
    inbox = open_inbox(read_options(InboxSettings, options))
    target = Inbox.open(url).database
    try:
        count = copy_rows(inbox.database, target, metadata, replaced=[identity])
    finally:
        target.close()
    click.echo(f"Copied: {count:,} rows to {target}. Set MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL to it.")
