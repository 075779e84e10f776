"""Finds the members that source rows had under other addresses, and follows those that moved in Mailchimp."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.flag_state import is_same_row
from kinetic_mailchimp.audit.state.handover import Handover
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, MemberState
from msgspec.structs import replace

from target_mailchimp.audience.api_member import carried_over
from target_mailchimp.audience.audience import Audience
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.rules.consent import opt_out_of_left
from target_mailchimp.rules.hand_over import flags_to_write
from target_mailchimp.rules.plan import FORMER_OPTED_OUT, LEFT_BEHIND, Former, NoWrite, Write

_LEFT_BEHIND = (
    "The row has another address now, which is a member of its own. "
    "This member stays, without a row; an opt-out of the row reaches it."
)
_FORMER_OPTED_OUT = (
    "The person opted out, or left, under a former address, and is not subscribed under a new one."
)
States = Mapping[str, MemberState | None]
"""Members by subscriber hash; None for a person who is not one."""


def without_remade(
    records: Iterable[MemberRecord], states: States, member_of: Mapping[str, str]
) -> dict[str, str]:
    """The member that each source row had last, without those of rows that others have come in place of.

    Args:
        records: Of a batch.
        states: The members that these rows had.
        member_of: The subscriber hash that each row had last.
    """
    left = dict(member_of)
    for record in records:
        state = states.get(left.get(record.source, ""))
        row = state.rows.get(record.source) if state else None
        if row and not is_same_row(row.row_id, record.row_id):
            del left[record.source]
    return left


def formers_of(record: MemberRecord, states: States, member_of: Mapping[str, str]) -> list[Former]:
    """The members that the rows of a record had under other addresses, once each."""
    found: dict[str, Former] = {}
    here = states[record.member]
    for row in record.rows:
        member = member_of.get(row.source, record.member)
        state = states.get(member)
        if member == record.member or state is None:
            continue
        # One who opted out counts until the row has a member of its own, also if another row keeps it there.
        known = state.rows.get(row.source)
        if known or state.opted_out:
            is_another = bool(known and known.contact_id and here and known.contact_id == here.contact_id)
            found[member] = Former(member, state, is_another)
    return list(found.values())


def former_opted_out(
    record: MemberRecord, formers: Iterable[Former], member_of: Mapping[str, str], list_id: str
) -> NoWrite:
    """Subscribe nobody under a new address; the opt-out reaches the rows that have it now.

    A rep's opt-out on them waits there, so that no other row makes the person a member.

    Args:
        record: The rows, under the new address.
        formers: The members that they had.
        member_of: The subscriber hash that each row had last.
        list_id: The audience.
    """
    found: dict[str, Handover] = {}
    for former in formers:
        found |= flags_to_write(record, former.state, list_id)

    def staying(row: MemberRecord) -> MemberRecord:
        keeps = member_of.get(row.source, record.member)
        return row if keeps == record.member else replace(row, stays_with=keeps)

    record = replace(staying(record), others=tuple(map(staying, record.others)))
    return NoWrite(record, Action.REFUSED, FORMER_OPTED_OUT, _FORMER_OPTED_OUT, waits=True, handovers=found)


def follow_contacts(
    records: Iterable[MemberRecord], states: States, member_of: Mapping[str, str]
) -> dict[str, MemberState | None]:
    """Give up the addresses that subscribers left in Mailchimp, once the last of their rows has the new one.

    Such an address is nobody's. The next one who gets it is a new person, not the former member.

    Args:
        records: The rows, by the address that they have now.
        states: The members with these addresses, and with those that the rows had.
        member_of: The subscriber hash that each row had last.

    Returns:
        What changes: the state under the new address, with the baseline of the former one, which has none.
    """
    moved: dict[str, MemberState | None] = {}
    for record in records:
        sources = [row.source for row in record.rows if row.source]
        for former in formers_of(record, states, member_of):
            here = moved.get(record.member, states[record.member])
            if (
                here
                and not former.is_another
                and _has_moved(former.state, here)
                and not without(former.state, sources).rows
            ):
                moved |= {record.member: with_baseline(here, [former]), former.member: None}
    return moved


def taken_over(records: Iterable[MemberRecord], states: States) -> list[str]:
    """The addresses of members that come with a row which is new there: the member may have given it up."""
    return [
        record.address
        for record in records
        if (state := states[record.member]) and any(row.source not in state.rows for row in record.rows)
    ]


def free_addresses(given_up: Mapping[str, str], states: States) -> dict[str, MemberState | None]:
    """Give up addresses that subscribers left in Mailchimp, before rows of theirs come with the new one.

    Args:
        given_up: The subscriber hash that a person has now, by the one that they gave up.
        states: The members with all of these.

    Returns:
        What changes, as `follow_contacts` tells it.
    """
    moved: dict[str, MemberState | None] = {}
    for member, now in given_up.items():
        former, here = states.get(member), states.get(now)
        if former and here and _has_moved(former, here):
            moved |= {now: with_baseline(here, [Former(member, former)]), member: None}
    return moved


def after_leaving(former: Former, sources: frozenset[str], here: MemberState | None) -> Former:
    """A member without the rows that left it; where they went to another member, it knows them.

    But for one whose opt-out it had: after that, the person came back by their own act.
    """
    state = without(former.state, sources)
    same = former.is_another or (here is not None and is_same_contact(state, here))
    if here is not None and not (same or state.rows) and state.status in CONSENTING_STATUSES:
        heard = {source for source, row in former.state.rows.items() if row.opted_out}
        state = replace(state, left_by=state.left_by | (sources - heard))
    return replace(former, state=state)


def lowered_on_leaving(
    entries: Iterable[NoWrite | Write], audience: Audience
) -> tuple[list[NoWrite | Write], list[Write]]:
    """The decisions, and the opt-outs of members whose row left them in the same edit that opted it out.

    Args:
        entries: The decisions about the rows.
        audience: Where the members are.
    """
    rest: list[NoWrite | Write] = []
    lowered: list[Write] = []
    for entry in entries:
        out = {
            left.member: opt_out_of_left(as_of(row, left), left.state, audience)
            for left in entry.detached
            if left.state.status in CONSENTING_STATUSES
            for row in entry.record.rows
            if row.wished_out and row.source in left.state.left_by
        }
        lowered += out.values()
        stay = tuple(left for left in entry.detached if left.member not in out)
        rest.append(replace(entry, detached=stay) if out else entry)
    return rest, lowered


def left_behind(entries: Iterable[NoWrite | Write]) -> list[NoWrite]:
    """The members without a row, because the new address of their row is a member of its own."""
    return [
        NoWrite(as_of(entry.record, left), Action.SKIPPED, LEFT_BEHIND, _LEFT_BEHIND, after=left.state)
        for entry in entries
        for left in entry.detached
        if not left.state.left_by.isdisjoint(row.source for row in entry.record.rows)
    ]


def as_of(record: MemberRecord, member: Former) -> MemberRecord:
    """The record under a former address of its row."""
    raw = {**record.raw, "email_address": member.state.address}
    return replace(
        record, raw=raw, address=member.state.address, member=member.member, others=(), statement=None
    )


def with_baseline(here: MemberState | None, formers: Iterable[Former]) -> MemberState | None:
    """The member with what is known of it under the address that it had before in Mailchimp."""
    same = (former.state for former in formers if here and is_same_contact(former.state, here))
    before = next(same, None)
    return here if here is None or before is None or here.rows else carried_over(before, here)


def without(state: MemberState, sources: Iterable[str]) -> MemberState:
    """A member without some of its rows."""
    for source in sources:
        state = state.without_row(source)
    return state


def is_same_contact(one: MemberState, other: MemberState) -> bool:
    """Tell whether Mailchimp shows one contact under two addresses, one after the other."""
    return bool(one.contact_id) and one.contact_id == other.contact_id


def _has_moved(former: MemberState, here: MemberState) -> bool:
    """Tell whether a subscriber has another address in Mailchimp; an opt-out stays with the old one too."""
    return is_same_contact(former, here) and {former.status, here.status} <= CONSENTING_STATUSES


def opt_out_of_address(state: MemberState) -> MemberState | None:
    """The own opt-out of a person who gets another address: it stays with the one before, too."""
    if state.status != "unsubscribed" or state.carried_opt_out:
        return None
    return MemberState(state.address, state.status, changed_at=state.changed_at, complained=state.complained)
