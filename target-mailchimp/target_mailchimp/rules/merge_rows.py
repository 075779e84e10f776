"""Merges the source rows of one member into its state: the newest row decides, field by field."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from kinetic_mailchimp.audit.state.member_state import MemberState, RefusedValue, SourceRow
from kinetic_mailchimp.audit.state.three_way import NO_BASELINE, ConflictPolicy, Side, three_way
from kinetic_mailchimp.mailchimp.stored_form import is_same
from msgspec.structs import replace

from target_mailchimp.audience.audience import MERGE_FIELD, Audience
from target_mailchimp.audience.member_values import LeftOut, wanted_values
from target_mailchimp.audience.tags import LONGEST_TAG
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.policy import Policy

NEWER_ROW = "a newer row of the source has the same address, and decides"
REFUSED = "refused_by_mailchimp"
REFUSED_BEFORE = "refused before; it is sent again once the value or the field changes"


class MergedRows(msgspec.Struct, frozen=True, gc=False):
    """The source rows of one member merged into its state.

    Attributes:
        state: With the rows and the owners of the fields; its values are the accepted ones, as before.
        changed: The values to send: those that differ from the accepted ones, and were not refused before.
        tags: The tags that all rows name together, or None.
        left_out: Fields that do not travel.
        restored: Whether they are only values that were edited in Mailchimp, and the source owns.
        blocked: Whether a newer row kept a value from being changed.
        agreed: Whether any value was changed, or was as it should be.
    """

    state: MemberState
    changed: dict[str, Any]
    tags: tuple[str, ...] | None
    left_out: tuple[LeftOut, ...]
    restored: bool
    blocked: bool
    agreed: bool


def merge_rows(record: MemberRecord, base: MemberState, audience: Audience, settings: Policy) -> MergedRows:
    """Merge a record, and the older rows that it stands for, into the state of their member.

    Args:
        record: The newest row.
        base: The state before.
        audience: Gives the values their forms.
        settings: The user's choices.
    """
    state = base
    wanted, owner = dict(base.sent), dict(base.field_owner)
    decided: set[str] = set()
    left_out: list[LeftOut] = []
    blocked = False
    for row in record.rows:
        is_first = not state.rows
        source_row = source_row_of(row, state.rows.get(row.source))
        state = replace(state, sent=wanted, field_owner=owner).with_row(row.source, source_row)
        owner = dict(state.field_owner)
        of_row = wanted_values(row, audience)
        left_out += of_row.left_out
        for name, value in of_row.values.items():
            is_same = name in wanted and wanted[name] == value
            if not (is_same or state.may_set(row.source, name)):
                left_out.append(LeftOut(name, "newer_row_of_same_address", NEWER_ROW))
                blocked = True
                continue
            wanted[name] = value
            decided.add(name)
            if len(state.rows) > 1 and not (is_same and owner.get(name) in state.rows):
                owner[name] = row.source
        if len(state.rows) == 1:
            # A row that says nothing about a value, of Mailchimp or of a row that left, lets others set it.
            kept = (wanted if is_first else owner).keys() - of_row.values.keys()
            owner = {name: owner.get(name) for name in sorted(kept) if owner.get(name) not in state.rows}
    base = _with_open_writes(base, record, audience)
    changed = {
        name: value for name, value in wanted.items() if name not in base.sent or base.sent[name] != value
    }
    edits = _NO_EDITS
    if base.shown:
        shown = {name: wanted[name] for name in base.shown if name in decided}
        edits = _merge_edits(shown, record, base, settings)
        changed = {name: value for name, value in changed.items() if name not in edits.left} | edits.sent
        left_out += edits.left_out
    refused = base.refused
    if refused:
        # A value that was refused is not news until another one comes; one that is accepted replaces it.
        again = {name for name, value in refused.items() if _is_same(value, name, changed, audience)}
        left_out += (
            LeftOut(name.removeprefix(MERGE_FIELD), REFUSED, REFUSED_BEFORE) for name in sorted(again)
        )
        refused = {name: value for name, value in refused.items() if name in changed or name not in decided}
        changed = {name: value for name, value in changed.items() if name not in again}
    state = replace(
        state, sent=base.sent, shown=base.shown, writing=base.writing, field_owner=owner, refused=refused
    )
    return MergedRows(
        state.with_answer(edits.agreed) if edits.agreed else state,
        changed,
        state.tags,
        tuple(left_out),
        bool(changed) and changed.keys() <= edits.restored,
        blocked,
        bool(decided),
    )


def _with_open_writes(base: MemberState, record: MemberRecord, audience: Audience) -> MemberState:
    """The member with what the other direction wrote and could not note: the row changed."""
    done: dict[str, Any] = {}
    for row in record.rows if base.writing else ():
        values = wanted_values(row, audience).values
        for name, write in base.writing.items():
            before = write.before.get(row.source_key or "", values.get(name))
            if name in values and not is_same(before, values[name]):
                done[name] = write.value
    if not done:
        return base
    shown = {
        name: value
        for name, value in base.shown.items()
        if name not in done or not is_same(value, done[name])
    }
    writing = {name: write for name, write in base.writing.items() if name not in done}
    return replace(base, sent={**base.sent, **done}, shown=shown, writing=writing)


class _Edits(msgspec.Struct, frozen=True):
    """The fields of a record that were edited in Mailchimp.

    Attributes:
        agreed: Both sides have the value by now.
        restored: The names of those that the source owns and did not change.
        left: The names of those that stay as Mailchimp has them, or agree.
    """

    agreed: dict[str, Any]
    sent: dict[str, Any]
    restored: set[str]
    left: set[str]
    left_out: list[LeftOut]


_NO_EDITS = _Edits({}, {}, set(), set(), [])


def _merge_edits(
    wanted: Mapping[str, Any], record: MemberRecord, base: MemberState, settings: Policy
) -> _Edits:
    edits = _Edits({}, {}, set(), set(), [])
    for name, value in wanted.items():
        tag, shown = name.removeprefix(MERGE_FIELD), base.shown[name]
        baseline = base.sent.get(name, NO_BASELINE)
        is_two_way = tag in settings.two_way_fields
        merged = three_way(
            value,
            shown,
            baseline,
            settings.conflict_policy if is_two_way else ConflictPolicy.EPICOR_WINS,
            epicor_is_newer=base.changed_before(record.source_updated_on or ""),
            same=lambda one, other: is_same(other, one),
        )
        if merged.side is Side.AGREE:
            edits.agreed[name] = value
            edits.left.add(name)
        elif is_two_way and merged.side is Side.MAILCHIMP:
            edits.left.add(name)
            reason, detail = (
                ("conflict", f"both sides changed it: Mailchimp has {shown!r}, Epicor {value!r}")
                if merged.conflict
                else ("edited_in_mailchimp", "the other direction brings it to Epicor")
            )
            edits.left_out.append(LeftOut(tag, reason, detail))
        else:
            edits.sent[name] = value
            if merged.side is Side.MAILCHIMP and baseline is not NO_BASELINE:
                edits.restored.add(name)
    return edits


def source_row_of(row: MemberRecord, before: SourceRow | None) -> SourceRow:
    """The row to remember: one whose values are the same does not get newer by a save."""
    content = (row.merge_values, row.attributes, row.interests, row.tags)
    digest = zlib.crc32(repr(content).encode())
    is_touched = before is not None and before.digest == digest and before.updated_on
    updated_on = before.updated_on if before and is_touched else row.source_updated_on or ""
    tags = before.tags if before and row.tags is None else row.tags
    if tags is not None:
        tags = tuple(tag for tag in tags if len(tag) <= LONGEST_TAG)
    contact_id = before.contact_id if before else ""
    row_id = row.row_id or (before.row_id if before else 0)
    return SourceRow(row.active, row.wished_out, updated_on, digest, tags, contact_id, row_id=row_id)


def _is_same(refused: RefusedValue, name: str, changed: Mapping[str, Any], audience: Audience) -> bool:
    """Tell whether a value that is to be sent was refused before, for the field as it still is."""
    return name in changed and refused == RefusedValue(changed[name], audience.signature_of(name))
