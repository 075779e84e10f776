"""The state of a member of an audience, as target-mailchimp keeps it and both targets read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kinetic_mailchimp.audit.state.ledger import Ledger

OPTED_OUT: Final = frozenset({"unsubscribed", "cleaned", "archived"})
CONSENTING_STATUSES: Final = frozenset({"subscribed", "pending", "transactional"})
"""Statuses that an opt-out at the source lowers; every other status is kept."""


@dataclass(frozen=True)
class SourceRow:
    """A source row with the member's address.

    Attributes:
        active: Whether the customer still is one.
        opted_out: Whether the person wants no mail.
        updated_on: When the row changed, as the source writes it: a revision or a timestamp.
    """

    active: bool = True
    opted_out: bool = False
    updated_on: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SourceRow:
        """Read what `to_json` made."""
        return cls(stored.get("active", True), stored.get("out", False), stored.get("at", ""))

    def to_json(self) -> dict[str, Any]:
        """The entry of the ledger, without what a row has anyway when nothing is known of it."""
        stored: dict[str, Any] = {} if self.active else {"active": False}
        if self.opted_out:
            stored["out"] = True
        if self.updated_on:
            stored["at"] = self.updated_on
        return stored


@dataclass(frozen=True)
class RefusedValue:
    """A value that Mailchimp did not take or did not store.

    Attributes:
        value: As it was sent.
        signature: Of the audience's field at that time; empty for attributes, which have no definition.
    """

    value: Any
    signature: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RefusedValue:
        """Read what `to_json` made."""
        return cls(stored.get("value"), stored.get("field", ""))

    def to_json(self) -> dict[str, Any]:
        """The value, with the signature of its field where it has one."""
        return {"value": self.value, **({"field": self.signature} if self.signature else {})}


@dataclass(frozen=True)
class MemberState:
    """A member, as the ledger keeps it.

    Attributes:
        address: As it was spelled last.
        status: As it was seen last.
        contact_id: Mailchimp's id of the contact, which survives a change of the address.
        sent: The last value that Mailchimp accepted or showed, by flat name (`merge_fields.FNAME`, `vip`).
        rows: The source rows with this address, by source.
        field_owner: Which row decided about a field, where there are several; None where the value is one
            that Mailchimp had. With one row, it decided about all others.
        refused: The last value that Mailchimp did not accept, by flat name, until another one is accepted.
    """

    address: str
    status: str = ""
    contact_id: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, SourceRow] = field(default_factory=dict)
    field_owner: Mapping[str, str | None] = field(default_factory=dict)
    refused: Mapping[str, RefusedValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> MemberState:
        """Read an entry of the ledger; what a newer version added is left alone."""
        return cls(
            address=stored["address"],
            status=stored.get("status", ""),
            contact_id=stored.get("contact", ""),
            sent=stored.get("sent", {}),
            rows={source: SourceRow.from_json(row) for source, row in stored.get("rows", {}).items()},
            field_owner=stored.get("by", {}),
            refused={
                name: RefusedValue.from_json(value) for name, value in stored.get("refused", {}).items()
            },
        )

    def to_json(self) -> dict[str, Any]:
        """The entry of the ledger; what is empty is left out."""
        stored = {
            "address": self.address,
            "status": self.status,
            "contact": self.contact_id,
            "sent": self.sent,
            "rows": {source: row.to_json() for source, row in self.rows.items()},
            "by": self.field_owner,
            "refused": {name: value.to_json() for name, value in self.refused.items()},
        }
        return {name: value for name, value in stored.items() if value}

    @property
    def opted_out(self) -> bool:
        """True when no mail may go to the member."""
        return self.status in OPTED_OUT

    @property
    def active(self) -> bool:
        """True when any source row of the member is active, or no row is known."""
        return any(row.active for row in self.rows.values()) or not self.rows

    def with_row(self, source: str, row: SourceRow) -> MemberState:
        """The member with a row, in place of what was known about that row.

        Args:
            source: The key of the row at its source.
            row: The row.
        """
        owner = self.field_owner
        if len(self.rows) == 1 and source not in self.rows:
            first = next(iter(self.rows))
            owner = {**dict.fromkeys((*self.sent, *self.refused), first), **owner}
        return replace(self, rows={**self.rows, source: row}, field_owner=owner)

    def without_row(self, source: str) -> MemberState:
        """The member without a row; any other row may set what it decided about."""
        rows = {name: row for name, row in self.rows.items() if name != source}
        owner = {name: owner for name, owner in self.field_owner.items() if owner != source}
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
        )

    def may_set(self, source: str, field_name: str) -> bool:
        """Check whether a row of the member may set a field that another row may have set before.

        The newest row may; rows of one age differ by their keys, so that two rows with one address
        do not take turns in every run. Records that name no row are of one row, with an empty key.

        Args:
            source: The key of the row at its source.
            field_name: The flat name of the field.
        """
        owner = self.field_owner.get(field_name)
        if owner is None or owner == source or owner not in self.rows:
            return True
        return age(source, self.rows[source].updated_on) > age(owner, self.rows[owner].updated_on)


def age(source: str, updated_on: str) -> tuple[int, str, str]:
    """Order of rows: revisions by number, timestamps by text, rows of one age by their keys.

    Args:
        source: The key of the row at its source.
        updated_on: When the row changed, as the source writes it.
    """
    if updated_on.isdecimal():
        return (int(updated_on), "", source)
    return (0, updated_on, source)


def members_namespace(list_id: str) -> str:
    """The namespace of the ledger that holds the members of an audience, by subscriber hash."""
    return f"target-mailchimp/{list_id}/members"


def read_members(ledger: Ledger, members: Iterable[str]) -> dict[str, MemberState]:
    """The states of members of an audience; members of whom nothing is known are left out.

    Args:
        ledger: The namespace `members_namespace(list_id)` of the trail.
        members: Their subscriber hashes.
    """
    return {member: MemberState.from_json(value) for member, value in ledger.get_many(members).items()}
