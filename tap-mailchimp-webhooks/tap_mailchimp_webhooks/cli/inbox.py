"""`mailchimp-webhooks copy`, `export` and `erase`: the inbox as a whole, and what it holds of one person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from kinetic_mailchimp.kit.database.copy_rows import copy_rows
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.settings.options import empty_database_option

from tap_mailchimp_webhooks.cli.options import open_inbox, options_of, read_options
from tap_mailchimp_webhooks.inbox.person import events_of, remove, unread
from tap_mailchimp_webhooks.inbox.settings import InboxSettings
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent
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


email_option = click.option("--email", required=True, help="The person's address.")


@click.command()
@options_of(InboxSettings)
@email_option
def export(*, email: str, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Print the events about a person, one JSON object a line."""
    inbox = open_inbox(read_options(InboxSettings, options))
    found = events_of(inbox, email)
    for event in found:
        click.echo(json.dumps({"where": "inbox", **asdict(event)}))
    click.echo(_told("Found", found), err=True)


@click.command()
@options_of(InboxSettings)
@email_option
@click.option("--with-unread", is_flag=True, help="Give up events that no pipeline has read yet, too.")
@click.confirmation_option(prompt="Remove this person's events from the inbox, for good?")
def erase(*, email: str, with_unread: bool, **options: Any) -> None:  # noqa: ANN401 (click's)
    """Remove the events about a person from the inbox."""
    inbox = open_inbox(read_options(InboxSettings, options))
    found = events_of(inbox, email)
    waiting = unread(inbox, found)
    if waiting and not with_unread:
        raise DataError(
            f"{waiting} events about this person wait to be read; an opt-out may be among them.",
            advice="Run the pipeline first (meltano run reverse), or erase with --with-unread.",
        )
    remove(inbox, found)
    click.echo(_told("Erased", found))


def _told(done: str, found: Sequence[StoredEvent]) -> str:
    kinds = Counter(event.type for event in found)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{done} in the inbox: {len(found)} events" + (f" ({listed})." if listed else ".")
