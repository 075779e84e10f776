"""Finds the flags in Epicor that a member's opt-out, or its end, asks for."""

from __future__ import annotations

from collections.abc import Iterable

from kinetic_mailchimp.audit.state.flag_state import FlagCause, FlagState
from kinetic_mailchimp.audit.state.handover import Handover, HandoverAction
from kinetic_mailchimp.audit.state.member_state import MemberState
from msgspec.structs import replace

from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.suppression import flag_of_suppression

LOST_FLAG_AT = "1970-01-01T00:00:00+00:00"
"""The time of a flag that must be ours, and of which nothing is known: before every return."""


def lost_flag(address: str, list_id: str) -> FlagState:
    """The flag of a row that this software must have set, although nothing is noted about it."""
    return FlagState(address, FlagCause.PERSON, list_id=list_id, at=LOST_FLAG_AT)


def is_lost(flag: FlagState | None) -> bool:
    """Tell whether a flag is one of `lost_flag`."""
    return flag is not None and flag.at == LOST_FLAG_AT


def is_of_former_address(row: MemberRecord) -> bool:
    """Tell whether our flag on a row says nothing about the address that the row has now."""
    flag = row.carried
    return flag is not None and not flag.moves_along and not flag.is_of_mailbox(row.address)


def brings_opt_out(record: MemberRecord, here: MemberState, formers: Iterable[MemberState]) -> bool:
    """Tell whether a row that is new at an address comes from one where its person opted out.

    Args:
        record: The rows.
        here: The member with their address.
        formers: The members that they had before.
    """
    flags = (row.carried for row in record.rows if row.source not in here.rows)
    return any(flag and flag.moves_along and not flag.is_of_mailbox(record.address) for flag in flags) or any(
        (former.contact_id != here.contact_id or not here.contact_id)
        and (opt_out := _opt_out_of(former, ""))
        and opt_out.cause in {FlagCause.PERSON, FlagCause.COMPLAINT}
        for former in formers
    )


def flags_to_write(
    record: MemberRecord, member: MemberState | None, list_id: str, elsewhere: Handover | None = None
) -> dict[str, Handover]:
    """The flags to set on the rows of a record, or to take back, by the name of the row.

    Args:
        record: The rows.
        member: The member with their address, if there is one.
        list_id: The audience.
        elsewhere: The flag of an opt-out of another audience.
    """
    found = {}
    opt_out = _opt_out_of(member, list_id) if member else flag_of_suppression(record, list_id)
    opt_out = opt_out or elsewhere
    for row in record.rows:
        if not row.source_key:
            continue
        flag = row.carried
        if opt_out and (not row.opted_out or is_of_former_address(row)):
            found[row.source_key] = replace(opt_out, address=row.address)
        elif (
            flag
            and not flag.cleared_at
            and (is_of_former_address(row) or (member and _came_back(member, flag, row, list_id)))
        ):
            found[row.source_key] = Handover(
                row.address,
                HandoverAction.CLEAR,
                cause=flag.cause,
                list_id=list_id,
                at=member.changed_at if member else "",
            )
    return found


def flags_to_adopt(record: MemberRecord, member: MemberState | None, list_id: str) -> dict[str, Handover]:
    """The flags of rows that are new at a member: each is a copy of ours, if a row that had ours is gone.

    So it is where customers are merged, or get a new key.

    Args:
        record: The rows.
        member: The member with their address, as it was known before.
        list_id: The audience.
    """
    found, known = {}, member.rows if member else {}
    for row in record.rows:
        before = [source for source in known if source.partition("/")[0] == row.stream]
        if row.source_key and row.wished_out and before and row.source not in before:
            rows = tuple(source.partition("/")[2] for source in before)
            found[row.source_key] = Handover(
                row.address, HandoverAction.ADOPT, list_id=list_id, instead_of=rows
            )
    return found


def withdraw(
    record: MemberRecord, member: MemberState, list_id: str
) -> tuple[MemberState, dict[str, Handover]]:
    """Take back the opt-out that was sent for a rep once no row has it; the member stays unsubscribed.

    Args:
        record: The rows.
        member: The member, with these rows.
        list_id: The audience.
    """
    carried = member.carried_opt_out
    if (
        carried is None
        or carried.withdrawn
        or any(row.opted_out for row in member.rows.values())
        or not any(row.source_key in carried.rows for row in record.rows)
    ):
        return member, {}
    cleared = {
        row: Handover(
            record.address,
            HandoverAction.CLEAR,
            cause=FlagCause.REP,
            origin=row,
            list_id=list_id,
            at=carried.at,
        )
        for row in carried.rows
    }
    return replace(member, carried_opt_out=replace(carried, withdrawn=True)), cleared


def _opt_out_of(member: MemberState, list_id: str) -> Handover | None:
    """The flag for rows of a member who opted out; None while no opt-out holds that rows should have."""
    status, cause, origin, carried = member.status, FlagCause.PERSON, "", member.carried_opt_out
    if status == "cleaned":
        cause = FlagCause.BOUNCE
    elif status != "unsubscribed" or (carried and carried.withdrawn):
        return None
    elif member.complained:
        status, cause = "complaint", FlagCause.COMPLAINT
    elif carried:
        cause, origin = FlagCause.REP, next(iter(carried.rows), "")
    return Handover(
        member.address,
        HandoverAction.FLAG,
        status,
        cause,
        origin,
        list_id,
        carried.at if carried else member.changed_at,
    )


def _came_back(member: MemberState, flag: FlagState, row: MemberRecord, list_id: str) -> bool:
    """Tell whether Mailchimp shows a subscriber after the opt-out of a flag, both by its own clock."""
    if flag.cause not in {FlagCause.PERSON, FlagCause.BOUNCE} or flag.list_id not in {"", list_id}:
        return False
    # Anybody can fill in a form with an address: the person's own act is that they confirm it.
    is_subscriber = member.status == "subscribed"
    return flag.is_for(row.address) and is_subscriber and member.changed_after(flag.at)
