"""The state of a member of an audience, as target-mailchimp keeps it and both targets read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp, sortable

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger

GONE: Final = "gone"
"""In place of a status: Mailchimp refuses the person, who is not a member and alone can come back."""

STATUS: Final = "status"
"""Flat name of the status among the values that are sent."""

OPTED_OUT: Final = frozenset({"unsubscribed", "cleaned", "archived", GONE})
CONSENTING_STATUSES: Final = frozenset({"subscribed", "pending", "transactional"})
"""Statuses that an opt-out at the source lowers; every other status is kept."""


_SHORT_OF_ROW: Final = {
    "opted_out": "out",
    "updated_on": "at",
    "digest": "of",
    "contact_id": "contact",
    "moved_to": "moved",
    "row_id": "id",
}


class SourceRow(LedgerValue, frozen=True, rename=_SHORT_OF_ROW):
    """A source row with the member's address.

    Attributes:
        opted_out: Whether the person wants no mail.
        updated_on: When the row's values changed, as the source writes it: a revision or a timestamp.
        digest: Of these values: a row that is merely touched, as by our flag, gets no newer.
        tags: The tags that it names; None where it says nothing about tags.
        contact_id: The contact that the row came to, where another one has the address by now.
        moved_to: The address that this contact has by now; the row has the one from before.
        row_id: As `flag_state.short_row_id` makes it; 0 where the row does not tell.
    """

    active: bool = True
    opted_out: bool = False
    updated_on: str = ""
    digest: int = 0
    tags: tuple[str, ...] | None = None
    contact_id: str = ""
    moved_to: str = ""
    row_id: int = 0


class RefusedValue(LedgerValue, frozen=True, rename={"signature": "field"}):
    """A value that Mailchimp did not take or did not store.

    Attributes:
        signature: Of the audience's field at that time; empty for attributes, which have no definition.
    """

    value: Any
    signature: str = ""


class CarriedOptOut(LedgerValue, frozen=True):
    """An opt-out that this software sent to Mailchimp: it is the rep's statement, not the person's.

    Attributes:
        rows: The names of the rows on which the rep wants no mail; empty where the customer became inactive,
            which flags nobody.
        at: When Mailchimp took it, by its clock: an unsubscribe from then on is the echo.
        withdrawn: Whether the rep has taken it back; the member stays unsubscribed until the person returns.
        returned: Whether the person has: only the flags that followed from it are left.
    """

    rows: tuple[str, ...]
    at: str
    withdrawn: bool = False
    returned: bool = False


class OpenWrite(LedgerValue, frozen=True):
    """A value of Mailchimp that the other direction was writing to Epicor when it broke off.

    Attributes:
        value: As Mailchimp showed it.
        before: What it replaces, by the names of the rows: one that shows another value was written.
    """

    value: Any
    before: Mapping[str, Any]


def carried_opt_out(rows: Iterable[str], at: str) -> CarriedOptOut:
    """An opt-out that was sent for rows; without any, an inactive customer's, which flags nobody."""
    names = tuple(rows)
    return CarriedOptOut(names, at, withdrawn=not names)


_SHORT: Final = {
    "contact_id": "contact",
    "web_id": "web",
    "field_owner": "by",
    "own_id": "id",
    "changed_at": "changed",
    "returned_at": "returned",
    "carried_opt_out": "carried",
    "left_by": "left",
    "merged_version": "merged",
    "purchase_tags": "bought",
}


class MemberState(LedgerValue, frozen=True, rename=_SHORT):
    """A member, as the ledger keeps it.

    Attributes:
        contact_id: Mailchimp's id of the contact, which survives a change of the address.
        web_id: Its number, which does too: webhooks name that one.
        own_id: Mailchimp's id of the member, where it is another one than the hash of the address.
        sent: The last value that Mailchimp accepted or showed, by flat name (`merge_fields.FNAME`, `vip`).
        rows: The source rows with this address, by source.
        field_owner: Which row decided about a field, where there are several, or one that has left others
            behind; None where the value is one that Mailchimp had. With one row, it decided about all others.
        refused: The last value that Mailchimp did not accept, by flat name, until another one is accepted.
        shown: The values that Mailchimp showed last and that differ from those sent, by flat name.
        sending: The values of a write whose answer was not stored yet, by flat name: one that Mailchimp shows
            was accepted. For an opt-out, `status` has the names of the rows that ask for it.
        writing: The same of the other direction, which writes to Epicor, by flat name.
        changed_at: When Mailchimp changed the member, as it was seen last.
        returned_at: When a person opted in after a look at the member, by Mailchimp's `timestamp_opt`.
        carried_opt_out: The opt-out that this software sent, until the person opts out.
        refused_for: Why Mailchimp refused the person when the rows were as they are here.
        left_by: Source rows that have another address now, which was a member of its own: this one stayed.
        purchase_tags: The tags that tell what was bought under its rows.
        merged_version: The newest version of agreed values that `sent` has: see `agreed.with_agreed`.
    """

    address: str
    status: str = ""
    contact_id: str = ""
    sent: Mapping[str, Any] = {}
    rows: Mapping[str, SourceRow] = {}
    field_owner: Mapping[str, str | None] = {}
    refused: Mapping[str, RefusedValue] = {}
    own_id: str = ""
    shown: Mapping[str, Any] = {}
    sending: Mapping[str, Any] = {}
    writing: Mapping[str, OpenWrite] = {}
    changed_at: str = ""
    returned_at: str = ""
    complained: bool = False
    carried_opt_out: CarriedOptOut | None = None
    refused_for: str = ""
    left_by: frozenset[str] = frozenset()
    merged_version: int = 0
    purchase_tags: tuple[str, ...] = ()
    web_id: str = ""

    @property
    def moved_to(self) -> str:
        """The address that Mailchimp shows for the contact by now; empty while it shows this one."""
        rows = self.rows.values()
        return next((row.moved_to for row in rows if row.moved_to and not row.contact_id), "")

    def rows_of(self, contact_id: str) -> list[str]:
        """The source rows that belong to a contact, which may be another one than has the address by now."""
        return [
            source for source, row in self.rows.items() if (row.contact_id or self.contact_id) == contact_id
        ]

    @property
    def opted_out(self) -> bool:
        """True when no mail may go to the member."""
        return self.status in OPTED_OUT

    @property
    def tags(self) -> tuple[str, ...] | None:
        """The tags that the source rows and purchases name; None where none says anything about tags."""
        named = [row.tags for row in self.rows.values() if row.tags is not None]
        named += [self.purchase_tags] if self.purchase_tags else []
        return tuple(dict.fromkeys(tag for tags in named for tag in tags)) if named else None

    @property
    def own_opt_out(self) -> CarriedOptOut | None:
        """The opt-out that this software sent: noted, or on its way when a run broke off."""
        rows, carried = self.sending.get(STATUS), self.carried_opt_out
        if carried and not carried.returned:
            return carried
        return None if rows is None or not self.changed_at else carried_opt_out(rows, self.changed_at)

    def changed_after(self, at: str) -> bool:
        """Tell whether Mailchimp shows the member as of later than a time of its clock."""
        return is_before(at, self.changed_at)

    def changed_before(self, updated_on: str) -> bool:
        """Tell whether Mailchimp changed the member before a row changed; a revision tells no time."""
        return is_before(self.changed_at, updated_on)

    def returned_after(self, updated_on: str) -> bool:
        """Tell whether the person is known to have come back after a row changed."""
        return is_before(updated_on, self.returned_at)

    def with_row(self, source: str, row: SourceRow) -> MemberState:
        """The member with a row, in place of what was known about that row."""
        owner = self.field_owner
        if len(self.rows) == 1 and source not in self.rows:
            first = next(iter(self.rows))
            owner = {**dict.fromkeys((*self.sent, *self.refused), first), **owner}
        rows = {**self.rows, source: row}
        return replace(self, rows=rows, field_owner=owner, left_by=self.left_by and frozenset())

    def without_row(self, source: str) -> MemberState:
        """The member without a row; any other row may set what it decided about.

        So it stays noted as long as there are others: the last of them did not decide about that.
        """
        rows = {name: row for name, row in self.rows.items() if name != source}
        owner = {name: owner for name, owner in self.field_owner.items() if rows or owner is None}
        return replace(self, rows=rows, field_owner=owner)

    def with_answer(
        self, accepted: Mapping[str, Any], refused: Mapping[str, RefusedValue] | None = None
    ) -> MemberState:
        """The member after Mailchimp's answer to a write.

        Args:
            accepted: The values that Mailchimp took, by flat name.
            refused: Those that it did not take.
        """
        left = {**self.refused, **(refused or {})}
        return replace(
            self,
            sent={**self.sent, **accepted},
            refused={name: value for name, value in left.items() if name not in accepted},
            shown={name: value for name, value in self.shown.items() if name not in accepted},
            writing={name: write for name, write in self.writing.items() if name not in accepted},
        )

    def may_set(self, source: str, field_name: str) -> bool:
        """Check whether a row of the member may set a field that another row may have set before.

        The newest row may; rows of one age differ by their keys, so that two rows with one address
        do not take turns in every run. Records that name no row are of one row, with an empty key.
        """
        owner = self.field_owner.get(field_name)
        if owner is None or owner == source or owner not in self.rows:
            return True
        return age(source, self.rows[source].updated_on) > age(owner, self.rows[owner].updated_on)


def is_before(earlier: str, later: str) -> bool:
    """Compare timestamps; False where one is missing or none."""
    if not (earlier and later) or earlier.isdecimal() or later.isdecimal():
        return False
    try:
        return parse_timestamp(earlier) < parse_timestamp(later)
    except ValueError:
        return False


def is_older(updated_on: str, other: str) -> bool:
    """Tell whether a row is known to be older than another state of it: by revision, or by time of change."""
    if updated_on.isdecimal() and other.isdecimal():
        return int(updated_on) < int(other)
    return is_before(updated_on, other)


def age(source: str, updated_on: str) -> tuple[int, str, str]:
    """Order of rows: revisions by number, timestamps by time, rows of one age by their keys.

    Args:
        source: The key of the row at its source.
        updated_on: When the row changed, as the source writes it.
    """
    if updated_on.isdecimal():
        return (int(updated_on), "", source)
    return (0, sortable(updated_on), source)


def members_namespace(list_id: str) -> str:
    """The namespace of the ledger that holds the members of an audience, by subscriber hash."""
    return f"target-mailchimp/{list_id}/members"


read_member: Final = msgspec.json.Decoder(MemberState).decode


def read_members(ledger: Ledger, members: Iterable[str]) -> dict[str, MemberState]:
    """The states of members of an audience; members of whom nothing is known are left out.

    Args:
        ledger: The namespace `members_namespace(list_id)` of the trail.
        members: Their subscriber hashes.
    """
    return ledger.get_many(members, read_member)
