"""Plans the records of a batch: finds the states of their people, and decides with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.handover import Handover
from kinetic_mailchimp.audit.state.member_state import CONSENTING_STATUSES, GONE, MemberState, is_before
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp import subscriber_hash
from msgspec.structs import replace

from target_mailchimp.audience.audience import Audience
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.planning.former_members import (
    after_leaving,
    as_of,
    follow_contacts,
    former_opted_out,
    formers_of,
    free_addresses,
    left_behind,
    lowered_on_leaving,
    taken_over,
    with_baseline,
    without,
    without_remade,
)
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.moved_contacts import as_moved, vacated, without_left
from target_mailchimp.rules.consent import opt_out_of_left, plan
from target_mailchimp.rules.deduplicate import with_waiting, without_duplicates
from target_mailchimp.rules.hand_over import (
    brings_opt_out,
    flags_to_adopt,
    flags_to_write,
    is_lost,
    lost_flag,
)
from target_mailchimp.rules.plan import Former, NoWrite, Write, is_free_for
from target_mailchimp.rules.refusal import unless_refused
from target_mailchimp.rules.suppression import plan_suppression
from target_mailchimp.settings import LoadSettings


@dataclass(frozen=True)
class Planned:
    """The decisions about a batch.

    Attributes:
        entries: One for each other record.
        states: The states of the people, by subscriber hash; None for a person who is not a member.
        extra: The number of entries that no record asked for: each is a decision of its own.
    """

    merged: Sequence[MemberRecord]
    entries: Sequence[NoWrite | Write]
    states: Mapping[str, MemberState | None]
    extra: int = 0

    @property
    def no_writes(self) -> list[NoWrite]:
        """The decisions that need no call."""
        return [entry for entry in self.entries if isinstance(entry, NoWrite)]

    @property
    def writes(self) -> list[Write]:
        """The decisions that need one."""
        return [entry for entry in self.entries if isinstance(entry, Write)]


class Planner:
    """Plans for one audience.

    Args:
        settle: Finishes the writes that are on their way about some people and rows: planning reads what
            they leave behind.
    """

    def __init__(
        self,
        settings: LoadSettings,
        audience: Audience,
        membership: Membership,
        settle: Callable[[set[str]], None],
    ) -> None:
        self._settings = settings
        self._audience = audience
        self._membership = membership
        self._settle = settle
        self._suppressed_before: dict[str, str] = {}
        self._out_elsewhere: Mapping[str, Handover] = {}
        self._member_of: Mapping[str, str] = {}

    def plan(self, records: Sequence[MemberRecord]) -> Planned:
        """Decide about records.

        Raises:
            ConnectorError: Mailchimp or the ledger cannot be asked.
        """
        membership = self._membership
        self._settle({key for row in records for key in (row.member, row.source) if key})
        member_of = membership.member_of(row.source for row in records if row.source)
        self._settle(set(member_of.values()))
        states: dict[str, MemberState | None] = dict.fromkeys(record.member for record in records)
        states |= membership.states({*states, *member_of.values()})
        moved = {subscriber_hash(state.moved_to) for state in states.values() if state and state.moved_to}
        states |= membership.states(moved)
        self._member_of = member_of = without_remade(records, states, member_of)
        records, left = without_left(records, states, member_of, membership.given_up, self._audience.id)
        winners, merged = without_duplicates(records)
        if waiting := membership.waiting(member for member, state in states.items() if state is None):
            winners = [with_waiting(record, waiting.get(record.member, ())) for record in winners]
        self._suppressed_before = membership.suppressed(
            record.member for record in winners if record.by_person and states[record.member]
        )
        self._out_elsewhere = membership.out_elsewhere(
            {*(record.address for record in winners), *(state.address for state in states.values() if state)},
            everywhere=not self._settings.opt_outs_count_in,
        )
        winners = self._with_flags(winners, states, member_of)
        if said := membership.statements(record.member for record in winners):
            winners = [replace(record, statement=said.get(record.member)) for record in winners]
        # Before anything is written: no other record may find a subscriber at an address that is nobody's.
        self._note_moved(states, follow_contacts(winners, states, member_of))
        given_up = membership.given_up(taken_over(winners, states)) | vacated(winners, states)
        self._settle(set(given_up.values()))
        others = membership.states(set(given_up.values()) - states.keys())
        self._note_moved(states, free_addresses(given_up, {**others, **states}))
        formers = {record.member: formers_of(record, states, member_of) for record in winners}
        wanted = {record.member for record in winners}
        # Of two rows that swap their addresses, each finds the other's member without the row that leaves it.
        for record in winners:
            for former in formers[record.member]:
                state = states[former.member]
                if former.member in wanted and state:
                    states[former.member] = without(state, {row.source for row in record.rows})
        entries: list[NoWrite | Write] = [
            self._with_handovers(
                self._planned(record, states, formers[record.member], wanted), states[record.member]
            )
            for record in winners
        ]
        refused = membership.refused_before(entry.record.source for entry in entries)
        entries = [*left, *(unless_refused(entry, refused.get(entry.record.source)) for entry in entries)]
        entries, lowered = lowered_on_leaving(entries, self._audience)
        extra: list[NoWrite | Write] = [*left_behind(entries), *lowered, *self._lowered_too(winners, states)]
        return Planned(merged, [*entries, *extra], states, len(extra))

    def _note_moved(
        self, states: dict[str, MemberState | None], moved: Mapping[str, MemberState | None]
    ) -> None:
        self._membership.note(moved)
        states.update((member, state) for member, state in moved.items() if member in states)

    def _lowered_too(
        self, records: Sequence[MemberRecord], states: dict[str, MemberState | None]
    ) -> list[Write]:
        """The opt-outs of members that a row left behind: no other row has them."""
        sources = {row.source: record for record in records for row in record.rows if row.wished_out}
        rows = {row.source: row.row_id for record in sources.values() for row in record.rows}
        left_by = self._membership.left_behind({source: rows[source] for source in sources})
        members = self._membership.states({member for found in left_by.values() for member in found})
        writes = {}
        for source, left in left_by.items():
            for member in left:
                state = members.get(member)
                if state and source in state.left_by and state.status in CONSENTING_STATUSES:
                    states.setdefault(member, state)
                    writes[member] = opt_out_of_left(
                        as_of(sources[source], Former(member, state)), state, self._audience
                    )
        return list(writes.values())

    def _with_flags(
        self,
        records: Sequence[MemberRecord],
        states: Mapping[str, MemberState | None],
        member_of: Mapping[str, str],
    ) -> list[MemberRecord]:
        """The records, with our own flags on their rows: those that are noted, and those of a lost ledger."""
        out = [row.source_key for record in records for row in record.rows if row.opted_out]
        if not out:
            return list(records)
        flags = self._membership.flags(name for name in out if name)
        return [
            self._with_lost_flags(record.with_flags(flags), states[record.member], member_of)
            for record in records
        ]

    def _with_lost_flags(
        self, record: MemberRecord, state: MemberState | None, member_of: Mapping[str, str]
    ) -> MemberRecord:
        """Take a flag for ours where no row of a subscriber is known, and the person came back since."""
        wished = [row for row in record.rows if row.wished_out and row.source_key]
        is_known = any(row.source in member_of for row in record.rows)
        if not wished or is_known or not state or state.rows or state.status not in CONSENTING_STATUSES:
            return record
        returned = self._membership.returned_at(record.member, state.own_id)
        ours = [
            row.source_key or ""
            for row in wished
            if returned and not is_before(returned, row.source_updated_on or "")
        ]
        return record.with_flags(dict.fromkeys(ours, lost_flag(record.address, self._audience.id)))

    def _planned(
        self,
        record: MemberRecord,
        states: Mapping[str, MemberState | None],
        formers: Sequence[Former],
        wanted: Collection[str],
    ) -> NoWrite | Write:
        """Plan a record, with regard to other addresses that its source rows had before.

        A member whose address another record of the batch has is not given up: it stays where it is.
        """
        here = states[record.member]
        if record.by_person and not record.others:
            known = self._suppressed_before.get(record.member)
            return plan_suppression(record, here, self._audience, known=known)
        sources = frozenset(row.source for row in record.rows if row.source)
        left = tuple(
            after_leaving(former, sources, here) for former in formers if former.member not in wanted
        )
        formers = [as_moved(former, states) for former in formers]
        if not is_free_for(here, formers):
            before = [former.state for former in formers if not former.is_another]
            brings = here is not None and brings_opt_out(record, here, before)
            planned = self._plan_here(record, with_baseline(here, formers), brings=brings)
            return replace(planned, detached=left) if left else planned
        # A bounce stays with the address: the corrected one is a new wish.
        formers = [former for former in formers if former.state.status != "cleaned"]
        if any(
            former.state.status == GONE or self._membership.is_archived(former.path) for former in formers
        ):
            return former_opted_out(record, formers, self._member_of, self._audience.id)
        movable = [
            former
            for former in formers
            if former.member not in wanted and not without(former.state, sources).rows
        ]
        # Consent moves with the person: one who opted out goes first.
        movable.sort(key=lambda former: not former.state.opted_out)
        if movable:
            stay = tuple(rest for rest in left if rest.member != movable[0].member)
            return replace(self._plan_here(record, None, movable[0]), detached=stay)
        if any(former.state.opted_out for former in formers):
            return former_opted_out(record, formers, self._member_of, self._audience.id)
        return replace(self._plan_here(record, None), detached=left)

    def _with_handovers(self, planned: NoWrite | Write, state: MemberState | None) -> NoWrite | Write:
        record = planned.record
        if isinstance(planned, Write):
            after = planned.merged if planned.state else None
        else:
            after = planned.after or state
            if planned.reason == "no_field_differs" and any(is_lost(row.carried) for row in record.rows):
                planned = replace(planned, reason="flag_of_former_opt_out")
        found = flags_to_adopt(record, state, self._audience.id)
        elsewhere = self._out_elsewhere.get(email_key(record.address))
        if elsewhere is None and isinstance(planned, Write) and (former := planned.former):
            elsewhere = self._out_elsewhere.get(email_key(former.state.address))
            elsewhere = None if elsewhere and elsewhere.cause is FlagCause.BOUNCE else elsewhere
        found |= flags_to_write(record, after, self._audience.id, elsewhere)
        return replace(planned, handovers={**found, **planned.handovers}) if found else planned

    def _plan_here(
        self,
        record: MemberRecord,
        state: MemberState | None,
        former: Former | None = None,
        *,
        brings: bool = False,
    ) -> NoWrite | Write:
        planned = plan(
            record,
            state,
            self._audience,
            self._settings,
            former=former,
            brings_opt_out=brings,
            is_out_elsewhere=email_key(record.address) in self._out_elsewhere,
        )
        # The listing of archived people is read when something would be written, and not before.
        if isinstance(planned, Write) and self._membership.is_archived(record.member):
            return plan(record, state, self._audience, self._settings, archived=True)
        return planned
