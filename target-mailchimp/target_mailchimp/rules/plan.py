"""What was decided about a record: a verdict that needs no call, or a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import MemberState

from target_mailchimp.audience.audiences import Audience
from target_mailchimp.audience.member_values import LeftOut
from target_mailchimp.contract.member_record import MemberRecord


@dataclass(frozen=True)
class Former:
    """A member that a source row had under another address."""

    member: str
    known: MemberState


@dataclass(frozen=True)
class Verdict:
    """A decision that needs no call.

    Attributes:
        record: The record.
        action: What it came to.
        reason: A stable code.
        detail: A sentence.
        after: What is known about the member from now on, where that changes.
        detached: What is known from now on about members that the source rows left.
        waits: Whether what the record says is kept until somebody else makes the person a member.
        changes: In a comparison, how the member differs: field → (value there, value at the source).
    """

    record: MemberRecord
    action: Action
    reason: str
    detail: str = ""
    after: MemberState | None = None
    detached: tuple[Former, ...] = ()
    waits: bool = False
    changes: Mapping[str, tuple[Any, Any]] | None = None


@dataclass(frozen=True)
class Write:
    """A write that is to be made.

    Attributes:
        record: The record.
        audience: Where to.
        known: What was known about the member; None for somebody new, or not known to be there.
        values: What is sent, by flat name.
        new_status: The status, should the person be new.
        after: What is known about the member once this is written.
        lower: Whether `status: unsubscribed` is sent.
        archive: Whether the member is archived instead.
        replaces_tags: Whether the tags among the values are all that the member shall have.
        tag_changes: Tags to add (True) or take away (False) in a call of their own.
        former: The member to move to this address.
        left_out: Fields that do not travel.
        reason: Why, for the audit trail.
        detached: What is known from now on about members that the source rows left.
    """

    record: MemberRecord
    audience: Audience
    known: MemberState | None
    values: Mapping[str, Any]
    new_status: str
    after: MemberState
    lower: bool = False
    archive: bool = False
    replaces_tags: bool = False
    tag_changes: Mapping[str, bool] = field(default_factory=dict)
    former: Former | None = None
    left_out: tuple[LeftOut, ...] = ()
    reason: str = ""
    detached: tuple[Former, ...] = ()

    @property
    def needs_single_calls(self) -> bool:
        """Whether a batch cannot carry it."""
        return self.archive or self.former is not None

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Field → (value before, value after), as far as it is known here."""
        before = self.known.sent if self.known else {}
        changed = {name: (before.get(name), value) for name, value in self.values.items()}
        if self.lower:
            changed["status"] = (self.known.status if self.known else None, "unsubscribed")
        return changed
