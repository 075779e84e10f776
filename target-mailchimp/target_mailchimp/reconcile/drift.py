"""Finds the differences between a member and its source: pure functions over what a run would do."""

from __future__ import annotations

from typing import Any

from kinetic_mailchimp.audit import Action, Drift
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState
from kinetic_mailchimp.mailchimp import subscriber_hash
from kinetic_mailchimp.mailchimp.stored_form import is_stored
from msgspec.structs import replace

from target_mailchimp.audience.member_values import describe_left_out
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import NoWrite, Write


def drift_of(planned: NoWrite | Write, member: MemberState | None) -> NoWrite:
    """The finding of a comparison where a run would decide or write.

    Args:
        planned: The decision of a run.
        member: The member as it is, if there is one.
    """
    record = planned.record
    resubscribed = record.opted_out and member is not None and member.status in CONSENTING_STATUSES
    moved = _changes_of_address(record, member)
    if isinstance(planned, NoWrite):
        if planned.reason == "archived":
            return _drifted(planned, Drift.MEMBER_ARCHIVED)
        if planned.action is Action.UNCHANGED and resubscribed:
            return _drifted(planned, Drift.OPT_OUT_TAKEN_BACK)
        if planned.action is Action.UNCHANGED and moved:
            return _drifted(replace(planned, changes=moved), Drift.ADDRESS_DIFFERS)
        return planned
    changes = {name: change for name, change in planned.changes.items() if not is_stored(*change)} | moved
    if planned.former:
        changes["email_address"] = (planned.former.state.address, record.address)
    if planned.archive:
        changes["status"] = (member.status if member else None, "archived")
    finding = NoWrite(
        record,
        Action.UNCHANGED,
        "no_field_differs",
        describe_left_out(planned.left_out),
        after=planned.after,
        changes=changes,
    )
    kinds = (
        (planned.lower and planned.reason == "opted_out_at_source", Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP),
        (planned.former or moved, Drift.ADDRESS_DIFFERS),
        (planned.state is None, Drift.MEMBER_MISSING),
        (resubscribed and not planned.lower, Drift.OPT_OUT_TAKEN_BACK),
        (changes, Drift.FIELDS_DIFFER),
    )
    kind = next((kind for applies, kind in kinds if applies), None)
    return _drifted(finding, kind) if kind else finding


def _changes_of_address(record: MemberRecord, member: MemberState | None) -> dict[str, tuple[Any, Any]]:
    """The difference where the member has got another address since, and the row has the former one."""
    if member is None or subscriber_hash(member.address) == record.member:
        return {}
    return {"email_address": (member.address, record.address)}


def _drifted(finding: NoWrite, kind: Drift) -> NoWrite:
    detail = f"{kind.sentence} {finding.detail}".rstrip()
    return replace(finding, action=Action.DRIFTED, reason=kind.value, detail=detail)
