"""The two kinds of decision about a record: a write, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.handover import Handover
from kinetic_mailchimp.audit.state.member_state import STATUS, MemberState, RefusedValue
from kinetic_mailchimp.audit.trail.decision import Action
from msgspec.structs import replace

from target_mailchimp.audience.audience import MERGE_FIELD, Audience
from target_mailchimp.audience.member_values import LeftOut, describe_left_out
from target_mailchimp.audience.tags import INACTIVE, describe_tags, tags_to_restore
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.policy import Policy

RESTORED = "restored"
"""The reason of a write that puts back what was edited in Mailchimp, and the source owns."""

FORMER_OPTED_OUT = "former_address_opted_out"
"""The reason where a row comes from an address whose person opted out: consent moves with the person."""

SUPPRESSED = "opted_out_elsewhere"
"""The reason of decisions about opt-outs of another tool: they are the person's own word."""

LEFT_BEHIND = "left_behind"
"""The reason of a decision about a member whose row has the address of another member now."""


class Former(msgspec.Struct, frozen=True, gc=False):
    """A member that a source row had under another address.

    Attributes:
        is_another: Whether the address is another contact's by now, and the row's contact has the new one.
    """

    member: str
    state: MemberState
    is_another: bool = False

    @property
    def path(self) -> str:
        """The id by which the API knows the member."""
        return self.state.own_id or self.member


class NoWrite(msgspec.Struct, frozen=True, gc=False):
    """A decision that needs no call.

    Attributes:
        after: The state of the member from now on, where that changes.
        detached: The states from now on of members that the source rows left.
        waits: Whether the record is kept until another row makes the person a member.
        changes: In a comparison, the differences: field → (value in Mailchimp, value at the source).
        handovers: Flags for the other direction to write, by the name of the row.
    """

    record: MemberRecord
    action: Action
    reason: str
    detail: str = ""
    after: MemberState | None = None
    detached: tuple[Former, ...] = ()
    waits: bool = False
    changes: Mapping[str, tuple[Any, Any]] | None = None
    handovers: Mapping[str, Handover] = {}


class Write(msgspec.Struct, frozen=True, gc=False):
    """A write that is to be made, or was: then without what Mailchimp did not accept.

    Attributes:
        state: The state of the member; None for a person who is not a member, as far as is known.
        merged: The same with the source rows of the record, before any value is accepted.
        values: The values to send, by flat name.
        new_status: The status, should the person be new.
        tags: The tags to remember once this is written; None where those of `merged` stay.
        lower: Whether `status: unsubscribed` is sent.
        archive: Whether the member is archived instead.
        replaces_tags: Whether the tags among the values are all that the member shall have.
        tag_changes: Tags to add (True) or take away (False) in a call of their own.
        left_out: Fields that do not travel.
        refused: Values that Mailchimp did not accept in this write.
        detached: The states from now on of members that the source rows left.
        handovers: Flags for the other direction to write, by the name of the row.
    """

    record: MemberRecord
    audience: Audience
    state: MemberState | None
    merged: MemberState
    values: Mapping[str, Any] = {}
    new_status: str = ""
    tags: Mapping[str, Any] | None = None
    lower: bool = False
    archive: bool = False
    replaces_tags: bool = False
    tag_changes: Mapping[str, bool] = {}
    former: Former | None = None
    left_out: tuple[LeftOut, ...] = ()
    refused: Mapping[str, RefusedValue] = {}
    reason: str = ""
    detached: tuple[Former, ...] = ()
    handovers: Mapping[str, Handover] = {}

    @property
    def path(self) -> str:
        """The id by which the API knows the member of the record's address."""
        own_id = self.state.own_id if self.state and not self.former else ""
        return own_id or self.record.member

    @property
    def needs_single_calls(self) -> bool:
        """Tell whether a batch cannot carry it."""
        return self.archive or self.former is not None or not self.record.is_mailable

    @property
    def touches(self) -> set[str]:
        """Everything that no other write may touch at the same time."""
        return {
            self.record.member,
            *(former.member for former in (self.former, *self.detached) if former),
            *(row.source for row in self.record.rows if row.source),
        }

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is left to write about a person who is a member."""
        return self.state is not None and not (
            self.values or self.lower or self.archive or self.tag_changes or self.former
        )

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Field → (value before, value after), as far as it is known here."""
        sent = self.known
        changed = {name: (sent.get(name), value) for name, value in self.values.items()}
        if (tags := self._changed_tags) is not None:
            changed["tags"] = tags
        if self.lower:
            changed["status"] = (self.state.status if self.state else None, "unsubscribed")
        return changed

    @property
    def detail(self) -> str:
        """The fate of fields and tags, in words; empty where `changes` says it all."""
        said = describe_left_out(self.left_out)
        if (tags := self._changed_tags) is None:
            return said
        before, after = tags
        return " ".join(filter(None, (said, describe_tags(before or (), after))))

    @property
    def _changed_tags(self) -> tuple[Any, Any] | None:
        """The tags before and after; None where none changes."""
        if self.tags is None or not ("tags" in self.values or self.tag_changes):
            return None
        return self.known.get("tags"), self.tags.get("tags", [])

    @property
    def known(self) -> dict[str, Any]:
        """The values of the member before the write, as far as they are known here."""
        return {**self.state.sent, **self.state.shown} if self.state else {}

    @property
    def after(self) -> MemberState:
        """The state of the member once Mailchimp has accepted every value that is left here."""
        accepted = {name: value for name, value in self.values.items() if name != "tags"}
        return with_tags(self.merged, self.tags).with_answer(accepted, self.refused)

    @property
    def lowered_for(self) -> list[str] | None:
        """The names of the rows for which the status is lowered; None where the opt-out is the person's."""
        if not self.lower or self.reason in {FORMER_OPTED_OUT, SUPPRESSED}:
            return None
        rows = self.merged.rows.items()
        return sorted(source.partition("/")[2] for source, row in rows if row.opted_out)

    def sending(self, two_way_fields: frozenset[str]) -> MemberState | None:
        """The state while the write is on its way; None where it sends nothing that comes back."""
        if self.state is None or self.former:
            return None
        sent = {
            name: value
            for name, value in self.values.items()
            if name.removeprefix(MERGE_FIELD) in two_way_fields
        }
        if (rows := self.lowered_for) is not None:
            sent[STATUS] = rows
        return replace(self.state, sending=sent) if sent else None

    def without(self, complaints: Mapping[str, str], reason: str, *, again: bool = False) -> Write:
        """The same write without values that Mailchimp did not accept.

        Args:
            complaints: By flat name, a sentence that says why.
            reason: A stable code.
            again: Whether the next record sends them again; otherwise they are remembered as refused.
        """
        if not complaints:
            return self
        refused = {
            name: RefusedValue(self.values[name], self.audience.signature_of(name))
            for name in ([] if again else complaints)
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


def restoration(member: str, state: MemberState, audience: Audience, settings: Policy) -> Write | None:
    """The write that puts back fields and tags of a member that the source owns; None where none was edited.

    Args:
        member: The subscriber hash.
        state: The member.
        audience: Where it is.
        settings: The user's choices.
    """
    tags = tags_to_restore(state, settings.owned_tags)
    names = [
        name
        for name in state.shown
        if name in state.sent
        and name.removeprefix(MERGE_FIELD) in audience.fields.keys() - settings.two_way_fields
        # None stands for a value that Mailchimp had, and no row decided about.
        and state.field_owner.get(name, "") is not None
        and name not in state.refused
    ]
    if not (names or not tags.is_empty) or not state.rows:
        return None
    owner = state.field_owner.get(names[0]) if names else None
    stream, _, key = (owner if owner and owner in state.rows else next(iter(state.rows))).partition("/")
    values = {name: state.sent[name] for name in names}
    by_tag = {name.removeprefix(MERGE_FIELD): value for name, value in values.items()}
    raw = {"email_address": state.address, "source_key": key or None, **by_tag}
    if not tags.is_empty:
        raw["tags"] = list(state.tags or ())
    record = MemberRecord(
        stream=stream,
        raw=raw,
        address=state.address,
        member=member,
        source_key=key or None,
        merge_values=by_tag,
    )
    return Write(
        record,
        audience,
        state,
        state,
        values | tags.values,
        new_status="unsubscribed",
        tags=None if tags.is_empty else tags.sent,
        tag_changes=tags.single,
        reason=RESTORED,
    )


def with_tags(state: MemberState, tags: Mapping[str, Any] | None) -> MemberState:
    """The member with other tags to remember.

    Args:
        state: The member.
        tags: As `TagPlan.sent` has them; None leaves the member as it is.
    """
    if tags is None or not (tags or {"tags", INACTIVE} & state.sent.keys()):
        return state
    sent = {name: value for name, value in state.sent.items() if name not in {"tags", INACTIVE}}
    return replace(state, sent={**sent, **tags})


def is_free_for(here: MemberState | None, formers: Collection[Former]) -> bool:
    """Tell whether a member may move to an address: only one who is out to where an opt-out was left.

    Args:
        here: The state at the address.
        formers: The members that its rows had before.
    """
    if here is None:
        return bool(formers)
    is_left = here.opted_out and not (here.contact_id or here.sent or here.rows)
    return is_left and {former.state.status for former in formers} == {here.status}
