"""Decides who may be created, kept or lowered (R1): nobody who opted out is ever raised.

`status` is sent only to lower consent. A new member gets `status_if_new`. A person whose state is known gets
`status_if_new: unsubscribed`, so that one who was archived meanwhile does not come back as a subscriber.
"""

from __future__ import annotations

from collections.abc import Iterable

from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState, SourceRow
from kinetic_mailchimp.audit.trail.decision import Action
from msgspec.structs import replace

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.member_values import describe_left_out
from target_mailchimp.audience.tags import plan_tags
from target_mailchimp.contract.member_record import ADDRESS_PROBLEMS, NEW_STATUSES, MemberRecord
from target_mailchimp.rules.hand_over import is_of_former_address, withdraw
from target_mailchimp.rules.merge_rows import NEWER_ROW, MergedRows, merge_rows, source_row_of
from target_mailchimp.rules.plan import (
    FORMER_OPTED_OUT,
    RESTORED,
    SUPPRESSED,
    Former,
    NoWrite,
    Write,
    with_tags,
)
from target_mailchimp.rules.policy import Policy

OUT_ELSEWHERE = "opted_out_of_other_audience"
LEFT_ROW_OPTED_OUT = "row_that_left_opted_out"
STILL_REFUSED = "Mailchimp refused the person before, and no row of theirs has changed since."
WITHDRAWN = "The rep's opt-out is taken back, with its flags; a return to Mailchimp is the person's own act."


def plan(
    record: MemberRecord,
    state: MemberState | None,
    audience: Audience,
    settings: Policy,
    *,
    archived: bool = False,
    former: Former | None = None,
    brings_opt_out: bool = False,
    is_out_elsewhere: bool = False,
) -> NoWrite | Write:
    """Decide about a record, and the older rows that it stands for.

    Args:
        record: The source row.
        state: The state of the member with its address, if one is known.
        audience: Where it goes.
        settings: The user's choices.
        archived: Whether the address is archived in the audience.
        former: The member that the same source row had under another address, if it may be moved.
        brings_opt_out: Whether the person opted out under an address that the row had before.
        is_out_elsewhere: Whether the person is out of another audience: a flag for it waits to be set.
    """
    if archived:
        return NoWrite(
            record, Action.REFUSED, "archived", "The person is archived in the audience, and stays so."
        )
    base = former.state if former else state
    if base and base.refused_for and _is_known(record, base):
        return NoWrite(record, Action.REFUSED, base.refused_for, STILL_REFUSED)
    if base is None and not record.is_mailable:
        reason = "not_an_address"
        return NoWrite(record, Action.QUARANTINED, reason, ADDRESS_PROBLEMS[reason])
    if base is None:
        refused = _not_created(record, settings, is_out_elsewhere=is_out_elsewhere)
        return refused or _creation(record, audience, settings)
    return _update(record, base, audience, settings, former, brings_opt_out=brings_opt_out)


def _is_known(record: MemberRecord, state: MemberState) -> bool:
    """Tell whether the rows of a record are as they were."""
    rows = state.rows
    return all(source_row_of(row, rows.get(row.source)) == rows.get(row.source) for row in record.rows)


def _not_created(record: MemberRecord, settings: Policy, *, is_out_elsewhere: bool) -> NoWrite | None:
    """The reason for which a person who is not a member does not become one."""
    rows = record.rows
    creating = _creating_rows(record, settings)
    refusals = (
        (
            any(row.by_person for row in rows),
            SUPPRESSED,
            "The person opted out elsewhere, before the first load.",
        ),
        (_kept_out(rows), "opted_out_at_source", "The source says that the person wants no mail."),
        (is_out_elsewhere, OUT_ELSEWHERE, "The person is out of another audience: the row gets a flag."),
        (not creating, "not_a_member", "The stream only updates members."),
        (
            not any(row.active for row in creating),
            "inactive_at_source",
            "An inactive customer is not made a member.",
        ),
        (
            _new_status(creating, settings) not in NEW_STATUSES,
            "unknown_status",
            "`status_if_new` is not a status of Mailchimp.",
        ),
    )
    return next(
        (
            NoWrite(record, Action.SKIPPED, reason, detail, waits=True)
            for applies, reason, detail in refusals
            if applies
        ),
        None,
    )


def _creation(record: MemberRecord, audience: Audience, settings: Policy) -> Write:
    merged = merge_rows(record, MemberState(record.address), audience, settings)
    tags = plan_tags(merged.tags, {}, replaces=settings.tags == "replace", inactive_tag=None)
    status = _new_status(_creating_rows(record, settings), settings)
    return Write(
        record,
        audience,
        state=None,
        merged=merged.state,
        values=merged.changed | tags.values,
        new_status="pending" if status == "subscribed" and audience.double_optin else status,
        tags=tags.sent,
        left_out=merged.left_out,
    )


def _update(
    record: MemberRecord,
    base: MemberState,
    audience: Audience,
    settings: Policy,
    former: Former | None,
    *,
    brings_opt_out: bool,
) -> NoWrite | Write:
    merged = merge_rows(record, base, audience, settings)
    state, handovers = withdraw(record, merged.state, audience.id)
    inactive = "nothing" if _is_active(merged.state, settings) else settings.inactive_action
    if inactive == "archive":
        return Write(
            record, audience, base, merged.state, archive=True, former=former, reason="inactive_at_source"
        )
    goes_now = inactive == "unsubscribe" and _is_active(base, settings)
    goes_now = goes_now or brings_opt_out
    lower = (_opts_out_now(record, base) or goes_now) and base.status in CONSENTING_STATUSES
    tags = plan_tags(
        merged.tags,
        base.sent,
        replaces=settings.tags == "replace",
        inactive_tag=settings.inactive_tag if inactive == "tag" else None,
        owned=settings.owned_tags,
    )
    state = replace(state, address=record.address)
    if not (merged.changed or lower or former) and tags.is_empty:
        after = with_tags(state, tags.sent)
        unchanged = _nothing_to_write(record, merged, after if after != base else None)
        if not handovers:
            return unchanged
        return replace(unchanged, reason="opt_out_withdrawn", detail=WITHDRAWN, handovers=handovers)
    return Write(
        record,
        audience,
        base,
        state,
        merged.changed | tags.values,
        # A person who is known and turns out to be gone must not come back as a subscriber.
        new_status="unsubscribed",
        tags=tags.sent,
        lower=lower,
        replaces_tags=tags.replaces and tags.batch is not None,
        tag_changes=tags.single,
        former=former,
        left_out=merged.left_out,
        handovers=handovers,
        reason=FORMER_OPTED_OUT
        if lower and brings_opt_out
        else _reason(record, lower=lower, inactive=inactive, restored=merged.restored),
    )


def opt_out_of_left(record: MemberRecord, state: MemberState, audience: Audience) -> Write:
    """The opt-out of a member that a row left behind, which no other row has."""
    row = SourceRow(active=record.active, opted_out=True)
    return Write(
        record,
        audience,
        state,
        replace(state, rows={record.source: row}),
        new_status="unsubscribed",
        lower=True,
        reason=LEFT_ROW_OPTED_OUT,
    )


def _nothing_to_write(record: MemberRecord, merged: MergedRows, after: MemberState | None) -> NoWrite:
    if merged.blocked and not merged.agreed:
        return NoWrite(
            record, Action.SUPERSEDED, "newer_row_of_same_address", f"{NEWER_ROW.capitalize()}.", after=after
        )
    return NoWrite(
        record, Action.UNCHANGED, "no_field_differs", describe_left_out(merged.left_out), after=after
    )


def _reason(record: MemberRecord, *, lower: bool, inactive: str, restored: bool) -> str:
    if lower and any(row.wished_out for row in record.rows):
        return "opted_out_at_source"
    if inactive != "nothing":
        return "inactive_at_source"
    return RESTORED if restored else "fields_differ"


def _opts_out_now(record: MemberRecord, state: MemberState) -> bool:
    """Tell whether an opt-out is new: the person may have resubscribed after one that was sent before."""
    return any(
        row.wished_out
        and not state.rows.get(row.source, SourceRow()).opted_out
        and not state.returned_after(row.source_updated_on or "")
        for row in record.rows
    )


def _kept_out(rows: Iterable[MemberRecord]) -> bool:
    """Tell whether a flag, a rep's or our own, keeps the person from becoming a member."""
    return any(row.opted_out and not is_of_former_address(row) for row in rows)


def _creating_rows(record: MemberRecord, settings: Policy) -> list[MemberRecord]:
    """The rows whose stream may create a member, the newest first."""
    return [row for row in reversed(record.rows) if row.stream not in settings.update_only_streams]


def _is_active(state: MemberState, settings: Policy) -> bool:
    """Tell whether a row that may create a member is of an active customer, or none is known."""
    rows = [
        row
        for source, row in state.rows.items()
        if source.partition("/")[0] not in settings.update_only_streams
    ]
    return any(row.active for row in rows) or not rows


def _new_status(creating: Iterable[MemberRecord], settings: Policy) -> str:
    """The status of a new member, by the newest row that asks for one."""
    for row in creating:
        if row.status_if_new:
            return row.status_if_new
    return settings.status_if_new
