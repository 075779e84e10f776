"""Reads the members of an audience from Mailchimp: a comparison goes by them instead of the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from kinetic_mailchimp.audit import LedgerChanges
from kinetic_mailchimp.audit.state.member_state import MemberState
from kinetic_mailchimp.mailchimp import MailchimpClient, member_key
from kinetic_mailchimp.mailchimp.api import LARGEST_PAGE
from msgspec.structs import replace
from typing_extensions import override

from target_mailchimp.audience.api_member import state_of_member
from target_mailchimp.audience.audience import Audience
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.snapshot import Snapshot
from target_mailchimp.planning.trial import Trial


class LiveMembership(Membership):
    """The members of an audience as they are now, with what is remembered of their source rows.

    Args:
        trial: Holds the ledger with what a run would have remembered.
        snapshot: Keeps the members that were read.
    """

    def __init__(self, client: MailchimpClient, trial: Trial, list_id: str, snapshot: Snapshot) -> None:
        super().__init__(client, trial.ledger, _save_nothing, list_id)
        self._snapshot = snapshot

    @override
    def prepare(self, audience: Audience) -> None:
        """Read the whole audience."""
        listing = self._client.members(self._list_id)
        while page := list(itertools.islice(listing, LARGEST_PAGE)):
            members = {member_key(member): state_of_member(member) for member in page}
            self._snapshot.add({self._entry(key): member for key, member in members.items()})
            self._snapshot.add({self._of_contact(member.contact_id): key for key, member in members.items()})

    @override
    def states(self, members: Iterable[str]) -> dict[str, MemberState]:
        """The present members, by subscriber hash, with the values that Mailchimp shows.

        A person who changed the address in Mailchimp is found under the former one, and has the new one.
        """
        wanted = list(members)
        remembered = super().states(wanted)
        shown = self._shown(wanted)
        contacts = {
            member: self._of_contact(state.contact_id)
            for member, state in remembered.items()
            if member not in shown and state.contact_id
        }
        moved_to = self._snapshot.get_many(contacts.values())
        moved = {member: moved_to[contact] for member, contact in contacts.items() if contact in moved_to}
        under_new_address = self._shown(moved.values())
        shown |= {member: under_new_address[now] for member, now in moved.items()}
        return {member: _observed(remembered.get(member), now) for member, now in shown.items()}

    def _shown(self, members: Iterable[str]) -> dict[str, MemberState]:
        entries = {self._entry(member): member for member in members}
        found = self._snapshot.get_many(entries)
        return {entries[entry]: MemberState.from_json(value) for entry, value in found.items()}

    def _of_contact(self, contact: str) -> str:
        return f"{self._list_id}/contact/{contact}"

    def _entry(self, member: str) -> str:
        return f"{self._list_id}/{member}"


def _observed(remembered: MemberState | None, now: MemberState) -> MemberState:
    """A member as it is now; values that Mailchimp does not show stay as they were sent last."""
    if remembered is None:
        return now
    sent = {**remembered.sent, **now.sent}
    return replace(
        remembered,
        rows={source: replace(row, moved_to="") for source, row in remembered.rows.items()},
        address=now.address,
        status=now.status,
        contact_id=now.contact_id,
        own_id=now.own_id,
        sent=sent,
        shown={},
        changed_at=now.changed_at,
    )


def _save_nothing(changes: LedgerChanges) -> None:
    """A comparison remembers nothing for later runs."""
