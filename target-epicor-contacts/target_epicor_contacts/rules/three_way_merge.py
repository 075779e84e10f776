"""Decides whether a field of a row takes Mailchimp's value: a three-way merge with what was last seen."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from target_epicor_contacts.rules.policy import ConflictPolicy


class Verdict(Enum):
    """What happens to a field."""

    WRITE = "write"
    SAME = "same"
    KEEP = "keep"
    """Both sides changed, and the policy keeps Epicor's value."""
    REFUSE = "refuse"
    """An empty value would replace a value."""


def merge_field(
    *,
    is_same: bool,
    would_clear: bool,
    epicor_is_empty: bool,
    epicor_changed: bool | None,
    policy: ConflictPolicy,
    event_at: datetime,
    row_changed_at: datetime | None,
) -> Verdict:
    """What happens to a field whose value changed in Mailchimp.

    Args:
        is_same: Epicor already has the value.
        would_clear: The value is empty, Epicor's is not, and clearing is not allowed.
        epicor_is_empty: Epicor has nothing in the field.
        epicor_changed: Whether Epicor's value is another than when both sides last agreed; None where that
            was never seen. That counts as a change, except that an empty field loses nothing.
        policy: Whose value stays when both changed.
        event_at: When the person edited it.
        row_changed_at: When Epicor's row last changed, where it says so; else the event counts as newer.
    """
    if is_same:
        return Verdict.SAME
    if would_clear:
        return Verdict.REFUSE
    if epicor_changed is False or (epicor_changed is None and epicor_is_empty):
        return Verdict.WRITE
    if policy is ConflictPolicy.EPICOR_WINS:
        return Verdict.KEEP
    if policy is ConflictPolicy.NEWEST_WINS and row_changed_at is not None and row_changed_at > event_at:
        return Verdict.KEEP
    return Verdict.WRITE
