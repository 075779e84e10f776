"""Lists everyone who is out at present, as Mailchimp shows them: what a comparison with another system needs.

Nothing that is known of events comes in: neither the inbox nor a bookmark is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from kinetic_mailchimp.mailchimp import MailchimpClient

from tap_mailchimp_webhooks.catch_up.missed_events import CLEANED, EVENT_OF, UNSUBSCRIBED
from tap_mailchimp_webhooks.events import FORGOTTEN_DOMAIN, event_id_of, rfc3339

OPT_OUTS = "opt_outs"
LISTED = (UNSUBSCRIBED, CLEANED)
"""Somebody who was archived has opted out of nothing, and is not among them."""

FIELDS = ("id", "email_address", "status", "unsubscribe_reason", "last_changed")


def present_opt_outs(client: MailchimpClient, list_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One record for each member of the audiences who is unsubscribed or cleaned, a page at a time.

    Raises:
        ConnectorError: An audience could not be read to its end: what came so far is not everyone.
    """
    for list_id in list_ids:
        for status in LISTED:
            for member in client.members(list_id, fields=FIELDS, status=status):
                if has_address(member):
                    yield opt_out_record(member, list_id)


def has_address(member: Mapping[str, Any]) -> bool:
    """Whether a member can be told from others; not so those whom Mailchimp deleted for good."""
    address = str(member.get("email_address") or "")
    return bool(address) and not address.lower().endswith(FORGOTTEN_DOMAIN)


def opt_out_record(member: Mapping[str, Any], list_id: str) -> dict[str, Any]:
    """The record of a member, in the shape of the contact event that would tell of this state.

    Args:
        member: As Mailchimp lists it.
        list_id: The audience.
    """
    event_type, details = EVENT_OF[member["status"]]
    changed = str(member.get("last_changed") or "")
    state = {"list_id": list_id, "member": member["id"], "status": member["status"], "at": changed}
    return {
        "event_id": event_id_of({"origin": OPT_OUTS, **state}),
        "type": event_type,
        "reason": details["reason"],
        "email": member["email_address"],
        "list_id": list_id,
        "occurred_at": rfc3339(datetime.fromisoformat(changed)) if changed else None,
        "unsubscribe_reason": member.get("unsubscribe_reason") or None,
    }
