"""Notes which source rows cannot be mailed, from decisions about them and from the states of members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kinetic_mailchimp.audit import Action, AuditTrail, LedgerChanges
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace
from kinetic_mailchimp.audit.state.quality import QUALITY_NAMESPACE, FindingChanges, Findings, Flaw
from kinetic_mailchimp.mailchimp import Refusal

from target_mailchimp.audit.decisions import ledger_changes
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord, rep_in
from target_mailchimp.planning.membership import Membership, sources_namespace
from target_mailchimp.rules.plan import NoWrite
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
        settings: Name the streams that only update members.
    """

    def __init__(self, trail: AuditTrail, settings: LoadSettings) -> None:
        self._trail = trail
        self._update_only = settings.update_only_streams
        self._findings = Findings(trail.ledger(QUALITY_NAMESPACE), trail.clock)

    def of_invalid(self, records: Iterable[InvalidRecord]) -> LedgerChanges:
        """The changes after records that could not be used."""
        changes: FindingChanges = {}
        for record in records:
            if record.reason in _ADDRESS_FLAWS:
                text = str(record.raw.get("email_address") or "")
                is_active = str(record.raw.get("source_active")).lower() not in ("false", "0")
                changes |= self._of_row(record, _ADDRESS_FLAWS[record.reason] if is_active else None, text)
        return {QUALITY_NAMESPACE: changes}

    def changes_after(
        self, list_id: str, membership: Membership, results: Sequence[WriteResult | NoWrite]
    ) -> LedgerChanges:
        """The changes of the ledger after decisions and results, with what they say about their rows.

        Args:
            list_id: The audience.
            membership: Knows its namespaces.
            results: What was decided or written.
        """
        ledger = ledger_changes(membership, results)
        changes: FindingChanges = {}
        reps: dict[str, str] = {}
        for result in results:
            kind = _ADDRESS_FLAWS.get(result.reason)
            if kind is None and result.action.is_failure:
                continue  # says nothing about the row
            if kind is None and result.action is Action.REFUSED:
                kind = Flaw.REFUSED
            for row in result.record.rows:
                reps[row.source] = rep_in(row.raw)
                changes |= self._of_row(row, kind if row.active else None, row.address)
        return self.with_states(list_id, {**ledger, QUALITY_NAMESPACE: changes}, reps)

    def with_states(
        self, list_id: str, ledger: LedgerChanges, reps: Mapping[str, str] | None = None
    ) -> LedgerChanges:
        """The changes of the ledger, with what the new states of members say about their rows.

        Args:
            list_id: The audience.
            ledger: The changes.
            reps: The sales reps of rows, as far as they are known.
        """
        changes: FindingChanges = {}
        sources = self._trail.ledger(sources_namespace(list_id))

        def rep_of(source: str) -> str:
            return (reps or {}).get(source) or (sources.get(source) or {}).get("rep", "")

        for member, state in ledger.get(members_namespace(list_id), {}).items():
            rows = self._mailed_rows(state) if isinstance(state, MemberState) else ()
            address = state.address if isinstance(state, MemberState) else ""
            bounced = rows if isinstance(state, MemberState) and state.status == "cleaned" else ()
            group = f"{list_id}/{member}"
            for kind, found in (
                (Flaw.BOUNCED, bounced),
                (Flaw.DUPLICATE, rows if len(rows) >= _SEVERAL else ()),
            ):
                changes |= self._findings.of_member(kind, group, address, found, rep_of)
        return {**ledger, QUALITY_NAMESPACE: {**ledger.get(QUALITY_NAMESPACE, {}), **changes}}

    def _of_row(self, row: InvalidRecord | MemberRecord, kind: Flaw | None, address: str) -> FindingChanges:
        if not row.source or row.stream in self._update_only:
            return {}
        return self._findings.of_row(row.source, kind, address, rep_in(row.raw))

    def _mailed_rows(self, state: MemberState) -> tuple[str, ...]:
        return tuple(
            source
            for source, row in state.rows.items()
            if row.active and source and source.partition("/")[0] not in self._update_only
        )
