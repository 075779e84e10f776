"""Finds what no webhook reported: asks Mailchimp which members changed, and stores the missing events."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import Clock, utc_now
from kinetic_mailchimp.mailchimp import CONSENT_FACTS, MailchimpClient
from kinetic_mailchimp.mailchimp.api import LARGEST_PAGE
from msgspec.structs import replace

from tap_mailchimp_webhooks.catch_up.departures import Departures
from tap_mailchimp_webhooks.catch_up.missed_events import (
    OPTED_OUT,
    Missed,
    from_catch_up,
    missed_change,
    missed_move,
    missed_opt_out,
    missed_return,
    not_before_last_event,
    superseded_by_webhook,
)
from tap_mailchimp_webhooks.catch_up.watermarks import Watermarks
from tap_mailchimp_webhooks.events.event import rfc3339
from tap_mailchimp_webhooks.events.member_status import OPTED_IN_AT, SUBSCRIBED, member_data, time_in
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""Read again each time: what Mailchimp dates before the last catch-up but showed only after it."""

WITHOUT_BACKFILL = timedelta(days=1)
NOTED_AGAIN = timedelta(days=30)
"""Notes about contacts expire like events, after a year as a rule."""

FIELDS = (
    "id",
    "email_address",
    "web_id",
    "status",
    "merge_fields",
    *CONSENT_FACTS,
)


@dataclass(frozen=True)
class CatchUpSettings:
    """The scope of a catch-up.

    Attributes:
        list_ids: The audiences; all of the account without any.
        all_changes: Also look for subscriptions, profiles and changed addresses.
        backfill: Let the first one look at all opt-outs, however old.
    """

    list_ids: tuple[str, ...] = ()
    all_changes: bool = False
    backfill: bool = True


class CatchUp:
    """Looks for missed events."""

    def __init__(
        self,
        client: MailchimpClient,
        inbox: Inbox,
        settings: CatchUpSettings,
        now: Clock = utc_now,
    ) -> None:
        self._client = client
        self._inbox = inbox
        self._settings = settings
        self._watermarks = Watermarks(inbox.database)
        self._now = now

    def run(self) -> int:
        """Look once at every audience.

        Returns:
            The number of events that were missing.

        Raises:
            ConnectorError: Mailchimp did not answer; the events that were found before are stored, and the
                next catch-up begins where this one began. The other audiences were looked at all the same;
                of several failures it is the first.
        """
        list_ids = self._settings.list_ids or [str(found["id"]) for found in self._client.lists()]
        found, failures = 0, []
        for list_id in list_ids:
            try:
                found += self._audience(list_id)
            except Exception as error:  # noqa: BLE001 (one audience must not keep the others waiting)
                logger.warning("Catch-up of audience %s failed: %s", list_id, reason_of(error))
                failures.append(error)
        if failures:
            raise failures[0]
        return found

    def _audience(self, list_id: str) -> int:
        until = self._client.server_time()
        since = self._since(list_id, until)
        audience = _Audience(self._client, self._inbox, list_id)
        found = 0
        failures = []
        for status in OPTED_OUT:
            try:
                for mark, members in self._members(list_id, since, status=status):
                    found += self._store(audience.opt_outs(members, mark, until))
            except ConnectorError as error:
                # People of the other statuses opted out, too.
                failures.append(error)
        if failures:
            raise failures[0]
        start = since or until - WITHOUT_BACKFILL
        if self._settings.all_changes:
            for mark, members in self._members(list_id, start, status=SUBSCRIBED):
                found += self._store(audience.changes(members, mark, until, rfc3339(start)))
            self._note_contacts(list_id, start, until)
        else:
            for mark, members in self._members(
                list_id, None, status=SUBSCRIBED, since_timestamp_opt=rfc3339(start)
            ):
                found += self._store(audience.returns(members, mark))
        # Of two clocks the one behind: a date in the future would hide every opt-out until then.
        now = self._now()
        self._watermarks.put(list_id, min([until, now, *audience.skipped_at]), now)
        if found:
            logger.info("Catch-up of audience %s: %d events that no webhook reported.", list_id, found)
        return found

    def _note_contacts(self, list_id: str, start: datetime, until: datetime) -> None:
        """Note contacts that did not change since `start`, and that no event is about, without emitting them.

        A later change of their address shows then.
        """
        noted = f"{list_id}/contacts"
        last = self._watermarks.get(noted)
        if last is not None and until - last < NOTED_AGAIN:
            return
        before = {"status": SUBSCRIBED, "before_last_changed": rfc3339(start)}
        for _, members in self._members(list_id, None, **before):
            known = self._inbox.about(list_id, [str(member["email_address"]) for member in members])
            found_at = self._now()
            arrivals = [
                from_catch_up("profile", member_data(member, list_id), _changed_at(member) or start, found_at)
                for member in members
                if member["email_address"] not in known
            ]
            self._inbox.store([replace(arrival, stream=None) for arrival in arrivals])
        self._watermarks.put(noted, until, self._now())

    def _since(self, list_id: str, until: datetime) -> datetime | None:
        watermark = self._watermarks.get(list_id)
        if watermark is not None:
            return watermark - OVERLAP
        return None if self._settings.backfill else until - WITHOUT_BACKFILL

    def _members(
        self,
        list_id: str,
        since: datetime | None,
        **filters: Any,  # noqa: ANN401 (those of the listing)
    ) -> Iterator[tuple[int, Sequence[Mapping[str, Any]]]]:
        """Read pages of members, each with the last sequence of the inbox before it was asked for."""
        if since is not None:
            filters["since_last_changed"] = rfc3339(since)
        listed = self._client.members(list_id, fields=FIELDS, page_size=LARGEST_PAGE, **filters)
        # A member that has lost its address has none that an event could name.
        members = (member for member in listed if member.get("email_address"))
        before = mark = self._inbox.last_sequence()
        while some := [_in_utc(member) for member in itertools.islice(members, LARGEST_PAGE)]:
            # The first of them may be the rest of a page that was asked for with the ones before.
            yield before, some
            before, mark = mark, self._inbox.last_sequence()

    def _store(self, missed: Iterable[tuple[Missed, datetime]]) -> int:
        found_at = self._now()
        arrivals = [
            from_catch_up(event.type, event.data, occurred_at, found_at) for event, occurred_at in missed
        ]
        return sum(self._inbox.store(arrivals)) if arrivals else 0


class _Audience:
    """One audience in one catch-up."""

    def __init__(self, client: MailchimpClient, inbox: Inbox, list_id: str) -> None:
        self._client = client
        self._inbox = inbox
        self._list_id = list_id
        self._departures = Departures(client, list_id)
        self.skipped_at: list[datetime] = []
        """Changes of members of whom a webhook knows more: the next catch-up must look at them again."""

    def opt_outs(
        self, members: Sequence[Mapping[str, Any]], mark: int, until: datetime
    ) -> Iterator[tuple[Missed, datetime]]:
        """The missing events of members who left, with their times.

        Args:
            members: As Mailchimp lists them.
            mark: The last sequence of the inbox before they were listed.
            until: Mailchimp's time before they were listed, for a member without a time of its own.
        """
        known = self._known(members)
        former = self._former(members, known)
        for member in members:
            events = known.get(member["email_address"], ())
            missed = missed_opt_out(member, self._list_id, events)
            if missed is None or self._skip(member, events, mark):
                continue
            explained, occurred_at = self._departures.explained(missed, member, _changed_at(member))
            at = not_before_last_event(events, occurred_at or until)
            if before := former.get(str(member.get("web_id"))):
                # Other systems know the person by the old address alone.
                yield missed_move(member, self._list_id, before), at
            yield explained, at

    def returns(self, members: Sequence[Mapping[str, Any]], mark: int) -> Iterator[tuple[Missed, datetime]]:
        """The missing events of members who opted in again after the opt-out that is known, with their times.

        Args:
            members: As Mailchimp lists those who opted in.
            mark: The last sequence of the inbox before they were listed.
        """
        known = self._known(members)
        for member in members:
            events = known.get(member["email_address"], ())
            missed, opted_in_at = missed_return(member, self._list_id, events), time_in(member, OPTED_IN_AT)
            if missed and opted_in_at and not self._skip(member, events, mark):
                yield missed, opted_in_at

    def changes(
        self, members: Sequence[Mapping[str, Any]], mark: int, until: datetime, since: str
    ) -> Iterator[tuple[Missed, datetime]]:
        """The missing events of subscribed members that changed after `since`, with their times.

        Args:
            members: As Mailchimp lists them.
            mark: The last sequence of the inbox before they were listed.
            until: Mailchimp's time before they were listed, for a member without a time of its own.
            since: RFC 3339, UTC.
        """
        known = self._known(members)
        former = self._former(members, known)
        for member in members:
            events = known.get(member["email_address"], ())
            if self._skip(member, events, mark):
                continue
            before = former.get(str(member.get("web_id")))
            for missed in missed_change(member, self._list_id, events, since=since, former_address=before):
                yield missed, not_before_last_event(events, _changed_at(member) or until)

    def _former(self, members: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> dict[str, str]:
        """The addresses that members without events had before, as far as events tell; by their numbers."""
        unknown = [
            str(member["web_id"])
            for member in members
            if member["email_address"] not in known and member.get("web_id")
        ]
        return self._inbox.addresses_of(self._list_id, unknown)

    def _skip(self, member: Mapping[str, Any], events: Sequence[StoredEvent], mark: int) -> bool:
        """Skip a member of whom a webhook knows more, and note it for the next catch-up."""
        if not superseded_by_webhook(events, mark):
            return False
        if changed_at := _changed_at(member):
            self.skipped_at.append(changed_at)
        return True

    def _known(self, members: Sequence[Mapping[str, Any]]) -> dict[str, list[StoredEvent]]:
        return self._inbox.about(self._list_id, [str(member["email_address"]) for member in members])


def reason_of(error: Exception) -> str:
    """The reason of a failed catch-up; of an unforeseen error only the type: its text could name people."""
    return str(error) if isinstance(error, ConnectorError) else type(error).__name__


def _in_utc(member: Mapping[str, Any]) -> dict[str, Any]:
    """A member whose times compare with those of events; one that is not a time is left out."""
    times = {name: time_in(member, name) for name in ("last_changed", OPTED_IN_AT)}
    return {**member, **{name: rfc3339(time) if time else "" for name, time in times.items()}}


def _changed_at(member: Mapping[str, Any]) -> datetime | None:
    return time_in(member, "last_changed")
