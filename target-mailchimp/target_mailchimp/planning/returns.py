"""Asks Mailchimp for the return of a person of whom the ledger knows nothing."""

from __future__ import annotations

import logging

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.mailchimp import MailchimpClient
from kinetic_mailchimp.mailchimp.api import LARGEST_PAGE

logger = logging.getLogger(__name__)


def returned_at(client: MailchimpClient, list_id: str, member_id: str) -> str:
    """When a person came back who once unsubscribed by their own act: Mailchimp's history remembers it.

    Asked where the audit database is lost, or the member is new to it; empty where nothing shows it.

    Args:
        client: Of the account.
        list_id: The audience.
        member_id: The id by which the API knows the member.
    """
    path = f"lists/{list_id}/members/{member_id}/activity-feed"
    try:
        feed = client.get(path, activity_filters="unsub", count=LARGEST_PAGE).get("activity") or ()
        if all(line.get("is_admin_unsubscribed", True) for line in feed):
            return ""
        shown = client.member(list_id, member_id, fields=("timestamp_opt",))
    except DataError as error:
        # A doubt keeps the opt-out.
        logger.warning("The history of a member cannot be read: %s", error)
        return ""
    return str(shown.get("timestamp_opt") or "")
