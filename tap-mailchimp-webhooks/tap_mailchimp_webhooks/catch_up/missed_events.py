"""Decides which events are missing for a member, given its present status and the events that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp
from kinetic_mailchimp.mailchimp import consent_facts

from tap_mailchimp_webhooks.events.event import (
    CATCH_UP,
    WEBHOOK,
    Arrival,
    event_id_of,
    rfc3339,
    subject_of,
    to_arrival,
)
from tap_mailchimp_webhooks.events.member_status import (
    ARCHIVED,
    CLEANED,
    EVENT_OF,
    OPTED_IN_AT,
    SUBSCRIBED,
    UNSUBSCRIBED,
    member_data,
)
from tap_mailchimp_webhooks.inbox.store import StoredEvent

OPTED_OUT = (UNSUBSCRIBED, CLEANED, ARCHIVED)

SATISFIED_BY: Mapping[str, frozenset[str]] = {
    UNSUBSCRIBED: frozenset({UNSUBSCRIBED, CLEANED}),
    CLEANED: frozenset({CLEANED}),
    # A person who had opted out before being archived is known as such already.
    ARCHIVED: frozenset(OPTED_OUT),
}
"""By the status that Mailchimp shows: the last known statuses that need no further event."""


@dataclass(frozen=True)
class Missed:
    """An event that no webhook reported: its type and its data, in a webhook's shape."""

    type: str
    data: Mapping[str, Any]


def from_catch_up(
    event_type: str, data: Mapping[str, Any], occurred_at: datetime, found_at: datetime
) -> Arrival:
    """Bring an event that no webhook reported into the form in which one would have come.

    Args:
        event_type: One of the contact events.
        data: As a webhook's `data`; with `email` and `list_id`.
        occurred_at: Mailchimp's time of the change.
        found_at: The time at which it was noticed.
    """
    person = {"email": email_key(str(subject_of(event_type, data))), "list_id": data.get("list_id")}
    event_id = event_id_of({"origin": CATCH_UP, "type": event_type, "at": rfc3339(occurred_at), **person})
    return to_arrival(
        event_id, event_type, data, occurred_at=occurred_at, received_at=found_at, origin=CATCH_UP
    )


def missed_opt_out(member: Mapping[str, Any], list_id: str, known: Sequence[StoredEvent]) -> Missed | None:
    """The event that is missing for a member who opted out, bounced or was archived."""
    status = str(member.get("status"))
    if status not in SATISFIED_BY or status_after(known) in SATISFIED_BY[status]:
        return None
    event_type, details = EVENT_OF[status]
    # It holds consent alone: a profile as old as the opt-out must not reach another system as news.
    data = {**member_data(member, list_id), **consent_facts(member)}
    return Missed(event_type, {**data, "merges": {}, **details})


def missed_return(member: Mapping[str, Any], list_id: str, known: Sequence[StoredEvent]) -> Missed | None:
    """The event that is missing for a subscribed member who opted in after the opt-out that is known last.

    A return may have been told as a profile, which does not say so.
    """
    about_consent = [event for event in known if event.type != "profile"]
    if status_after(about_consent) not in OPTED_OUT:
        return None
    left_at = about_consent[-1].claimed_at or about_consent[-1].occurred_at
    if str(member.get(OPTED_IN_AT) or "") <= left_at:
        return None
    # It holds consent alone, as an opt-out that was missed does.
    data = {**member_data(member, list_id), **consent_facts(member)}
    return Missed("subscribe", {**data, "merges": {}})


def missed_move(member: Mapping[str, Any], list_id: str, former_address: str) -> Missed:
    """The event that is missing for a member who had another address before."""
    data = member_data(member, list_id)
    moved = {
        "list_id": list_id,
        "web_id": data["web_id"],
        "old_email": former_address,
        "new_email": data["email"],
    }
    return Missed("upemail", moved)


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
        since: Earlier changes are not looked for; RFC 3339, UTC.
        former_address: The address in the last event of the same contact, if it was another.
    """
    data = member_data(member, list_id)
    if former_address is not None:
        return [missed_move(member, list_id, former_address), Missed("profile", data)]
    is_new = str(member.get(OPTED_IN_AT) or "") > since if not known else status_after(known) in OPTED_OUT
    if is_new or missed_return(member, list_id, known):
        return [Missed("subscribe", {**data, **consent_facts(member)})]
    told = (event.data.get("merges") for event in reversed(known))
    # A delivery that nobody signed may hold anything under this name.
    last_merges: Mapping[str, Any] = next((one for one in told if one and isinstance(one, dict)), {})
    return [] if same_merges(last_merges, data["merges"]) else [Missed("profile", data)]


def status_after(known: Sequence[StoredEvent]) -> str | None:
    """The status that a person's events, oldest first, lead to; None where they leave it open.

    A profile event leaves it open: the return of a person who had left may arrive as one.
    """
    if not known:
        return None
    last = known[-1]
    if last.type == "unsubscribe":
        return ARCHIVED if last.data.get("action") == "delete" else UNSUBSCRIBED
    return {"subscribe": SUBSCRIBED, "cleaned": CLEANED}.get(last.type)


def superseded_by_webhook(known: Sequence[StoredEvent], last_sequence: int) -> bool:
    """True if a webhook about a person arrived after the listing was asked for: then the listing is older.

    Args:
        known: The events of the person.
        last_sequence: The last one of the inbox before the listing was asked for. Times would not do: the
            receiver's clock is another than Mailchimp's and than ours.
    """
    return any(event.origin == WEBHOOK and event.sequence > last_sequence for event in known)


def not_before_last_event(known: Sequence[StoredEvent], occurred_at: datetime) -> datetime:
    """The time of an event that a listing calls for: never before what was known when the listing was read.

    A webhook may be dated some seconds after the change that it reports. A change that followed at once would
    look older than that, and be taken for superseded.

    Args:
        known: The events of the person, oldest first.
        occurred_at: Mailchimp's time of the change.
    """
    if not known:
        return occurred_at
    return max(occurred_at, parse_timestamp(known[-1].occurred_at) + timedelta(seconds=1))


def same_merges(of_event: Mapping[str, Any], of_member: Mapping[str, Any]) -> bool:
    """True if the merge fields of an event are those of a member; groups are in webhooks alone.

    Args:
        of_event: As the event has them, with groups.
        of_member: As the member has them now.
    """
    return all(of_event.get(tag, "") == value for tag, value in of_member.items())
