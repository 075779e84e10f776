"""Decides about records of which nothing is applied: not valid, empty, or about nobody who can be found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kinetic_mailchimp.audit import Action, Decision
from kinetic_mailchimp.kit.errors import ConnectorError
from msgspec.structs import replace

from target_epicor_contacts.audit.decisions import decision_about
from target_epicor_contacts.contract.campaign_result import RESULT_ID
from target_epicor_contacts.contract.contact_update import ContactUpdate, InvalidUpdateError, parse_update
from target_epicor_contacts.settings import OnInvalid


def read_updates(
    stream: str, records: Iterable[Mapping[str, Any]], merge_fields: Mapping[str, str], on_invalid: OnInvalid
) -> Iterator[ContactUpdate | Decision]:
    """The update in each record, or the decision about one that is not valid or asks for nothing."""
    for record in records:
        try:
            update = parse_update(stream, record, merge_fields)
        except InvalidUpdateError as error:
            yield decide_invalid(stream, record, error, on_invalid)
        else:
            yield _decide_empty(update) if update.is_empty else update


def in_order(entries: Iterable[object], applied: Iterable[Decision]) -> list[Decision]:
    """The decisions about records, in the order of these.

    Args:
        entries: A decision, or what was applied.
        applied: The decisions about the latter.
    """
    decided = iter(applied)
    return [entry if isinstance(entry, Decision) else next(decided) for entry in entries]


def _decide_empty(update: ContactUpdate) -> Decision:
    if update.record.get("confirmation") == "refuted":
        detail = "Mailchimp does not show what the unsigned event says."
        return decision_about(update, Action.IGNORED, "refuted", detail)
    detail = "The record has no status, no new address and no column to set."
    return decision_about(update, Action.IGNORED, "nothing_to_write", detail)


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
    stream: str, record: Mapping[str, Any], error: InvalidUpdateError, on_invalid: OnInvalid
) -> Decision:
    """The decision about a record that is not valid.

    Args:
        stream: The stream that it came on.
        record: The record.
        error: The error in it.
        on_invalid: The setting of that name.
    """
    keep = on_invalid == "dead_letter"
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
