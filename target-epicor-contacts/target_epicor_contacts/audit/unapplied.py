"""Decides about records of which nothing is applied: not valid, empty, or about nobody who can be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit import Action, Decision
from kinetic_mailchimp.kit.errors import ConnectorError
from msgspec.structs import replace

from target_epicor_contacts.audit.decisions import decision_about
from target_epicor_contacts.contract.campaign_result import RESULT_ID
from target_epicor_contacts.contract.contact_update import ContactUpdate, InvalidUpdateError, parse_updates
from target_epicor_contacts.settings import OnInvalid


def decide_unapplied(
    stream: str,
    records: Sequence[Mapping[str, Any]],
    merge_fields: Mapping[str, str],
    on_invalid: OnInvalid,
) -> tuple[dict[int, ContactUpdate], dict[int, Decision]]:
    """Decide about records that are not valid or ask for nothing.

    Args:
        stream: The stream that they came on.
        records: In the order of arrival.
        merge_fields: The setting of that name.
        on_invalid: The setting of that name.

    Returns:
        The updates that are left to apply, and the decisions about the other records, by place in the batch.
    """
    updates: dict[int, ContactUpdate] = {}
    decisions: dict[int, Decision] = {}
    parsed = parse_updates(stream, records, merge_fields)
    for index, (record, update) in enumerate(zip(records, parsed, strict=True)):
        if isinstance(update, InvalidUpdateError):
            decisions[index] = decide_invalid(stream, record, update, keep=on_invalid == "dead_letter")
        elif update.is_empty:
            detail = "The record has no status, no new address and no column to set."
            reason = "nothing_to_write"
            if record.get("confirmation") == "refuted":
                reason, detail = "refuted", "Mailchimp does not show what the unsigned event says."
            decisions[index] = decision_about(update, Action.IGNORED, reason, detail)
        else:
            updates[index] = update
    return updates, decisions


def decide_unanswered(aborted: Decision, record: Mapping[str, Any] | None, error: ConnectorError) -> Decision:
    """The decision about a record whose person Kinetic cannot be asked about, while it answers about others.

    Args:
        aborted: The decision as it would be if the run had ended.
        record: The record, for a dead letter; None where what it is about waits elsewhere.
        error: What remained after all attempts.
    """
    detail = f"Every look-up of this address fails, and one of another does not. {error}"
    return replace(aborted, reason="no_answer_about_it", detail=detail, dead_letter=record)


def decide_invalid(
    stream: str, record: Mapping[str, Any], error: InvalidUpdateError, *, keep: bool
) -> Decision:
    """The decision about a record that is not valid.

    Args:
        stream: The stream that it came on.
        record: The record.
        error: The error in it.
        keep: Whether it is kept for replay.
    """
    email, status = record.get("email"), record.get("contact_status")
    event_id = record.get("event_id") or record.get(RESULT_ID)
    return Decision(
        stream=stream,
        action=Action.QUARANTINED if keep else Action.SKIPPED,
        reason=error.reason,
        detail=str(error),
        subject=email if isinstance(email, str) and email else None,
        event_id=str(event_id) if event_id else None,
        consent=status if isinstance(status, str) and status else None,
        dead_letter=record if keep else None,
    )
