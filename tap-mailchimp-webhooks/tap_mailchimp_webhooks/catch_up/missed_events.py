"""Decides which event a member's present state calls for, given the events that are known of the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tap_mailchimp_webhooks.inbox.store import StoredEvent

SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
CLEANED = "cleaned"
ARCHIVED = "archived"
OPTED_OUT = (UNSUBSCRIBED, CLEANED, ARCHIVED)

SATISFIED_BY: Mapping[str, frozenset[str]] = {
    UNSUBSCRIBED: frozenset({UNSUBSCRIBED, CLEANED}),
    CLEANED: frozenset({CLEANED}),
    # Whoever had opted out before being archived is known as such already.
    ARCHIVED: frozenset(OPTED_OUT),
}
"""By the state that Mailchimp shows: the last known states that need no further event."""

EVENT_OF: Mapping[str, tuple[str, Mapping[str, str]]] = {
    UNSUBSCRIBED: ("unsubscribe", {"action": "unsub", "reason": "manual"}),
    ARCHIVED: ("unsubscribe", {"action": "delete", "reason": "manual"}),
    CLEANED: ("cleaned", {"reason": "hard"}),
    SUBSCRIBED: ("subscribe", {}),
}
"""By the state that Mailchimp shows: the type and the further data of the event that tells of it."""


@dataclass(frozen=True)
class Missed:
    """An event that no webhook told: its type and its data, in a webhook's shape."""

    type: str
    data: Mapping[str, Any]


def missed_opt_out(member: Mapping[str, Any], list_id: str, known: Sequence[StoredEvent]) -> Missed | None:
    """The event that is missing for a member who opted out, bounced or was archived.

    Args:
        member: As Mailchimp lists it.
        list_id: The audience.
        known: The events of the person, oldest first.
    """
    state = str(member.get("status"))
    if state not in SATISFIED_BY or state_after(known) in SATISFIED_BY[state]:
        return None
    event_type, details = EVENT_OF[state]
    # It tells of consent alone: a profile as old as the opt-out must not reach another system as news.
    return Missed(event_type, {**member_data(member, list_id), "merges": {}, **details})


def missed_change(
    member: Mapping[str, Any],
    list_id: str,
    known: Sequence[StoredEvent],
    *,
    since: str,
    former_address: str | None,
) -> list[Missed]:
    """The events that are missing for a subscribed member.

    Args:
        member: As Mailchimp lists it.
        list_id: The audience.
        known: The events of the person, oldest first.
        since: From when on changes are looked for; RFC 3339, UTC.
        former_address: The address under which the same contact was last heard of, if it was another.
    """
    data = member_data(member, list_id)
    if former_address is not None:
        moved = {
            "list_id": list_id,
            "web_id": data["web_id"],
            "old_email": former_address,
            "new_email": data["email"],
        }
        return [Missed("upemail", moved), Missed("profile", data)]
    is_new = str(member.get("timestamp_opt") or "") > since if not known else state_after(known) in OPTED_OUT
    if is_new:
        return [Missed("subscribe", data)]
    told: Mapping[str, Any] = next(
        (event.data["merges"] for event in reversed(known) if event.data.get("merges")), {}
    )
    return [] if same_merges(told, data["merges"]) else [Missed("profile", data)]


def state_after(known: Sequence[StoredEvent]) -> str | None:
    """The state that a person's events lead to; None where they do not say.

    A profile that came last leaves it open: a return of somebody who had left may arrive as one.
    """
    if not known:
        return None
    last = known[-1]
    if last.type == "unsubscribe":
        return ARCHIVED if last.data.get("action") == "delete" else UNSUBSCRIBED
    return {"subscribe": SUBSCRIBED, "cleaned": CLEANED}.get(last.type)


def overtook(known: Sequence[StoredEvent], read_at: datetime) -> bool:
    """Whether a webhook told of a person after the listing was read: then the listing is the older news."""
    return bool(known) and datetime.fromisoformat(known[-1].received_at) > read_at


def after(known: Sequence[StoredEvent], moment: datetime) -> datetime:
    """The time of an event that a listing calls for: never before what was known when the listing was read.

    A webhook may be dated some seconds after the change that it tells. A change that followed at once would
    look older than that, and be taken for superseded.
    """
    if not known:
        return moment
    return max(moment, datetime.fromisoformat(known[-1].occurred_at) + timedelta(seconds=1))


def member_data(member: Mapping[str, Any], list_id: str) -> dict[str, Any]:
    """What a webhook would tell of a member."""
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


def same_merges(told: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the merge fields of an event are those of a member; groups are told by webhooks alone."""
    return all(told.get(tag, "") == value for tag, value in now.items())


def _as_text(value: object) -> object:
    """A webhook tells numbers as text, and an address part by part."""
    return value if isinstance(value, (dict, list)) else str(value)
