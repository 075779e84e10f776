"""The result of a write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.handover import Handover
from kinetic_mailchimp.audit.state.member_state import GONE, MemberState, carried_opt_out
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.http.call import HttpCall
from kinetic_mailchimp.mailchimp import PERSON_LEFT, Refusal, RefusedError
from msgspec.structs import replace

from target_mailchimp.audience.api_member import is_by_program, own_id
from target_mailchimp.audience.member_values import describe_left_out
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import Former, Write
from target_mailchimp.rules.refusal import RefusedWrite, refused_write
from target_mailchimp.writing.acceptance import is_not_lowered, named_values, without_unstored

NO_LONGER_A_MEMBER = "no_longer_a_member"
ADDRESS_TAKEN = "address_taken"
FORMER_MEMBER_GONE = "former_member_gone"
REMEMBERED = PERSON_LEFT | {NO_LONGER_A_MEMBER, FORMER_MEMBER_GONE}
"""The reasons for which a person is not sent again, until a row of theirs changes."""

_LEFT_BY_STATUS: Mapping[str, Refusal] = {
    "unsubscribed": Refusal.UNSUBSCRIBED,
    "cleaned": Refusal.BOUNCED,
    "pending": Refusal.PENDING,
    "archived": Refusal.REMOVED,
}
"""By the status of a member: why Mailchimp refuses it, where nobody knows the words."""

KEPT_OF_ANSWER = (
    "id",
    "email_address",
    "contact_id",
    "web_id",
    "status",
    "last_changed",
    "unsubscribe_reason",
    "marketing_permissions",
)
"""Attributes that are asked for after the values are compared: whole members of a batch are megabytes."""

NO_CALL = HttpCall()


class WriteResult(msgspec.Struct, frozen=True):
    """The result of a write.

    Attributes:
        write: The write, without what Mailchimp did not accept.
        member: The member as Mailchimp now has it, as far as the answer says, without its values.
        error: The cause of a failure; set for failures alone.
        call: The end of the call that carried the member.
        sent: The part of that call about the member, where it is kept.
    """

    write: Write
    action: Action
    reason: str
    detail: str = ""
    member: Mapping[str, Any] | None = None
    error: DataError | None = None
    call: HttpCall = NO_CALL
    sent: Mapping[str, Any] | None = None
    written: bool = True

    @property
    def record(self) -> MemberRecord:
        """The record that was written."""
        return self.write.record

    @property
    def path(self) -> str:
        """The id by which the API knows the member from now on."""
        return own_id(self.member or {}) or self.write.path

    @property
    def detached(self) -> tuple[Former, ...]:
        """The states from now on of members that the source rows left."""
        return self.write.detached

    @property
    def handovers(self) -> Mapping[str, Handover]:
        """Flags for the other direction to write."""
        return self.write.handovers

    @property
    def archived(self) -> str:
        """The subscriber hash of a person who is out of the audience from now on; empty for others."""
        if self.action is not Action.ARCHIVED and self.reason != NO_LONGER_A_MEMBER:
            return ""
        write = self.write
        return write.former.member if write.archive and write.former else write.record.member

    @property
    def after(self) -> MemberState | None:
        """The state of the member from now on: the one before with what was accepted; None if nothing was."""
        if not self.written:
            return self._gone
        after = self.write.after
        if not self.member:
            return after
        status = str(self.member.get("status") or after.status)
        at = str(self.member.get("last_changed") or after.changed_at)
        rows = self.write.lowered_for
        if rows is not None and status == "unsubscribed" and is_by_program(self.member):
            after = replace(after, carried_opt_out=carried_opt_out(rows, at))
        contact_id = str(self.member.get("contact_id") or after.contact_id)
        web_id = str(self.member.get("web_id") or after.web_id)
        known = own_id(self.member) if "email_address" in self.member else after.own_id
        return replace(
            after, status=status, contact_id=contact_id, web_id=web_id, own_id=known, changed_at=at
        )

    @property
    def followed(self) -> MemberState | None:
        """The member whom an opt-out reached under an address of the person's choice; None for any other."""
        if self.written or self.action is not Action.FLAGGED or not self.member:
            return None
        after = replace(self, written=True).after
        address = str(self.member.get("email_address") or "")
        return after and replace(after, address=address, sent={}, rows={}, field_owner={}, refused={})

    @property
    def refused(self) -> RefusedWrite | None:
        """The write to remember as refused; None after any other result."""
        is_refused = self.action in {Action.FAILED, Action.REFUSED} and self.after is None
        if not is_refused or self.reason == Refusal.UNCONFIRMED:
            return None
        return refused_write(self.write, self.reason)

    @property
    def _gone(self) -> MemberState | None:
        """The person whom Mailchimp refuses for their own sake; None after any other failure."""
        if self.action not in {Action.REFUSED, Action.FLAGGED} or self.reason not in REMEMBERED:
            return None
        write = self.write
        return replace(write.merged, address=write.record.address, status=GONE, refused_for=self.reason)


def succeeded(
    write: Write,
    *,
    created: bool,
    member: Mapping[str, Any],
    call: HttpCall = NO_CALL,
    sent: Mapping[str, Any] | None = None,
) -> WriteResult:
    """The result of a write that Mailchimp took, without values that its answer shows as not stored.

    An opt-out that is not stored is a failure: nothing else keeps the person from being mailed.

    Args:
        write: The write.
        created: Whether the person was not a member before.
        member: The member in the answer; one without merge fields says nothing about them.
        call: The end of the call.
        sent: The part of the call about the member, where it is kept.
    """
    if is_not_lowered(write, member):
        error = RefusedError(
            "Mailchimp took the opt-out, and shows the member as a subscriber.",
            advice="Unsubscribe the member in Mailchimp; each run tries it again.",
            reason=Refusal.UNCONFIRMED,
        )
        return refused(write, error, call=call, sent=sent)
    action, reason = _success(write, created=created)
    write = without_unstored(write, member)
    kept = {name: member[name] for name in KEPT_OF_ANSWER if name in member}
    return WriteResult(write, action, reason, write.detail, member=kept, call=call, sent=sent)


def refused(
    write: Write, error: DataError, *, call: HttpCall | None = None, sent: Mapping[str, Any] | None = None
) -> WriteResult:
    """The result of a write that Mailchimp did not take.

    Args:
        write: The write.
        error: Mailchimp's reason.
        call: The end of the call; by default, that of the error.
        sent: The part of the call about the member, where it is kept.
    """
    reason = _reason(write, error)
    by_rule = reason in PERSON_LEFT
    return WriteResult(
        write,
        Action.REFUSED if by_rule else Action.FAILED,
        reason.value,
        f"{error.message} {error.advice}".rstrip(),
        error=None if by_rule else error,
        call=call or HttpCall.of_failure(error),
        sent=sent,
        written=False,
    )


def _reason(write: Write, error: DataError) -> Refusal:
    if not isinstance(error, RefusedError):
        return Refusal.OTHER
    if error.reason is not Refusal.OTHER or error.field or named_values(write, error):
        return error.reason
    state = write.former.state if write.former else write.state
    return _LEFT_BY_STATUS.get(state.status if state else "", Refusal.OTHER)


def nothing_left(write: Write, call: HttpCall) -> WriteResult:
    """The result where Mailchimp refused every value that was to be written.

    Args:
        write: The write, without these values.
        call: The end of the call that refused the last of them.
    """
    detail = describe_left_out(write.left_out)
    return WriteResult(write, Action.UNCHANGED, "no_field_differs", detail, call=call)


def member_gone(write: Write, call: HttpCall = NO_CALL) -> WriteResult:
    """The result where a person who was known is not a member any more, and stays out.

    Args:
        write: The write.
        call: The end of the call that shows it.
    """
    return WriteResult(
        write,
        Action.REFUSED,
        NO_LONGER_A_MEMBER,
        "The person left the audience since, and is not brought back.",
        call=call,
        written=False,
    )


def failed_after(result: WriteResult, not_written: Collection[str], error: DataError) -> WriteResult:
    """The result where a later call about a member failed: what was written before is remembered.

    Args:
        result: The result of the calls before.
        not_written: The flat names of the values that the later call had.
        error: Its failure.
    """
    write = result.write
    accepted = replace(
        write,
        values={name: value for name, value in write.values.items() if name not in not_written},
        tags=None if "tags" in not_written else write.tags,
    )
    return replace(refused(accepted, error), member=result.member, written=True)


def opt_out_followed(result: WriteResult) -> WriteResult:
    """The result where a call unsubscribed a person under the address that they chose in Mailchimp."""
    return replace(
        result,
        reason=NO_LONGER_A_MEMBER,
        detail="The person has another address in Mailchimp now, and is unsubscribed under that one.",
        written=False,
    )


def _success(write: Write, *, created: bool) -> tuple[Action, str]:
    if write.archive:
        return Action.ARCHIVED, write.reason
    if created:
        return Action.CREATED, f"new_{write.new_status}"
    if write.lower:
        return Action.FLAGGED, write.reason
    if write.former:
        return Action.MOVED, "address_changed_at_source"
    if write.state is None:
        return Action.UPDATED, "member_already"
    return Action.UPDATED, write.reason
