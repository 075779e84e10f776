"""Turns what was decided and done into entries of the audit trail and changes of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import Action, Decision, Drift
from kinetic_mailchimp.audit.state.member_state import MemberState

from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord
from target_mailchimp.membership import Membership
from target_mailchimp.rules.plan import Verdict
from target_mailchimp.writing.outcomes import NO_LONGER_A_MEMBER, Outcome

LedgerChanges = dict[str, dict[str, Mapping[str, Any] | None]]


def of_invalid(invalid: InvalidRecord, *, keep: bool) -> Decision:
    """The decision about a record that says nothing usable; `keep` makes a dead letter of it.

    An opt-out always becomes one: as long as nobody mends its address, the person may still be mailed.
    """
    keep = keep or invalid.opted_out
    return Decision(
        stream=invalid.stream,
        action=Action.QUARANTINED if keep else Action.SKIPPED,
        reason=invalid.reason,
        detail=invalid.detail,
        subject=_text(invalid.raw.get("email_address")),
        source_key=invalid.source_key,
        source_updated_on=_text(invalid.raw.get("source_updated_on")),
        consent="unsubscribed" if invalid.opted_out else None,
        dead_letter=invalid.raw if keep else None,
    )


def of_merged(record: MemberRecord) -> Decision:
    """The decision about a record that a newer one in the same batch stands for."""
    return _decision(
        record,
        Action.MERGED,
        "same_address_in_batch",
        "A newer record of the same address, or of the same row, stands for this one.",
    )


def of_verdict(verdict: Verdict, list_id: str) -> Decision:
    """The decision about a record that needed no call."""
    return _decision(
        verdict.record,
        verdict.action,
        verdict.reason,
        verdict.detail,
        changes=verdict.changes or None,
        targets=f"list {list_id}",
    )


def of_gone_row(stream: str, source_key: str, member: MemberState, list_id: str) -> Decision:
    """The finding about a row that made a member once and did not come in a whole read."""
    return Decision(
        stream=stream,
        action=Action.DRIFTED,
        reason=Drift.ROW_GONE.value,
        detail=Drift.ROW_GONE.sentence,
        subject=member.address,
        source_key=source_key,
        targets=f"list {list_id}",
    )


def of_comparison(decision: Decision) -> Decision:
    """The same decision of a comparison: no proof of consent, and nothing to replay."""
    set_aside = decision.action is Action.QUARANTINED
    action = Action.SKIPPED if set_aside else decision.action
    return replace(decision, action=action, consent=None, dead_letter=None)


def of_failure(record: MemberRecord, reason: str, detail: str, *, keep: bool) -> Decision:
    """The decision about a record that could not be brought to an end."""
    return _decision(record, Action.FAILED, reason, detail, dead_letter=record.raw if keep else None)


def of_outcome(outcome: Outcome) -> Decision:
    """The decision about a record that was written, or that Mailchimp refused."""
    write, call = outcome.write, outcome.call
    former = write.former if outcome.action is Action.MOVED else None
    return _decision(
        write.record,
        outcome.action,
        outcome.reason,
        outcome.detail,
        former_subject=former.known.address if former else None,
        changes=(write.changes or None) if outcome.written else None,
        targets=f"list {write.audience.id}",
        **call.facts(),
        dead_letter=write.record.raw if outcome.action.is_failure else None,
        payload=outcome.sent,
    )


def ledger_changes(membership: Membership, results: Iterable[Outcome | Verdict]) -> LedgerChanges:
    """What the ledger learns from outcomes and verdicts."""
    members: dict[str, Mapping[str, Any] | None] = {}
    sources: dict[str, Mapping[str, Any] | None] = {}
    waiting: dict[str, Mapping[str, Any] | None] = {}
    for result in results:
        record = result.record if isinstance(result, Verdict) else result.write.record
        detached = result.detached if isinstance(result, Verdict) else result.write.detached
        after = result.after if isinstance(result, Verdict) else _after(result)
        if isinstance(result, Outcome) and result.reason == NO_LONGER_A_MEMBER:
            members[record.member] = None
        if isinstance(result, Verdict) and result.waits:
            waiting[record.member] = {
                row.source or row.stream: {"stream": row.stream, "raw": row.raw} for row in record.rows
            }
            sources |= {source: {"member": record.member} for source in _sources(record)}
        if after is None:
            continue
        if isinstance(result, Outcome) and result.write.known is None:
            waiting[record.member] = None
        if isinstance(result, Outcome) and result.write.former and result.action is not Action.ARCHIVED:
            members[result.write.former.member] = None
        members[record.member] = after.to_json()
        sources |= {source: {"member": record.member} for source in _sources(record)}
        members |= {left.member: left.known.to_json() for left in detached}
    return {
        membership.members_namespace: members,
        membership.sources_namespace: sources,
        membership.waiting_namespace: waiting,
    }


def _after(outcome: Outcome) -> MemberState | None:
    return outcome.known_after() if outcome.written else None


def _sources(record: MemberRecord) -> list[str]:
    return [row.source for row in record.rows if row.source]


def _decision(record: MemberRecord, action: Action, reason: str, detail: str, **more: Any) -> Decision:  # noqa: ANN401 (attributes of the decision)
    return Decision(
        stream=record.stream,
        action=action,
        reason=reason,
        detail=detail,
        subject=record.address,
        source_key=record.source_key,
        source_updated_on=record.source_updated_on,
        consent="unsubscribed" if record.opted_out else None,
        **more,
    )


def _text(value: Any) -> str | None:  # noqa: ANN401 (JSON)
    return None if value is None else str(value)
