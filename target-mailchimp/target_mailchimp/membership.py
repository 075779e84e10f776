"""Finds the members of an audience: in the ledger, and in Mailchimp where it must be known for sure."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.kit.errors import NotFoundError
from kinetic_mailchimp.mailchimp import MailchimpClient
from kinetic_mailchimp.mailchimp.client import LARGEST_PAGE
from kinetic_mailchimp.mailchimp.members_walk import MEMBER_FIELDS

from target_mailchimp.contract.member_record import MemberRecord, read_record
from target_mailchimp.state.api_member import state_of_member

logger = logging.getLogger(__name__)

SaveLedger = Callable[[Mapping[str, Mapping[str, Mapping[str, Any] | None]]], None]

_LISTING = "listing"
_OVERLAP = timedelta(seconds=2)
"""A listing begins a little before the last one began: times of Mailchimp have whole seconds."""


class Membership:
    """The states of the members of one audience.

    Args:
        client: The account.
        trail: Holds the ledger.
        save: Stores changes of the ledger.
        list_id: The audience.
    """

    def __init__(self, client: MailchimpClient, trail: AuditTrail, save: SaveLedger, list_id: str) -> None:
        prefix = f"target-mailchimp/{list_id}"
        self.members_namespace = members_namespace(list_id)
        self.sources_namespace = f"{prefix}/sources"
        self.waiting_namespace = f"{prefix}/waiting"
        self._audience_namespace = f"{prefix}/audience"
        self._client = client
        self._save = save
        self._list_id = list_id
        self._members = trail.ledger(self.members_namespace)
        self._sources = trail.ledger(self.sources_namespace)
        self._waiting = trail.ledger(self.waiting_namespace)
        self._audience = trail.ledger(self._audience_namespace)
        self._archived: set[str] | None = None
        self._archived_now: set[str] = set()
        self._listed = False

    def prepare(self) -> None:
        """Read the whole audience when nothing is known: at the first run, or when the ledger is lost."""
        if self._audience.get(_LISTING) is None:
            self._list(since=None)

    def states(self, members: Iterable[str]) -> dict[str, MemberState]:
        """The states that the ledger has, by subscriber hash."""
        return read_members(self._members, members)

    def member_of(self, sources: Iterable[str]) -> dict[str, str]:
        """The subscriber hash that each source row had last."""
        return {key: str(value["member"]) for key, value in self._sources.get_many(sources).items()}

    def rows_of(self, stream: str) -> Iterator[dict[str, MemberState]]:
        """The source rows of a stream that have a member, each with that member, in pages."""
        prefix = f"{stream}/"
        sources = ((key, value) for key, value in self._sources.items() if key.startswith(prefix))
        while page := dict(itertools.islice(sources, LARGEST_PAGE)):
            member_of = {source: value["member"] for source, value in page.items()}
            members = self.states(member_of.values())
            yield {source: members[member] for source, member in member_of.items() if member in members}

    def waiting(self, members: Iterable[str]) -> dict[str, list[MemberRecord]]:
        """The records that came before their people were members, by subscriber hash.

        An opt-out that came before its person keeps the person from becoming a subscriber; a name that came
        first travels when the person becomes a member.
        """
        found = {member: read_rows(rows) for member, rows in self._waiting.get_many(members).items()}
        now_at = self.member_of(row.source for rows in found.values() for row in rows if row.source)
        return {
            member: [row for row in rows if now_at.get(row.source, member) == member]
            for member, rows in found.items()
        }

    def is_archived(self, member: str) -> bool:
        """Tell whether a person is archived: a batch would take the address for new."""
        if self._archived is None:
            listing = self._client.members(self._list_id, fields=("id",), status="archived")
            self._archived = {str(found["id"]) for found in listing}
        return member in self._archived or member in self._archived_now

    def note_archived(self, members: Iterable[str]) -> None:
        """Take note of people who were archived since the archived ones were listed."""
        self._archived_now.update(members)

    def verified(self, states: Mapping[str, MemberState | None]) -> dict[str, MemberState | None]:
        """The same people as they are now: by a listing or one by one, whichever takes fewer calls."""
        if not states:
            return {}
        if not self._listed:
            since = str((self._audience.get(_LISTING) or {}).get("from", "")) or None
            changed = self._client.count_members(self._list_id, since_last_changed=since)
            if math.ceil(changed / LARGEST_PAGE) > len(states):
                return {key: self._fetch(key, state) for key, state in states.items()}
            self._list(since)
        found = self.states(states)
        return {key: found.get(key) for key in states}

    def _fetch(self, key: str, state: MemberState | None) -> MemberState | None:
        try:
            member = self._client.member(self._list_id, key, fields=MEMBER_FIELDS)
        except NotFoundError:
            return None
        return _seen(state, member)

    def _list(self, since: str | None) -> None:
        began = self._client.server_time() - _OVERLAP
        if since is None:
            logger.info("Reading the members of audience %s: nothing is known about them yet.", self._list_id)
        listing = self._client.members(self._list_id, since_last_changed=since)
        for page in iter(lambda: list(itertools.islice(listing, LARGEST_PAGE)), []):
            states = self.states(member["id"] for member in page)
            entries = {member["id"]: _seen(states.get(member["id"]), member).to_json() for member in page}
            self._save({self.members_namespace: entries})
        self._save({self._audience_namespace: {_LISTING: {"from": began.isoformat()}}})
        self._listed = True


def read_rows(rows: Mapping[str, Mapping[str, Any]]) -> list[MemberRecord]:
    """The records that wait for their person to become a member, as the ledger keeps them."""
    records = (read_record(row["stream"], row["raw"]) for row in rows.values())
    return [record for record in records if isinstance(record, MemberRecord)]


def _seen(state: MemberState | None, member: Mapping[str, Any]) -> MemberState:
    """The state after a look at Mailchimp: the values sent before stay, however they were edited since."""
    now = state_of_member(member)
    return replace(state, status=now.status, contact_id=now.contact_id) if state else now
