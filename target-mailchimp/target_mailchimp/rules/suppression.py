"""Decides about opt-outs that people stated elsewhere: they lower consent once, and keep people out."""

from __future__ import annotations

from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.handover import Handover, HandoverAction
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState, is_before
from kinetic_mailchimp.audit.trail.decision import Action

from target_mailchimp.audience.audience import Audience
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import SUPPRESSED, NoWrite, Write

_KEPT_OUT = "Nobody with this address is a member. It is remembered, and no row makes the person one."
_ALREADY = "The member gets no mail already."
_BEFORE = "This opt-out reached the member before; what the person did since then holds."
_RETURNED = "The person came back after the time of this opt-out."


def plan_suppression(
    record: MemberRecord, state: MemberState | None, audience: Audience, *, known: str | None
) -> NoWrite | Write:
    """Decide about an opt-out of another tool, or of another audience.

    Args:
        record: The opt-out.
        state: The member with its address, if there is one.
        audience: Where it goes.
        known: The time of one that reached the audience before, as the person may have come back since; None
            without one. One that is later by a time of its own is another one.
    """
    if state is None:
        return NoWrite(record, Action.SKIPPED, SUPPRESSED, _KEPT_OUT, waits=True)
    if state.status not in CONSENTING_STATUSES:
        return NoWrite(record, Action.UNCHANGED, SUPPRESSED, _ALREADY, waits=True)
    at = record.source_updated_on or ""
    if known is not None and not (record.raw.get("source_dated") is True and is_before(known, at)):
        return NoWrite(record, Action.SUPERSEDED, SUPPRESSED, _BEFORE)
    if state.returned_after(at):
        return NoWrite(record, Action.SUPERSEDED, SUPPRESSED, _RETURNED, waits=True)
    return Write(record, audience, state, state, new_status="unsubscribed", lower=True, reason=SUPPRESSED)


def flag_of_suppression(record: MemberRecord, list_id: str) -> Handover | None:
    """The flag for the rows of a person who opted out elsewhere and is not a member; None for others.

    Args:
        record: The rows, among them the opt-out that was remembered.
        list_id: The audience.
    """
    for row in record.rows:
        if row.by_person:
            at = row.source_updated_on or ""
            return Handover(
                record.address, HandoverAction.FLAG, "unsubscribed", FlagCause.PERSON, list_id=list_id, at=at
            )
    return None
