"""Records each event in the audit trail: one decision per record, one part per row written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from kinetic_mailchimp.audit import Action, Decision
from kinetic_mailchimp.kit.http.call import HttpCall
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp
from msgspec.structs import replace

from target_epicor_contacts.audit.event_result import BatchResult, EventResult
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.entities import EMAIL
from target_epicor_contacts.epicor.row_write import NotStoredError
from target_epicor_contacts.rules.event_plan import EventPlan, PlannedChange
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.row_owner import CUSTOMER_COLUMNS, FLAG_IS_CONSENT, SHARED_ADDRESS
from target_epicor_contacts.settings import Unmatched

RUN_ABORTED = "run_aborted"
_WITHHELD = {
    SHARED_ADDRESS: "Written to no row, because several people share the address",
    CUSTOMER_COLUMNS: "Only customers have the address, and `write_customer_columns` is off",
    FLAG_IS_CONSENT: "Not cleared, because only a `contact_status` clears the flag",
}
FOUND_WRITTEN = "No usable answer came; a look found it written."


def decide(event: EventPlan, batch: BatchResult, rules: Rules, unmatched: Unmatched) -> Decision:
    """The decision about one event.

    Args:
        event: Its plan.
        batch: The result of the batch that it was part of.
        rules: The configured rules.
        unmatched: The setting of that name.
    """
    result = EventResult(event, batch)
    decision = _failure(result) or _success(result, rules) or _nothing_written(result, unmatched)
    keep = decision.action is Action.FAILED and not (decision.reason == RUN_ABORTED and batch.comes_again)
    is_lost = event.lost and bool(event.update.status and rules.opts_out(event.update.status))
    keep = keep or (decision.action is Action.UNMATCHED and (unmatched == "dead_letter" or is_lost))
    return replace(
        decision,
        dead_letter=event.update.record if keep else None,
        parts=(*_created(result), *_parts(result), *_kept(result)),
    )


def decision_about(
    update: ContactUpdate,
    action: Action,
    reason: str,
    detail: str = "",
    call: HttpCall | None = None,
    payload: Mapping[str, Any] | None = None,
) -> Decision:
    """A decision about an update, with what the update itself tells.

    Args:
        update: The update.
        action: The outcome.
        reason: Why, as a code.
        detail: Why, in words.
        call: The end of the call, where there was one.
        payload: What was sent.
    """
    return Decision(
        stream=update.stream,
        action=action,
        reason=reason,
        detail=detail,
        subject=update.new_email or update.email,
        former_subject=update.email if update.new_email else None,
        source_key=update.source_key,
        source_updated_on=format_timestamp(update.event_time.at),
        event_id=update.event_time.event_id,
        consent=update.status.value if update.status else None,
        payload=payload,
        statement=update.statement,
        **(call.facts() if call else {}),
    )


def _failure(result: EventResult) -> Decision | None:
    event, update, batch = result.event, result.update, result.batch
    if event.error:
        return decision_about(update, Action.FAILED, "invalid_value", str(event.error))
    if result.is_open:
        return decision_about(update, Action.FAILED, RUN_ABORTED, str(batch.fatal or ""), result.fatal_call)
    created = batch.new_contacts.get(update.key)
    if not event.matched and created and created.refused:
        detail = f"No contact could be made: {created.refused}"
        reason = _reason_of(created.refused)
        return decision_about(update, Action.FAILED, reason, detail, created.call, created.sent or None)
    for change, refusal in result.refused.items():
        detail = f"{change.row_id}: {refusal}"
        return decision_about(update, Action.FAILED, _reason_of(refusal), detail, result.call_of(change))
    for row_id, error in result.failed_evidence:
        call = HttpCall.of_failure(error)
        return decision_about(update, Action.FAILED, "evidence_failed", f"{row_id}: {error}", call)
    return None


def _success(result: EventResult, rules: Rules) -> Decision | None:
    event, update, call = result.event, result.update, result.only_call
    if result.has_new_row:
        call = result.new_contact.call if result.new_contact else call
        return decision_about(
            update, Action.CREATED, "no_row", "A contact was made for a person who had none.", call
        )
    if not result.stored:
        return None
    rows = len({change.row_id for change in result.stored})
    written = f"{rows} row{'s' if rows > 1 else ''} written."
    detail = _notes(event, written)
    columns = {change.column: change.after for change in result.stored}
    if EMAIL in columns:
        return decision_about(update, Action.MOVED, "address_changed", detail, call)
    if columns.get(rules.flag_column) is rules.flag_value:
        detail = _notes(event, f"{written} {_cause(update)}".rstrip())
        reason = event.reason or (update.status.value if update.status else "pending_status")
        return decision_about(update, Action.FLAGGED, reason, detail, call)
    if rules.flag_column in columns:
        return decision_about(update, Action.CLEARED, event.reason or "subscribed_again", detail, call)
    return decision_about(update, Action.UPDATED, "fields_differ", detail, call)


def _nothing_written(result: EventResult, unmatched: Unmatched) -> Decision:
    event = result.event
    if not result.rows and not event.superseded and not event.ignored:
        reason = "row_gone" if event.matched else "no_row"
        action = {"ignore": Action.IGNORED, "create": Action.CREATED}.get(unmatched, Action.UNMATCHED)
        return decision_about(event.update, action, reason, "No row in Epicor has this address.")
    table = (
        (event.ignored, Action.IGNORED, event.ignored),
        (event.overtaken, Action.SUPERSEDED, "newer_event_in_batch"),
        (event.superseded, Action.SUPERSEDED, next(iter(event.superseded.values()), "")),
        (event.flag_kept, Action.REFUSED, "flag_set_by_others"),
        (event.refused, Action.REFUSED, "would_clear"),
        (event.kept, Action.SKIPPED, "epicor_value_kept"),
        (event.withheld, Action.SKIPPED, next(iter(event.withheld.values()), "")),
        (
            event.unreached and event.unreached.issuperset(event.matched),
            Action.SKIPPED,
            "counts_in_other_companies",
        ),
        (True, Action.UNCHANGED, "already_so"),
    )
    action, reason = next((action, reason) for fits, action, reason in table if fits)
    return decision_about(event.update, action, reason, _notes(event))


def _created(result: EventResult) -> Iterable[Decision]:
    """The part about the row that was created for this event."""
    contact = result.new_contact
    if contact is None or contact.row is None or contact.call is None:
        return
    yield Decision(
        stream=result.update.stream,
        action=Action.CREATED,
        reason="no_row",
        detail=FOUND_WRITTEN if contact.call.failed else "",
        changes={column: (None, value) for column, value in contact.sent.items()},
        targets=_target(contact.row.id),
        payload=contact.sent,
        **contact.call.facts(),
    )


def _parts(result: EventResult) -> Iterable[Decision]:
    """One part for each row: the changes that were stored, and another one for those that were not."""
    changes = sorted(result.event.changes, key=lambda change: (change.row_id, change in result.refused))
    groups = groupby(changes, key=lambda change: (change.row_id, change in result.refused))
    return (_part(result, row_id, list(group)) for (row_id, _), group in groups)


def _kept(result: EventResult) -> Iterable[Decision]:
    """One part for each row that kept its values in a conflict, with those and Mailchimp's."""
    for row_id, cells in groupby(sorted(result.event.kept), key=lambda cell: cell[0]):
        yield Decision(
            stream=result.update.stream,
            action=Action.SKIPPED,
            reason="epicor_value_kept",
            changes={column: result.event.kept[row_id, column] for _, column in cells},
            targets=_target(row_id),
        )


def _part(result: EventResult, row_id: str, changes: Sequence[PlannedChange]) -> Decision:
    write, refusal = result.batch.writes.get(row_id), result.refused.get(changes[0])
    call = next((call for change in changes if (call := result.call_of(change))), None)
    action, reason = Action.UPDATED, "written"
    detail = FOUND_WRITTEN if call and call.failed else ""
    if refusal:
        action, reason, detail = Action.FAILED, _reason_of(refusal), str(refusal)
    elif write and write.fatal:
        action, reason, detail = Action.FAILED, RUN_ABORTED, str(write.fatal)
    elif write and write.gone:
        action, reason, detail = Action.UNMATCHED, "row_gone", ""
    return Decision(
        stream=result.update.stream,
        action=action,
        reason=reason,
        detail=detail,
        changes={change.column: (change.before, change.after) for change in changes},
        targets=_target(row_id),
        payload=(write.payload(change.column for change in changes) if write else None) or None,
        **(call.facts() if call else {}),
    )


def _reason_of(refusal: Exception) -> str:
    return "not_stored" if isinstance(refusal, NotStoredError) else "refused_by_epicor"


def _target(row_id: str) -> str:
    company, entity, key = row_id.split("/", 2)
    return f"{entity} {company}/{key}"


def _notes(event: EventPlan, first: str = "") -> str:
    notes = [first] if first else []
    if claimed := event.update.event_time.claimed:
        notes.append(f"The event says {format_timestamp(claimed)}, which was in the future.")
    if event.followed and event.matched:
        notes.append("No row has this address: applied to the rows that the person is known by.")
    if event.superseded:
        notes.append(f"Something else holds already: {_listed(event.superseded)}.")
    if event.refused:
        notes.append(f"Not cleared, because `allow_clear` is off: {_listed(event.refused)}.")
    if event.kept:
        columns = {column for _, column in event.kept}
        notes.append(f"Changed on both sides, Epicor's value kept: {_listed(columns)}.")
    if event.conflicts:
        notes.append(f"Changed on both sides, Mailchimp's value taken: {_listed(event.conflicts)}.")
    for reason, sentence in _WITHHELD.items():
        if columns := {column for column, why in event.withheld.items() if why == reason}:
            notes.append(f"{sentence}: {_listed(columns)}.")
    for rows, sentence in (
        (event.unreached, "Of companies in which it does not count"),
        (event.flag_kept, "Flag kept, set by a user of Epicor"),
    ):
        notes += [f"{sentence}: {_listed(rows)}."] if rows else []
    return " ".join(notes)


def _cause(update: ContactUpdate) -> str:
    """Mailchimp's reason of an opt-out and the campaign, where the event has them."""
    reason = f"Mailchimp's reason: {update.reason}" if update.reason else ""
    campaign = f"campaign {update.campaign_id}" if update.campaign_id else ""
    cause = "; ".join(text for text in (reason, campaign) if text)
    return f"{cause[0].upper()}{cause[1:]}." if cause else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
