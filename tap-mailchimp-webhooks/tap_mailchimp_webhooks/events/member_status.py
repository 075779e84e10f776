"""Mailchimp's statuses of a member, and the events that lead to them."""

from __future__ import annotations

from collections.abc import Mapping

SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
CLEANED = "cleaned"
ARCHIVED = "archived"

EVENT_OF: Mapping[str, tuple[str, Mapping[str, str]]] = {
    UNSUBSCRIBED: ("unsubscribe", {"action": "unsub", "reason": "manual"}),
    ARCHIVED: ("unsubscribe", {"action": "delete", "reason": "manual"}),
    CLEANED: ("cleaned", {"reason": "hard"}),
    SUBSCRIBED: ("subscribe", {}),
}
"""By the status that Mailchimp shows: the type and the further data of the event that leads to it."""
