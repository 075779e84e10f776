"""Mailchimp's statuses of a member, the events that lead to them, and a member in the shape of an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

from tap_mailchimp_webhooks.events.event import FORGOTTEN_DOMAIN

SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
CLEANED = "cleaned"
ARCHIVED = "archived"
OPTED_IN_AT = "timestamp_opt"
"""The attribute that tells when a member opted in last."""

EVENT_OF: Mapping[str, tuple[str, Mapping[str, str]]] = {
    UNSUBSCRIBED: ("unsubscribe", {"action": "unsub", "reason": "manual"}),
    ARCHIVED: ("unsubscribe", {"action": "delete", "reason": "manual"}),
    CLEANED: ("cleaned", {"reason": "hard"}),
    SUBSCRIBED: ("subscribe", {}),
}
"""By the status that Mailchimp shows: the type and the further data of the event that leads to it."""


def member_data(member: Mapping[str, Any], list_id: str) -> dict[str, Any]:
    """The `data` of a webhook about a member."""
    address = str(member["email_address"])
    merges = {tag: _as_text(value) for tag, value in (member.get("merge_fields") or {}).items()}
    data: dict[str, Any] = {
        "list_id": list_id,
        "email": address,
        "web_id": str(member.get("web_id") or ""),
        "merges": {"EMAIL": address, **merges},
    }
    if member.get("unsubscribe_reason"):
        data["unsubscribe_reason"] = str(member["unsubscribe_reason"])
    return data


def _as_text(value: object) -> object:
    """A value as a webhook has it: numbers as text, an address part by part."""
    return value if isinstance(value, (dict, list)) else str(value)


def time_in(document: Mapping[str, Any], name: str) -> datetime | None:
    """The timestamp under a name in a document of Mailchimp; None where it is not one."""
    try:
        return parse_timestamp(str(document.get(name) or ""))
    except ValueError:
        return None


def has_address(member: Mapping[str, Any]) -> bool:
    """False for a member that Mailchimp deleted permanently, which has no address of its own any more."""
    address = str(member.get("email_address") or "")
    return bool(address) and not address.lower().endswith(FORGOTTEN_DOMAIN)
