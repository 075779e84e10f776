"""Notes which source rows cannot be mailed, from decisions about them and from the states of members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kinetic_mailchimp.audit import Action, AuditTrail, LedgerChanges
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, read_flags
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace
from kinetic_mailchimp.audit.state.quality import Findings, Flaw, MemberVerdict, RowVerdict
from kinetic_mailchimp.mailchimp import Refusal

from target_mailchimp.audit.decisions import ledger_changes
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord, rep_in
from target_mailchimp.planning.membership import Membership, sources_namespace
from target_mailchimp.planning.purchases import due_namespace
from target_mailchimp.rules.plan import NoWrite
from target_mailchimp.rules.refusal import REFUSED_BEFORE
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.write_result import WriteResult

_ADDRESS_FLAWS: Final[Mapping[str, Flaw]] = {
    "empty": Flaw.NO_ADDRESS,
    "several_addresses": Flaw.SEVERAL_ADDRESSES,
    "not_an_address": Flaw.BAD_ADDRESS,
    Refusal.FAKE_ADDRESS: Flaw.BAD_ADDRESS,
    Refusal.INVALID_ADDRESS: Flaw.BAD_ADDRESS,
}
_SEVERAL: Final = 2


class Quality:
    """Adds to changes of the ledger what they say about rows that cannot be mailed.

    Rows of streams that only update members, and of inactive customers, are left out: nobody would mail them.

    Args:
        trail: Where the findings are.
        settings: Name the streams that only update members, and say if purchases are summed.
    """

    def __init__(self, trail: AuditTrail, settings: LoadSettings) -> None:
        self._trail = trail
        self._flags = trail.ledger(FLAGS_NAMESPACE)
        self._update_only = settings.update_only_streams
        self._sums_purchases = settings.sums_purchases
        self._findings = Findings(trail.ledger, trail.clock)

    def with_flags(self, records: Sequence[InvalidRecord]) -> list[InvalidRecord]:
        """The records, with our own flags on their rows: a field of several people, of whom one opted out."""
        flags = read_flags(
            self._flags, (one.source_key for one in records if one.opted_out and one.source_key)
        )
        return [one.with_flags(flags) for one in records]

    def of_invalid(self, records: Iterable[InvalidRecord]) -> LedgerChanges:
        """The changes after records that could not be used."""
        rows: list[RowVerdict] = []
        for record in records:
            if record.reason in _ADDRESS_FLAWS:
                text = str(record.raw.get("email_address") or "")
                is_active = str(record.raw.get("source_active")).lower() not in ("false", "0")
                rows += self._of_row(record, _ADDRESS_FLAWS[record.reason] if is_active else None, text)
        return self._findings.changes(rows) if rows else {}

    def changes_after(
        self, list_id: str, membership: Membership, results: Sequence[WriteResult | NoWrite]
    ) -> LedgerChanges:
        """The changes of the ledger after decisions and results, with what they say about their rows.

        Args:
            list_id: The audience.
            membership: Knows its namespaces.
            results: What was decided or written.
        """
        due = due_namespace(list_id) if self._sums_purchases else ""
        ledger = ledger_changes(membership, results, due)
        rows: list[RowVerdict] = []
        for result in results:
            kind = _ADDRESS_FLAWS.get(result.reason)
            if result.reason == REFUSED_BEFORE or (kind is None and result.action.is_failure):
                continue  # says nothing new about the row
            if kind is None and result.action is Action.REFUSED:
                kind = Flaw.REFUSED
            for row in result.record.rows:
                rows += self._of_row(row, kind if row.active else None, row.address)
        return self.with_states(list_id, ledger, rows)

    def with_states(
        self, list_id: str, ledger: LedgerChanges, rows: Sequence[RowVerdict] = ()
    ) -> LedgerChanges:
        """The changes of the ledger, with what the new states of members say about their rows.

        Args:
            list_id: The audience.
            ledger: The changes.
            rows: The flaws of the addresses of rows that were decided about.
        """
        reps = {row.source: row.rep for row in rows}
        sources = self._trail.ledger(sources_namespace(list_id))

        def rep_of(source: str) -> str:
            return reps.get(source) or (sources.get(source) or {}).get("rep", "")

        members: list[MemberVerdict] = []
        for member, state in ledger.get(members_namespace(list_id), {}).items():
            mailed = self._mailed_rows(state) if isinstance(state, MemberState) else ()
            address = state.address if isinstance(state, MemberState) else ""
            bounced = mailed if isinstance(state, MemberState) and state.status == "cleaned" else ()
            group = f"{list_id}/{member}"
            members += (
                MemberVerdict(Flaw.BOUNCED, group, address, bounced),
                MemberVerdict(Flaw.DUPLICATE, group, address, mailed if len(mailed) >= _SEVERAL else ()),
            )
        return {**ledger, **self._findings.changes(rows, members, rep_of)}

    def _of_row(
        self, row: InvalidRecord | MemberRecord, kind: Flaw | None, address: str
    ) -> Iterator[RowVerdict]:
        # A person's own word, such as a line of an imported list, is of no customer.
        is_of_customer = row.raw.get("source_consent") != "person"
        if row.source and is_of_customer and row.stream not in self._update_only:
            yield RowVerdict(row.source, kind, address, rep_in(row.raw))

    def _mailed_rows(self, state: MemberState) -> tuple[str, ...]:
        return tuple(
            source
            for source, row in state.rows.items()
            if row.active and source and source.partition("/")[0] not in self._update_only
        )
