"""What came of a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import MemberState
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.http_call import HttpCall
from kinetic_mailchimp.mailchimp import Refusal, RefusedError

from target_mailchimp.audience.member_values import told
from target_mailchimp.rules.plan import Write

NO_LONGER_A_MEMBER = "no_longer_a_member"

REFUSED_BY_RULE = frozenset({Refusal.COMPLIANCE_STATE, Refusal.FORGOTTEN})
"""Mailchimp says no for the person's sake: nothing to mend, and nothing to replay."""

NO_CALL = HttpCall()


@dataclass(frozen=True)
class Outcome:
    """What came of a write.

    Attributes:
        write: The write.
        action: What it came to.
        reason: A stable code.
        detail: A sentence.
        member: The member as Mailchimp now has it, as far as the answer says.
        error: Why it failed; set for failures alone.
        call: How the call ended that carried the member.
        sent: What that call said about the member, where it is kept.
        written: Whether what was sent is now known to be there.
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
    def archived(self) -> str:
        """The subscriber hash of somebody who is out of the audience from now on; empty for others."""
        if self.action is not Action.ARCHIVED and self.reason != NO_LONGER_A_MEMBER:
            return ""
        write = self.write
        return write.former.member if write.archive and write.former else write.record.member

    def known_after(self) -> MemberState | None:
        """What is known about the member from now on."""
        after = self.write.after
        if not self.member:
            return after
        return replace(
            after,
            status=str(self.member.get("status") or after.status),
            contact_id=str(self.member.get("contact_id") or after.contact_id),
        )


def succeeded(
    write: Write,
    *,
    created: bool,
    member: Mapping[str, Any],
    call: HttpCall = NO_CALL,
    sent: Mapping[str, Any] | None = None,
) -> Outcome:
    """The outcome of a write that Mailchimp took."""
    action, reason = _success(write, created=created)
    return Outcome(write, action, reason, told(write.left_out), member=member, call=call, sent=sent)


def refused(
    write: Write, error: DataError, *, call: HttpCall | None = None, sent: Mapping[str, Any] | None = None
) -> Outcome:
    """The outcome of a write that Mailchimp did not take; without a call, the error tells of it."""
    reason = error.reason if isinstance(error, RefusedError) else Refusal.OTHER
    by_rule = reason in REFUSED_BY_RULE
    return Outcome(
        write,
        Action.REFUSED if by_rule else Action.FAILED,
        reason.value,
        f"{error.message} {error.advice}".rstrip(),
        error=None if by_rule else error,
        call=call or HttpCall.of_failure(error),
        sent=sent,
        written=False,
    )


def not_restored(write: Write, call: HttpCall = NO_CALL) -> Outcome:
    """Somebody who was known is no longer a member, and stays out."""
    return Outcome(
        write,
        Action.REFUSED,
        NO_LONGER_A_MEMBER,
        "The person left the audience since, and is not brought back.",
        call=call,
        written=False,
    )


def _success(write: Write, *, created: bool) -> tuple[Action, str]:
    if write.archive:
        return Action.ARCHIVED, write.reason
    if write.lower:
        return Action.FLAGGED, write.reason
    if write.former:
        return Action.MOVED, "address_changed_at_source"
    if created:
        return Action.CREATED, f"new_{write.new_status}"
    if write.known is None:
        return Action.UPDATED, "member_already"
    return Action.UPDATED, write.reason
