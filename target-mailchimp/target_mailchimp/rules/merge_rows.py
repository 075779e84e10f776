"""Merges the source rows of one member into its state: the newest row decides, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinetic_mailchimp.audit.state.member_state import MemberState, RefusedValue, SourceRow

from target_mailchimp.audience.audience import MERGE_FIELD, Audience
from target_mailchimp.audience.member_values import LeftOut, wanted_values
from target_mailchimp.contract.member_record import MemberRecord

NEWER_ROW = "a newer row of the source has the same address, and decides"
REFUSED = "refused_by_mailchimp"
REFUSED_BEFORE = "refused before; it is sent again once the value or the field changes"


@dataclass(frozen=True)
class MergedRows:
    """The source rows of one member merged into its state.

    Attributes:
        state: With the rows and the owners of the fields; its values are the accepted ones, as before.
        changed: The values to send: those that differ from the accepted ones, and were not refused before.
        tags: The tags of the newest row that names some, or None.
        left_out: Fields that do not travel.
        blocked: Whether a newer row kept a value from being changed.
        agreed: Whether any value was changed, or was as it should be.
    """

    state: MemberState
    changed: dict[str, Any]
    tags: tuple[str, ...] | None
    left_out: tuple[LeftOut, ...]
    blocked: bool
    agreed: bool


def merge_rows(record: MemberRecord, base: MemberState, audience: Audience) -> MergedRows:
    """Merge a record, and the older rows that it stands for, into the state of their member.

    Args:
        record: The newest row.
        base: The state before.
        audience: Gives the values their forms.
    """
    state = base
    wanted, owner = dict(base.sent), dict(base.field_owner)
    decided: set[str] = set()
    tags: tuple[str, ...] | None = None
    left_out: list[LeftOut] = []
    blocked = False
    for row in record.rows:
        is_first = not state.rows
        source_row = SourceRow(row.active, row.opted_out, row.source_updated_on or "")
        state = replace(state, sent=wanted, field_owner=owner).with_row(row.source, source_row)
        owner = dict(state.field_owner)
        of_row = wanted_values(row, audience)
        left_out += of_row.left_out
        tags = tags if row.tags is None else row.tags
        for name, value in of_row.values.items():
            is_same = name in wanted and wanted[name] == value
            if not (is_same or state.may_set(row.source, name)):
                left_out.append(LeftOut(name, "newer_row_of_same_address", NEWER_ROW))
                blocked = True
                continue
            wanted[name] = value
            decided.add(name)
            if len(state.rows) > 1 and not (is_same and owner.get(name) is not None):
                owner[name] = row.source
        if len(state.rows) == 1:
            # A row that says nothing about a value that Mailchimp had keeps no other row from setting it.
            kept = (wanted if is_first else owner).keys() - of_row.values.keys()
            owner = {name: None for name in sorted(kept) if owner.get(name) is None}
    changed = {
        name: value for name, value in wanted.items() if name not in base.sent or base.sent[name] != value
    }
    # A value that was refused is not news until another one comes; one that is accepted already replaces it.
    again = {name for name, value in base.refused.items() if _is_same(value, name, changed, audience)}
    left_out += (LeftOut(name.removeprefix(MERGE_FIELD), REFUSED, REFUSED_BEFORE) for name in sorted(again))
    refused = {name: value for name, value in base.refused.items() if name in changed or name not in decided}
    return MergedRows(
        replace(state, sent=base.sent, field_owner=owner, refused=refused),
        {name: value for name, value in changed.items() if name not in again},
        tags,
        tuple(left_out),
        blocked,
        bool(decided),
    )


def _is_same(refused: RefusedValue, name: str, changed: Mapping[str, Any], audience: Audience) -> bool:
    """Tell whether a value that is to be sent was refused before, for the field as it still is."""
    return name in changed and refused == RefusedValue(changed[name], audience.signature_of(name))
