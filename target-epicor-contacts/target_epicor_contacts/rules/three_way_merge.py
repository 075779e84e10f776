"""Decides whether a field of a row takes Mailchimp's value: a three-way merge with what was last seen."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from target_epicor_contacts.rules.policy import ConflictPolicy


class MergeResult(Enum):
    """Result of the merge of a field."""

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
) -> MergeResult:
    """Merge a field whose value changed in Mailchimp.

    Args:
        is_same: Epicor already has the value.
        would_clear: The value is empty, Epicor's is not, and clearing is not allowed.
        epicor_is_empty: Epicor has nothing in the field.
        epicor_changed: Whether Epicor's value is another than when both sides last agreed; None where that
            was never seen. That counts as a change, except that an empty field loses nothing.
        policy: Side whose value stays when both changed.
        event_at: Time of the person's edit.
        row_changed_at: Time of the row's last change in Epicor; without one the event counts as newer.
    """
    if is_same:
        return MergeResult.SAME
    if would_clear:
        return MergeResult.REFUSE
    if epicor_changed is False or (epicor_changed is None and epicor_is_empty):
        return MergeResult.WRITE
    if policy is ConflictPolicy.EPICOR_WINS:
        return MergeResult.KEEP
    if policy is ConflictPolicy.NEWEST_WINS and row_changed_at is not None and row_changed_at > event_at:
        return MergeResult.KEEP
    return MergeResult.WRITE
