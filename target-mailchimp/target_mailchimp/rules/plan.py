"""The two kinds of decision about a record: a write, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kinetic_mailchimp.audit.state.member_state import MemberState, RefusedValue
from kinetic_mailchimp.audit.trail.decision import Action

from target_mailchimp.audience.audience import MERGE_FIELD, Audience
from target_mailchimp.audience.member_values import LeftOut
from target_mailchimp.audience.tags import INACTIVE
from target_mailchimp.contract.member_record import MemberRecord


@dataclass(frozen=True)
class Former:
    """A member that a source row had under another address."""

    member: str
    state: MemberState


@dataclass(frozen=True)
class NoWrite:
    """A decision that needs no call.

    Attributes:
        record: The record.
        action: Its kind.
        reason: A stable code.
        detail: A sentence.
        after: The state of the member from now on, where that changes.
        detached: The states from now on of members that the source rows left.
        waits: Whether the record is kept until another row makes the person a member.
        changes: In a comparison, the differences: field → (value in Mailchimp, value at the source).
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
    """A write that is to be made, or was: then without what Mailchimp did not accept.

    Attributes:
        record: The record.
        audience: Where it goes.
        state: The state of the member; None for a person who is not a member, as far as is known.
        merged: The same with the source rows of the record, before any value is accepted.
        values: The values to send, by flat name.
        new_status: The status, should the person be new.
        tags: The tags to remember once this is written; None where those of `merged` stay.
        lower: Whether `status: unsubscribed` is sent.
        archive: Whether the member is archived instead.
        replaces_tags: Whether the tags among the values are all that the member shall have.
        tag_changes: Tags to add (True) or take away (False) in a call of their own.
        former: The member to move to this address.
        left_out: Fields that do not travel.
        refused: Values that Mailchimp did not accept in this write.
        reason: The reason in the audit trail.
        detached: The states from now on of members that the source rows left.
    """

    record: MemberRecord
    audience: Audience
    state: MemberState | None
    merged: MemberState
    values: Mapping[str, Any] = field(default_factory=dict)
    new_status: str = ""
    tags: Mapping[str, Any] | None = None
    lower: bool = False
    archive: bool = False
    replaces_tags: bool = False
    tag_changes: Mapping[str, bool] = field(default_factory=dict)
    former: Former | None = None
    left_out: tuple[LeftOut, ...] = ()
    refused: Mapping[str, RefusedValue] = field(default_factory=dict)
    reason: str = ""
    detached: tuple[Former, ...] = ()

    @property
    def needs_single_calls(self) -> bool:
        """Tell whether a batch cannot carry it."""
        return self.archive or self.former is not None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is left to write about a person who is a member."""
        return self.state is not None and not (
            self.values or self.lower or self.archive or self.tag_changes or self.former
        )

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Field → (value before, value after), as far as it is known here."""
        sent = self.state.sent if self.state else {}
        changed = {name: (sent.get(name), value) for name, value in self.values.items()}
        if self.lower:
            changed["status"] = (self.state.status if self.state else None, "unsubscribed")
        return changed

    @property
    def after(self) -> MemberState:
        """The state of the member once Mailchimp has accepted every value that is left here."""
        accepted = {name: value for name, value in self.values.items() if name != "tags"}
        return with_tags(self.merged, self.tags).with_answer(accepted, self.refused)

    def without(self, complaints: Mapping[str, str], reason: str) -> Write:
        """The same write without values that Mailchimp did not accept; they are remembered as refused.

        Args:
            complaints: By flat name, a sentence that says why.
            reason: A stable code.
        """
        if not complaints:
            return self
        refused = {
            name: RefusedValue(self.values[name], self.audience.signature_of(name)) for name in complaints
        }
        left_out = (
            LeftOut(name.removeprefix(MERGE_FIELD), reason, detail) for name, detail in complaints.items()
        )
        return replace(
            self,
            values={name: value for name, value in self.values.items() if name not in complaints},
            tags=None if "tags" in complaints else self.tags,
            left_out=(*self.left_out, *left_out),
            refused={**self.refused, **refused},
        )


def with_tags(state: MemberState, tags: Mapping[str, Any] | None) -> MemberState:
    """The member with other tags to remember.

    Args:
        state: The member.
        tags: As `TagPlan.sent` has them; None leaves the member as it is.
    """
    if tags is None:
        return state
    sent = {name: value for name, value in state.sent.items() if name not in {"tags", INACTIVE}}
    return replace(state, sent={**sent, **tags})
