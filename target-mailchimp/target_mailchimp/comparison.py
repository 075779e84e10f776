"""Takes records as a load does, and compares instead of writing: what a load would do is drift."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from sync_audit import Decision, LedgerChanges, Run

from target_mailchimp import report
from target_mailchimp.audience import Audience, AudienceDirectory
from target_mailchimp.drift import drift_of
from target_mailchimp.loader import Loader
from target_mailchimp.membership import Membership
from target_mailchimp.planner import Planned
from target_mailchimp.plans import Write
from target_mailchimp.records import InvalidRecord, MemberRecord
from target_mailchimp.settings import LoadSettings
from target_mailchimp.snapshot import Snapshot
from target_mailchimp.writing import DryRunWriter

logger = logging.getLogger(__name__)


class Comparison(Loader):
    """Compares records with audiences as they are.

    Args:
        settings: How records would be written.
        directory: Finds audiences.
        membership_of: Makes what Mailchimp shows of the members of an audience.
        run: Takes the decisions.
        snapshot: Keeps what was seen; it is closed at the end.
    """

    def __init__(
        self,
        settings: LoadSettings,
        directory: AudienceDirectory,
        membership_of: Callable[[Audience], Membership],
        run: Run,
        snapshot: Snapshot,
    ) -> None:
        super().__init__(settings, directory, membership_of, DryRunWriter(), run)
        self._snapshot = snapshot
        self._incomplete: set[str] = set()

    def complete(self, stream: str) -> None:
        """Find the rows that were written once and are not in the source any more.

        Args:
            stream: The stream of which every row came.

        Raises:
            ConnectorError: The run cannot go on.
        """
        self.flush()
        self._incomplete.discard(stream)
        self._open(self._directory.get(self._settings.audience_of(stream)))
        for list_id, membership in self._memberships.items():
            for rows in membership.rows_of(stream):
                came = self._snapshot.get_many(rows)
                gone = {source: member for source, member in rows.items() if source not in came}
                self._run.read(len(gone))
                self._record(
                    [
                        report.of_gone_row(stream, source.removeprefix(f"{stream}/"), member, list_id)
                        for source, member in gone.items()
                    ]
                )

    def close(self) -> None:
        """Say what was not looked for, and let go of what was seen."""
        if self._incomplete:
            logger.warning(
                "Rows that no longer exist were not looked for: nothing said that all of %s was read. "
                "Let the tap read full tables, with its setting `emit_activate_version_messages`.",
                ", ".join(sorted(self._incomplete)),
            )
        super().close()
        self._snapshot.close()

    def _accept(self, entry: MemberRecord | InvalidRecord) -> None:
        self._incomplete.add(entry.stream)
        if entry.source:
            self._snapshot.add({entry.source: None})
        super()._accept(entry)

    def _decide(self, audience: Audience, membership: Membership, planned: Planned) -> list[Write]:
        compared = [drift_of(entry, planned.known[entry.record.member]) for entry in planned.entries]
        return super()._decide(audience, membership, replace(planned, entries=compared))

    def _record(self, decisions: Iterable[Decision], ledger: LedgerChanges | None = None) -> None:
        super()._record((report.of_comparison(decision) for decision in decisions), ledger)
