"""Turns decisions and results into entries of the audit trail (R6) and changes of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from kinetic_mailchimp.audit import Action, Decision, Drift
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE
from kinetic_mailchimp.audit.state.ledger import LedgerDraft
from kinetic_mailchimp.audit.state.member_state import MemberState
from kinetic_mailchimp.audit.state.people import CORRECTED_NAMESPACE, Corrected
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec.structs import replace

from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord, rep_in
from target_mailchimp.contract.waiting_rows import rows_to_json
from target_mailchimp.planning.former_members import opt_out_of_address
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.purchases import due_at_once
from target_mailchimp.rules.consent import LEFT_ROW_OPTED_OUT
from target_mailchimp.rules.plan import LEFT_BEHIND, RESTORED, Former, NoWrite
from target_mailchimp.writing.write_result import WriteResult

_LEFT_OUT = {
    "not_in_only": "The address is not in `only`; a run without it reads the record again.",
    "after_the_first": "As many people as `first` says come before; a run without it reads the record again.",
}


def of_invalid(invalid: InvalidRecord, *, keep: bool) -> Decision:
    """The decision about a record that cannot be used.

    Args:
        invalid: The record.
        keep: Whether it becomes a dead letter. An opt-out always does: until its address is corrected, the
            person may still be mailed.
    """
    keep = keep or invalid.opted_out
    return Decision(
        stream=invalid.stream,
        action=Action.QUARANTINED if keep else Action.SKIPPED,
        reason=invalid.reason,
        detail=invalid.detail,
        subject=invalid.address,
        source_key=invalid.source_key,
        source_updated_on=_text(invalid.raw.get("source_updated_on")),
        consent="unsubscribed" if invalid.opted_out else None,
        dead_letter=invalid.raw if keep else None,
    )


def of_unfed(stream: str, source_key: str | None, address: str | None = None) -> Decision:
    """The decision about a record of a company that feeds no audience.

    Args:
        stream: The stream of the record.
        source_key: The row.
        address: The address in it.
    """
    return Decision(
        stream=stream,
        action=Action.SKIPPED,
        reason="company_feeds_no_audience",
        detail="`audiences_by_company` has no audience for the company of this row.",
        subject=address or None,
        source_key=source_key,
    )


def of_merged(record: MemberRecord) -> Decision:
    """The decision about a record that a newer one in the same batch stands for."""
    return _decision(
        record,
        Action.MERGED,
        "same_address_in_batch",
        "A newer record of the same address, or of the same row, stands for this one.",
    )


def left_out(record: MemberRecord, reason: str) -> NoWrite:
    """The decision about a record that a setting leaves out for the present.

    Args:
        record: The record.
        reason: `not_in_only` or `after_the_first`.
    """
    return NoWrite(record, Action.SKIPPED, reason, _LEFT_OUT[reason])


def of_no_write(decided: NoWrite, list_id: str) -> Decision:
    """The decision about a record that needed no call."""
    return _decision(
        decided.record,
        decided.action,
        decided.reason,
        decided.detail,
        changes=decided.changes or None,
        targets=f"list {list_id}",
        dead_letter=decided.record.raw if decided.action is Action.QUARANTINED else None,
    )


def of_gone_row(source: str, member: MemberState, list_id: str) -> Decision:
    """The finding about a row that made a member once and did not come in a whole read."""
    stream, _, source_key = source.partition("/")
    return Decision(
        stream=stream,
        action=Action.DRIFTED,
        reason=Drift.ROW_GONE.value,
        detail=Drift.ROW_GONE.sentence,
        subject=member.address,
        source_key=source_key,
        targets=f"list {list_id}",
    )


def of_left_behind(source: str, member: MemberState, list_id: str) -> Decision:
    """The finding about a member whose row has the address of another member now."""
    return replace(
        of_gone_row(source, member, list_id),
        reason=Drift.MEMBER_LEFT_BEHIND.value,
        detail=Drift.MEMBER_LEFT_BEHIND.sentence,
    )


def of_comparison(decision: Decision) -> Decision:
    """The same decision of a comparison: no proof of consent, and nothing to replay."""
    set_aside = decision.action is Action.QUARANTINED
    action = Action.SKIPPED if set_aside else decision.action
    return replace(decision, action=action, consent=None, dead_letter=None)


def of_failure(record: MemberRecord, reason: str, detail: str, *, keep: bool) -> Decision:
    """The decision about a record that could not be brought to an end."""
    return _decision(record, Action.FAILED, reason, detail, dead_letter=record.raw if keep else None)


def of_write_result(result: WriteResult) -> Decision:
    """The decision about a record that was written, or that Mailchimp refused."""
    write, call = result.write, result.call
    former = write.former if result.action is Action.MOVED else None
    return _decision(
        write.record,
        result.action,
        result.reason,
        result.detail,
        former_subject=former.state.address if former else None,
        changes=(write.changes or None) if result.written else None,
        targets=f"list {write.audience.id}",
        **call.facts(),
        dead_letter=write.record.raw if result.action.is_failure else None,
        payload=result.sent,
    )


def ledger_changes(
    membership: Membership, results: Iterable[WriteResult | NoWrite], due: str = ""
) -> LedgerDraft:
    """The changes of the ledger after decisions and results.

    Args:
        membership: Knows the namespaces of the audience.
        results: Each with the state of its member from now on, if that changes.
        due: The namespace of the sums that are to be made; empty where purchases are not summed.
    """
    changes: LedgerDraft = defaultdict(dict)
    for result in results:
        if result.record.statement is not None:
            # Its decision has it from now on.
            changes[membership.statements_namespace][result.record.member] = None
        if result.handovers:
            changes[HANDOVER_NAMESPACE].update(result.handovers)
        if isinstance(result, WriteResult) and (refused := result.refused):
            changes[membership.refused_namespace][result.record.source] = refused
        if isinstance(result, WriteResult) and result.write.reason == RESTORED:
            # Tried once: what fails is tried again after another edit.
            changes[membership.edited_namespace][result.record.member] = None
        if result.reason in {LEFT_BEHIND, LEFT_ROW_OPTED_OUT} and (after := result.after) is not None:
            _note_left(changes, membership, result.record, Former(result.record.member, after))
        else:
            _note_member(changes, membership, result, due)
        if isinstance(result, WriteResult) and result.action is Action.MOVED:
            _note_correction(changes, result)
        if isinstance(result, WriteResult) and (here := result.followed):
            _note_followed(changes, membership, here)
    return changes


def _note_member(
    changes: LedgerDraft, membership: Membership, result: WriteResult | NoWrite, due: str
) -> None:
    record, after = result.record, result.after
    members, waiting = changes[membership.members_namespace], changes[membership.waiting_namespace]
    sources = {
        row.source: {"member": record.member, **({"rep": rep} if (rep := rep_in(row.raw)) else {})}
        for row in record.rows
        if row.source
    }
    if isinstance(result, NoWrite):
        if result.waits:
            waiting[record.member] = rows_to_json(record) or None
            stay = {row.source: row.stays_with for row in record.rows if row.source and row.stays_with}
            changes[membership.sources_namespace] |= sources | {
                source: {**sources[source], "member": member, "at": record.member}
                for source, member in stay.items()
            }
    elif after is not None:
        if record.by_person:
            waiting[record.member] = rows_to_json(record)
        elif result.write.state is None:
            waiting[record.member] = None
        if result.write.former and result.action is not Action.ARCHIVED:
            members[result.write.former.member] = opt_out_of_address(result.write.former.state)
    if after is not None:
        members[record.member] = after
        changes[membership.sources_namespace].update(sources)
        for other in result.detached:
            _note_left(changes, membership, record, other)
        # What was bought under a row is told to its member, as soon as there is one.
        before = result.write.state if isinstance(result, WriteResult) and not result.write.former else None
        known = before.rows.keys() if before else frozenset()
        if due and not (after.rows.keys() <= known and not result.detached):
            states = (after, *(other.state for other in result.detached))
            changes[due] |= due_at_once(row for state in states for row in state.rows)


def _note_correction(changes: LedgerDraft, result: WriteResult) -> None:
    """Note the address that a member had before: in another audience, the person may still have it."""
    after = result.after
    if result.write.former and after and after.changed_at:
        address, list_id = result.record.address, result.write.audience.id
        changes[CORRECTED_NAMESPACE] |= {
            email_key(result.write.former.state.address): Corrected(address, list_id, after.changed_at),
            email_key(address): None,
        }


def _note_followed(changes: LedgerDraft, membership: Membership, here: MemberState) -> None:
    """Note a member whom the opt-out of a row reached that has the person's former address."""
    member = subscriber_hash(here.address)
    known = membership.states({member}).get(member, here)
    changes[membership.members_namespace][member] = replace(
        known, status=here.status, changed_at=here.changed_at, carried_opt_out=here.carried_opt_out
    )


def _note_left(changes: LedgerDraft, membership: Membership, record: MemberRecord, left: Former) -> None:
    """Note a member that rows left; those that have no row are found by the row that left them."""
    member, state = left.member, left.state
    if any(row.opted_out for row in state.rows.values()) and state.left_by:
        # The opt-out of such a row has reached the member: what comes after it is the person's own.
        state = replace(state, rows={}, left_by=frozenset())
    changes[membership.members_namespace][member] = state
    ids = {row.source: row.row_id for row in record.rows}
    rows = {source: ids.get(source, 0) for source in state.left_by}
    known = membership.left_behind(rows)
    for source, row_id in rows.items():
        everyone = known.get(source, [])
        if member not in everyone:
            entry = {"members": sorted([member, *everyone]), "row": row_id}
            changes[membership.left_namespace][source] = entry


def _decision(record: MemberRecord, action: Action, reason: str, detail: str, **more: Any) -> Decision:  # noqa: ANN401 (attributes of the decision)
    return Decision(
        stream=record.stream,
        action=action,
        reason=reason,
        detail=detail,
        subject=record.address,
        source_key=record.source_key,
        source_updated_on=record.source_updated_on,
        consent="unsubscribed" if record.wished_out else None,
        statement=record.statement,
        **more,
    )


def _text(value: Any) -> str | None:  # noqa: ANN401 (JSON)
    return None if value is None else str(value)
