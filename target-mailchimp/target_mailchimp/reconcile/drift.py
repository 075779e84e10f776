"""Says where a member differs from its source: pure functions over what a run would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import Action, Drift
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState
from kinetic_mailchimp.mailchimp import subscriber_hash

from target_mailchimp.audience.member_values import told
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.plan import Verdict, Write


def drift_of(planned: Verdict | Write, member: MemberState | None) -> Verdict:
    """What a comparison says where a run would decide or write.

    Args:
        planned: What a run would do.
        member: The member as it is, if there is one.
    """
    record = planned.record
    taken_back = record.opted_out and member is not None and member.status in CONSENTING_STATUSES
    moved = _changes_of_address(record, member)
    if isinstance(planned, Verdict):
        if planned.reason == "archived":
            return _drifted(planned, Drift.MEMBER_ARCHIVED)
        if planned.action is Action.UNCHANGED and taken_back:
            return _drifted(planned, Drift.OPT_OUT_TAKEN_BACK)
        if planned.action is Action.UNCHANGED and moved:
            return _drifted(replace(planned, changes=moved), Drift.ADDRESS_DIFFERS)
        return planned
    changes = {name: change for name, change in planned.changes.items() if not _same(*change)} | moved
    if planned.former:
        changes["email_address"] = (planned.former.known.address, record.address)
    if planned.archive:
        changes["status"] = (member.status if member else None, "archived")
    changes |= {f"tags.{tag}": (not wanted, wanted) for tag, wanted in planned.tag_changes.items()}
    verdict = Verdict(
        record,
        Action.UNCHANGED,
        "no_field_differs",
        told(planned.left_out),
        after=planned.after,
        changes=changes,
    )
    kinds = (
        (planned.lower and planned.reason == "opted_out_at_source", Drift.OPT_OUT_UNKNOWN_TO_MAILCHIMP),
        (planned.former or moved, Drift.ADDRESS_DIFFERS),
        (planned.known is None, Drift.MEMBER_MISSING),
        (taken_back and not planned.lower, Drift.OPT_OUT_TAKEN_BACK),
        (changes, Drift.FIELDS_DIFFER),
    )
    kind = next((kind for applies, kind in kinds if applies), None)
    return _drifted(verdict, kind) if kind else verdict


def _changes_of_address(record: MemberRecord, member: MemberState | None) -> dict[str, tuple[Any, Any]]:
    """What differs where the member has another address since than the row, which knows the former one."""
    if member is None or subscriber_hash(member.address) == record.member:
        return {}
    return {"email_address": (member.address, record.address)}


def _drifted(verdict: Verdict, kind: Drift) -> Verdict:
    detail = f"{kind.sentence} {verdict.detail}".rstrip()
    return replace(verdict, action=Action.DRIFTED, reason=kind.value, detail=detail)


def _same(shown: Any, wanted: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    """Whether Mailchimp shows a value as it was sent, but for the form that it gives to some.

    Numbers may come as texts and texts without outer spaces; an address comes with all its parts, and with a
    country where none was sent.
    """
    if isinstance(wanted, Mapping):
        parts = shown if isinstance(shown, Mapping) else {}
        return all(
            _same(parts.get(name), value) for name, value in wanted.items() if value or name != "country"
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return list(wanted) == list(shown or ())
    return _text(shown) == _text(wanted)


def _text(value: Any) -> str:  # noqa: ANN401 (values of merge fields)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else " ".join(str(value).split())
