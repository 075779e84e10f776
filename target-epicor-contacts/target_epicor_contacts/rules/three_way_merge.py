"""Decides whether a field of a row takes Mailchimp's value: a three-way merge with what was last seen."""

from __future__ import annotations

from datetime import datetime

from kinetic_mailchimp.audit.state.three_way import NO_BASELINE, ConflictPolicy, Side, three_way


def merge_field(
    *,
    is_same: bool,
    would_clear: bool,
    mailchimp_is_empty: bool,
    epicor_is_empty: bool,
    epicor_changed: bool | None,
    policy: ConflictPolicy,
    event_at: datetime,
    row_changed_at: datetime | None,
) -> Side | None:
    """Merge a field whose value changed in Mailchimp.

    Args:
        is_same: Epicor already has the value.
        would_clear: The value is empty, Epicor's is not, and clearing is not allowed.
        mailchimp_is_empty: The value is empty.
        epicor_is_empty: Epicor has nothing in the field.
        epicor_changed: Whether Epicor's value is another than when both sides last agreed; None where that
            was never seen. That counts as a change, except that an empty field loses nothing.
        policy: Side whose value stays when both changed.
        event_at: Time of the person's edit.
        row_changed_at: Time of the row's last change in Epicor; without one the event counts as newer.

    Returns:
        The side whose value holds; None where an empty value would replace a value.
    """
    if is_same:
        return Side.AGREE
    if would_clear:
        return None
    epicor, agreed = "" if epicor_is_empty else "Epicor's", "agreed"
    # Where nothing was agreed, clearing is what `allow_clear` asks for; it yields to an edit in Epicor alone.
    mailchimp = "" if mailchimp_is_empty and epicor_changed else "Mailchimp's"
    return three_way(
        epicor,
        mailchimp,
        NO_BASELINE if epicor_changed is None else agreed if epicor_changed else epicor,
        policy,
        epicor_is_newer=row_changed_at is not None and row_changed_at > event_at,
    ).side
