"""Takes records as a load does, and compares instead of writing: a write that a load would make is drift."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace

from kinetic_mailchimp.audit import Decision, LedgerChanges, Run
from kinetic_mailchimp.audit.state.member_state import MemberState
from typing_extensions import override

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.audit import decisions as report
from target_mailchimp.audit.quality import Quality
from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.planning.batch_planner import Planned
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.snapshot import Snapshot
from target_mailchimp.planning.trial import Trial
from target_mailchimp.reconcile.drift import drift_of
from target_mailchimp.rules.plan import Write
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.writer import DryRunWriter

logger = logging.getLogger(__name__)


class Comparison(Loader):
    """Compares records with audiences as they are.

    Args:
        membership_of: Opens the present states of the members of an audience.
        snapshot: Keeps the rows that came; it is closed at the end.
    """

    def __init__(
        self,
        settings: LoadSettings,
        directory: AudienceDirectory,
        membership_of: Callable[[Audience], Membership],
        run: Run,
        quality: Quality,
        snapshot: Snapshot,
        trial: Trial,
    ) -> None:
        super().__init__(settings, directory, membership_of, DryRunWriter(), run, quality, trial=trial)
        self._snapshot = snapshot
        self._incomplete: set[str] = set()
        self._complete: set[str] = set()

    @property
    @override
    def shortfall(self) -> str:
        """The reason, in words, why not everything was compared; empty where it was."""
        if not self._incomplete:
            return ""
        return (
            f"Nothing says that all of {', '.join(sorted(self._incomplete))} was read: the tap ended early, "
            "or reads no full tables, or lacks its setting `emit_activate_version_messages`."
        )

    @override
    def expect(self, stream: str) -> None:
        """Prepare for the rows of a stream."""
        super().expect(stream)
        self._incomplete.add(stream)

    @override
    def complete(self, stream: str) -> None:
        """Find the members whose rows came once on a stream, and do not any more now that every row came.

        Raises:
            ConnectorError: The run cannot go on.
        """
        self.flush()
        self._incomplete.discard(stream)
        self._complete.add(stream)
        for named in self._settings.audiences_of_stream(stream):
            self.open(self._directory.get(named))
        if not self._makes_members(stream):
            return
        for list_id, membership in self._memberships.items():
            for left in membership.all_left_behind():
                found = {source: member for source, member in left.items() if source.startswith(f"{stream}/")}
                self._run.read(len(found))
                self.record([report.of_left_behind(*entry, list_id) for entry in found.items()])
            for rows in membership.rows_of(stream):
                gone = self._without_any_row(rows)
                self._run.read(len(gone))
                self.record(
                    [
                        report.of_gone_row(stream, source.removeprefix(f"{stream}/"), member, list_id)
                        for source, member in gone.items()
                    ]
                )

    @override
    def close(self) -> None:
        """Say what was not looked for, and drop the snapshot."""
        if self.shortfall:
            logger.warning("Rows that no longer exist were not looked for. %s", self.shortfall)
        super().close()
        self._snapshot.close()

    def _makes_members(self, stream: str) -> bool:
        return stream not in self._settings.update_only_streams

    def _without_any_row(self, rows: Mapping[str, MemberState]) -> dict[str, MemberState]:
        """Of rows with their members, those that are gone where no other row stands behind the member."""
        came = self._snapshot.get_many({*rows, *(row for member in rows.values() for row in member.rows)})
        return {
            source: member
            for source, member in rows.items()
            if source not in came and not any(self._stands(row, came) for row in member.rows if row != source)
        }

    def _stands(self, row: str, came: Container[str]) -> bool:
        """Tell whether a row stands behind its member: it came, or nothing says yet that it will not."""
        stream = row.partition("/")[0]
        return self._makes_members(stream) and (row in came or stream not in self._complete)

    @override
    def _accept(self, entry: MemberRecord | InvalidRecord) -> None:
        # A row that has lost its address stands behind no member.
        if isinstance(entry, MemberRecord) and entry.source:
            self._snapshot.add({entry.source: None})
        super()._accept(entry)

    @override
    def _decide(self, audience: Audience, membership: Membership, planned: Planned) -> list[Write]:
        compared = [drift_of(entry, planned.states[entry.record.member]) for entry in planned.entries]
        return super()._decide(audience, membership, replace(planned, entries=compared))

    @override
    def record(self, decisions: Iterable[Decision], ledger: LedgerChanges | None = None) -> None:
        """Store decisions as those of a comparison."""
        super().record(map(report.of_comparison, decisions), ledger)
