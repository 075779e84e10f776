"""Plans the records of a batch: finds the states of their people, and decides with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.audit.state.member_state import MemberState

from target_mailchimp.audience.audience import Audience
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.membership import Membership
from target_mailchimp.rules.consent import membership_matters, plan
from target_mailchimp.rules.deduplicate import with_waiting, without_duplicates
from target_mailchimp.rules.plan import Former, NoWrite, Write
from target_mailchimp.settings import LoadSettings


@dataclass(frozen=True)
class Planned:
    """The decisions about a batch.

    Attributes:
        merged: The records that newer ones stand for.
        entries: One for each other record.
        states: The states of the people, by subscriber hash; None for a person who is not a member.
    """

    merged: Sequence[MemberRecord]
    entries: Sequence[NoWrite | Write]
    states: Mapping[str, MemberState | None]

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
        settings: How records are written.
        audience: Where they go.
        membership: Tells who is a member.
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

    def plan(self, records: Sequence[MemberRecord]) -> Planned:
        """Decide about records.

        Args:
            records: In the order in which they came.

        Raises:
            ConnectorError: Mailchimp or the ledger cannot be asked.
        """
        membership = self._membership
        winners, merged = without_duplicates(records)
        rows = [row for record in winners for row in record.rows]
        self._settle({key for row in rows for key in (row.member, row.source) if key})
        member_of = membership.member_of(row.source for row in rows if row.source)
        self._settle(set(member_of.values()))
        states: dict[str, MemberState | None] = dict.fromkeys(record.member for record in winners)
        states |= membership.states({*states, *member_of.values()})
        waiting = membership.waiting(member for member, state in states.items() if state is None)
        winners = [with_waiting(record, waiting.get(record.member, ())) for record in winners]
        formers = {record.member: _formers(record, states, member_of) for record in winners}
        uncertain = {
            record.member
            for record in winners
            if membership_matters(record, states[record.member], self._settings)
        }
        # The member may have been moved in Mailchimp: then the former one is gone, and this one there.
        uncertain |= {record.member for record in winners if formers[record.member]}
        uncertain |= {former.member for found in formers.values() for former in found}
        states |= membership.verified({member: states[member] for member in uncertain})
        wanted = {record.member for record in winners}
        entries = [self._planned(record, states, formers[record.member], wanted) for record in winners]
        return Planned(merged, entries, states)

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
        sources = {row.source for row in record.rows}
        left = tuple(Former(former.member, _without(former.state, sources)) for former in formers)
        if here is not None or not formers:
            return replace(self._plan_here(record, here), detached=left)
        if any(
            states[former.member] is None or self._membership.is_archived(former.member) for former in formers
        ):
            return _former_opted_out(record)
        formers = [Former(former.member, states[former.member] or former.state) for former in formers]
        movable = [
            former
            for former, rest in zip(formers, left, strict=True)
            if not rest.state.rows and former.member not in wanted
        ]
        # Consent moves with the person: one who opted out goes first.
        movable.sort(key=lambda former: not former.state.opted_out)
        if movable:
            stay = tuple(rest for rest in left if rest.member != movable[0].member)
            return replace(self._plan_here(record, None, movable[0]), detached=stay)
        if any(former.state.opted_out for former in formers):
            return _former_opted_out(record)
        return replace(self._plan_here(record, None), detached=left)

    def _plan_here(
        self,
        record: MemberRecord,
        state: MemberState | None,
        former: Former | None = None,
    ) -> NoWrite | Write:
        planned = plan(record, state, self._audience, self._settings, former=former)
        # The listing of archived people is read when something would be written, and not before.
        if isinstance(planned, Write) and self._membership.is_archived(record.member):
            return plan(record, state, self._audience, self._settings, archived=True)
        return planned


def _formers(
    record: MemberRecord, states: Mapping[str, MemberState | None], member_of: Mapping[str, str]
) -> list[Former]:
    """The members that the rows of a record had under other addresses, once each."""
    found: dict[str, Former] = {}
    for row in record.rows:
        member = member_of.get(row.source, record.member)
        state = states.get(member)
        if member != record.member and state is not None and row.source in state.rows:
            found[member] = Former(member, state)
    return list(found.values())


def _without(state: MemberState, sources: Iterable[str]) -> MemberState:
    for source in sources:
        state = state.without_row(source)
    return state


def _former_opted_out(record: MemberRecord) -> NoWrite:
    return NoWrite(
        record,
        Action.REFUSED,
        "former_address_opted_out",
        "The person opted out, or left, under a former address, and is not subscribed under a new one.",
    )
