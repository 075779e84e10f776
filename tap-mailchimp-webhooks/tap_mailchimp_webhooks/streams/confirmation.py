"""Confirms events of deliveries that nobody signed, by what Mailchimp shows of the person at present.

Anyone who knows the path secret can post an event. An opt-out that was made up does little harm; a
subscription takes back a flag, and a changed address or profile overwrites what another system has.
"""

from __future__ import annotations

import logging
import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError, NotFoundError
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.parsing.timestamps import Clock, parse_timestamp, utc_now
from kinetic_mailchimp.mailchimp import MailchimpClient

from tap_mailchimp_webhooks.events.event import (
    CATCH_UP,
    WEBHOOK,
    rfc3339,
    subject_of,
    text_of,
)
from tap_mailchimp_webhooks.events.member_status import ARCHIVED, SUBSCRIBED, member_data
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent

logger = logging.getLogger(__name__)

CONFIRMED = "confirmed"
REFUTED = "refuted"
TYPES = frozenset({"subscribe", "profile", "upemail"})
"""Types of events that are irreversible, or take a flag back."""

MOST_SINGLE = 25
"""People who are asked for one by one; more of them are read as a listing of those that changed lately."""
LATELY = timedelta(hours=4)
"""Before the first of them arrived: Mailchimp repeats a delivery for 75 minutes, and clocks differ."""
MOST_FAILURES = 3
"""Members that cannot be read before the others are left for the next time."""
MOST_CHANGES = 5
"""Changes of one address that are followed, each by a query of the inbox."""
LONGEST_WAIT = timedelta(days=7)
"""An event waits for Mailchimp's answer for so long; then it is refuted."""

FIELDS = ("id", "email_address", "unique_email_id", "web_id", "status", "merge_fields", "last_changed")

Members = dict[str, Mapping[str, Any] | None]
"""By lower-cased address: the member, None for nobody; none while Mailchimp does not answer."""


class Confirmer:
    """Reads the members that unsigned events are about."""

    def __init__(self, client: MailchimpClient, inbox: Inbox, now: Clock = utc_now) -> None:
        self._client = client
        self._inbox = inbox
        self._now = now
        self.failure: ConnectorError | None = None
        """The first one for which an event was postponed."""

    def confirm(self, batch: Sequence[StoredEvent]) -> list[StoredEvent]:
        """The events of a batch that can be emitted.

        One that is confirmed has the values that Mailchimp shows, whatever it said. One about which Mailchimp
        does not answer goes to the end of the inbox: it must not keep an opt-out behind it waiting.
        """
        by_list: dict[str, list[StoredEvent]] = defaultdict(list)
        for event in batch:
            if needs_confirmation(event) and event.list_id:
                by_list[event.list_id].append(event)
        judged: dict[int, StoredEvent] = {}
        for list_id, some in by_list.items():
            judged.update(self._judge(list_id, some))
        ready, postponed = [], []
        for event in batch:
            if not needs_confirmation(event):
                ready.append(event)
            elif not event.list_id:
                ready.append(replace(event, confirmation=REFUTED))
            elif event.sequence in judged:
                ready.append(judged[event.sequence])
            elif self._now() - parse_timestamp(event.received_at) > LONGEST_WAIT:
                ready.append(replace(event, confirmation=REFUTED))
            else:
                postponed.append(event.sequence)
        if postponed:
            logger.warning("%d unsigned events wait for the next run: %s", len(postponed), self.failure)
            self._inbox.requeue(postponed)
        return ready

    def _judge(self, list_id: str, some: Sequence[StoredEvent]) -> dict[int, StoredEvent]:
        final, changes = self._final_changes(list_id, some)
        subjects = {event.sequence: email_key(str(subject_of(event.type, event.data))) for event in some}
        addresses = {sequence: _new_key(last) for sequence, last in final.items()}
        members = self._members(list_id, [*subjects.values(), *addresses.values()], some)
        known = self._inbox.about(list_id, [subjects[sequence] for sequence in final])
        # The number of a contact outlives a change of its address, as by a forward run before this one.
        gone = {
            number
            for event in some
            if event.type != "upemail"
            and members.get(subjects[event.sequence], event) is None
            and (number := _number_of(event.data))
        }
        renamed = self._changed_lately(list_id, some, _number_of, gone) if gone else {}
        judged: dict[int, StoredEvent] = {}
        for event in some:
            subject = subjects[event.sequence]
            if not {subject, addresses.get(event.sequence, subject)} <= members.keys():
                continue
            member = members[subject]
            if event.type == "upemail":
                last, moved = final[event.sequence], members[addresses[event.sequence]]
                web_ids = _web_ids(known.get(subject, ()), event)
                is_taken = _led_to(last, moved) and any(
                    _has_taken(change, subject, event) and _led_to(change, member) for change in changes
                )
                is_true = is_moved(member, moved, web_ids, is_taken=is_taken)
                judged[event.sequence] = _with(event, is_true=is_true)
            elif member or _number_of(event.data) not in gone:
                judged[event.sequence] = _as_shown(event, member, list_id)
            elif renamed is not None:
                judged[event.sequence] = _as_shown(event, renamed.get(_number_of(event.data)), list_id)
        return judged

    def _final_changes(
        self, list_id: str, some: Iterable[StoredEvent]
    ) -> tuple[dict[int, StoredEvent], list[StoredEvent]]:
        """The change that each one led to in the end, since a person may have changed the address again.

        Returns:
            The last one by sequence, and all changes that were looked at.
        """
        last = {event.sequence: event for event in some if event.type == "upemail"}
        looked_at = dict(last)
        for _ in range(MOST_CHANGES if last else 0):
            about = self._inbox.about(list_id, {_new_key(event) for event in last.values()} - {""})
            for sequence, event in last.items():
                changes = [one for one in about.get(_new_key(event), ()) if one.type == "upemail"]
                looked_at |= {one.sequence: one for one in changes}
                last[sequence] = next((one for one in changes if _is_later(one, event)), event)
        return last, list(looked_at.values())

    def _members(self, list_id: str, addresses: Iterable[str], some: Sequence[StoredEvent]) -> Members:
        missing = {email_key(address): address for address in addresses if address}
        found: Members = {"": None}
        failures = 0
        if len(missing) > MOST_SINGLE:
            found.update(self._changed_lately(list_id, some, _key_of, missing) or {})
        for key, address in missing.items():
            if key in found or failures >= MOST_FAILURES:
                continue
            try:
                found[key] = self._client.find_member(list_id, address, fields=FIELDS)
            except NotFoundError:
                found[key] = None
            except ConnectorError as error:
                failures += 1
                self.failure = self.failure or error
        return found

    def _changed_lately(
        self,
        list_id: str,
        some: Sequence[StoredEvent],
        key_of: Callable[[Mapping[str, Any]], str],
        wanted: Collection[str],
    ) -> dict[str, Mapping[str, Any]] | None:
        """The wanted ones of the members that changed lately, by their keys; None without an answer."""
        since = min(parse_timestamp(event.received_at) for event in some) - LATELY
        try:
            listed = self._client.members(list_id, fields=FIELDS, since_last_changed=rfc3339(since))
            return {key: member for member in listed if (key := key_of(member)) in wanted}
        except ConnectorError as error:
            self.failure = self.failure or error
            return None


def _key_of(member: Mapping[str, Any]) -> str:
    return email_key(str(member.get("email_address") or ""))


def _number_of(values: Mapping[str, Any]) -> str:
    """Mailchimp's number of the contact, which a member and its events have; empty without one."""
    return str(values.get("web_id") or "")


def needs_confirmation(event: StoredEvent) -> bool:
    """True for an event that Mailchimp must confirm before it is applied."""
    return event.origin == WEBHOOK and not event.is_signed and event.type in TYPES


def is_moved(
    former: Mapping[str, Any] | None,
    moved: Mapping[str, Any] | None,
    web_ids: set[str],
    *,
    is_taken: bool = False,
) -> bool:
    """True if a member is under its new address and under no other, as far as is known the same contact.

    Args:
        former: The member with the address before.
        moved: The one with the address that it led to.
        web_ids: The numbers of the contact, as far as they are known from before.
        is_taken: Whether another contact is known to have taken the address before since, as in a swap.
    """
    if moved is None or moved.get("status") == ARCHIVED:
        return False
    if former is not None and former.get("status") != ARCHIVED and not is_taken:
        return False
    if former is not None and is_taken and str(former.get("web_id")) in {*web_ids, str(moved.get("web_id"))}:
        return False
    return not web_ids or str(moved.get("web_id")) in web_ids


def _has_taken(change: StoredEvent, address: str, event: StoredEvent) -> bool:
    """True if a change led to the address that another one left, soon after it."""
    received = (parse_timestamp(one.received_at) for one in (change, event))
    return _new_key(change) == address and _is_later(change, event) and abs(operator.sub(*received)) <= LATELY


def _led_to(change: StoredEvent, member: Mapping[str, Any] | None) -> bool:
    """True if a change names Mailchimp's id of the address that a member has: who makes one up knows none."""
    new_id = text_of(change.data, "new_id")
    return bool(new_id and member and member.get("unique_email_id") == new_id)


def _new_key(event: StoredEvent) -> str:
    return email_key(text_of(event.data, "new_email") or "")


def _is_later(event: StoredEvent, than: StoredEvent) -> bool:
    """Tell whether an event happened after another one, as far as is known: they may arrive in any order.

    A time that was cut to the receipt is of another clock, and says nothing beside one of Mailchimp's.
    """
    if bool(event.claimed_at) is not bool(than.claimed_at):
        return event.sequence > than.sequence
    mine, other = ((one.claimed_at or one.occurred_at, one.sequence) for one in (event, than))
    return mine > other


def _web_ids(known: Sequence[StoredEvent], event: StoredEvent) -> set[str]:
    """The numbers that events have from before a change, those of trusted ones where there are any.

    Where the change claims to be older than all of them, those count that arrived before it: the maker of a
    forged event can choose its time.
    """
    numbered = [one for one in known if one.data.get("web_id")]
    earlier = [one for one in numbered if _is_later(event, one)]
    earlier = earlier or [one for one in numbered if one.sequence < event.sequence]
    trusted = [one for one in earlier if one.is_signed or one.origin == CATCH_UP]
    return {str(one.data["web_id"]) for one in trusted or earlier}


def _as_shown(event: StoredEvent, member: Mapping[str, Any] | None, list_id: str) -> StoredEvent:
    """A subscription or a profile with the address and the values that Mailchimp shows, but for groups.

    The address, too: a forged event may name the number of a person who has another one.
    """
    if member is None or member.get("status") != SUBSCRIBED:
        return _with(event, is_true=False)
    shown = member_data(member, list_id)["merges"]
    told = event.data.get("merges")
    merges = {tag: shown[tag] for tag in (told if isinstance(told, dict) else ()) if tag in shown}
    address = str(event.data.get("email") or "")
    if email_key(address) != _key_of(member):
        address = str(member["email_address"])
    return replace(_with(event, is_true=True), data={**event.data, "email": address, "merges": merges})


def _with(event: StoredEvent, *, is_true: bool) -> StoredEvent:
    return replace(event, confirmation=CONFIRMED if is_true else REFUTED)
