"""Deletes expired events while the receiver runs."""

from __future__ import annotations

import asyncio
import logging

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now

from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.inbox.store import Inbox

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 3600.0


async def purge_expired_events(inbox: Inbox, retention_days: int) -> None:
    """Delete old events every hour, until cancelled; a deletion that has begun is ended first."""
    readers = Readers(inbox.database)
    while retention_days:
        deleting = asyncio.ensure_future(asyncio.to_thread(readers.delete_before, utc_now(), retention_days))
        try:
            deleted = await asyncio.shield(deleting)
        except asyncio.CancelledError:
            # The database is closed next: the thread gives its connection back before.
            await asyncio.wait([deleting])
            raise
        except ConnectorError as error:
            logger.error("Old events were not deleted: %s", error)  # noqa: TRY400 (the advice is in it)
        else:
            logger.info("Deleted %d events that are older than %d days.", deleted, retention_days)
        await asyncio.sleep(PAUSE_SECONDS)
