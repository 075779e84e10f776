"""The members of an audience as Mailchimp shows them: what a comparison goes by instead of the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mailchimp_client import MailchimpClient
from mailchimp_client.client import LARGEST_PAGE
from sync_audit import AuditTrail, LedgerChanges

from target_mailchimp.known import Known
from target_mailchimp.membership import Membership, read_rows
from target_mailchimp.records import MemberRecord
from target_mailchimp.snapshot import Snapshot


class ObservedMembership(Membership):
    """The members of an audience as they are now, with what is remembered of their source rows.

    Args:
        client: The account.
        trail: Holds the ledger, which stays as it is.
        list_id: The audience.
        snapshot: Keeps the members that were read, and has what a run would have remembered.
    """

    def __init__(self, client: MailchimpClient, trail: AuditTrail, list_id: str, snapshot: Snapshot) -> None:
        super().__init__(client, trail, _save_nothing, list_id)
        self._snapshot = snapshot

    def prepare(self) -> None:
        """Read the whole audience."""
        listing = self._client.members(self._list_id)
        while page := list(itertools.islice(listing, LARGEST_PAGE)):
            self._snapshot.add(
                {self._entry(member["id"]): Known.from_member(member).as_value() for member in page}
            )

    def known(self, members: Iterable[str]) -> dict[str, Known]:
        """Those who are members now, by subscriber hash, with the values that Mailchimp shows."""
        wanted = list(members)
        remembered = super().known(wanted) | {
            member: Known.from_value(value)
            for member, value in self._learned(self.members_namespace, wanted).items()
            if value is not None
        }
        shown = self._snapshot.get_many(self._entry(member) for member in wanted)
        return {
            member: _observed(remembered.get(member), Known.from_value(shown[self._entry(member)]))
            for member in wanted
            if self._entry(member) in shown
        }

    def waiting(self, members: Iterable[str]) -> dict[str, list[MemberRecord]]:
        """What was said about people who are no members, in this comparison or before."""
        wanted = list(members)
        found = super().waiting(wanted)
        for member, rows in self._learned(self.waiting_namespace, wanted).items():
            known = {row.source: row for row in found.get(member, ())}
            found[member] = list((known | {row.source: row for row in read_rows(rows or {})}).values())
        return found

    def verified(self, known: Mapping[str, Known | None]) -> dict[str, Known | None]:
        """The same people: what is known of them was read just now."""
        return dict(known)

    def _learned(self, namespace: str, keys: Iterable[str]) -> dict[str, Any]:
        """What a run would have remembered of records that this comparison has seen."""
        names = {f"{namespace}/{key}": key for key in keys}
        return {names[name]: value for name, value in self._snapshot.get_many(names).items()}

    def _entry(self, member: str) -> str:
        return f"{self._list_id}/{member}"


def _observed(before: Known | None, now: Known) -> Known:
    """A member as it is now; what Mailchimp does not show stays as it was sent last."""
    if before is None:
        return now
    return replace(before, status=now.status, contact=now.contact, sent={**before.sent, **now.sent})


def _save_nothing(changes: LedgerChanges) -> None:
    """A comparison learns nothing for later."""
