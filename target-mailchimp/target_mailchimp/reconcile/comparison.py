"""Compares an audience with its source instead of writing: a write that a load would make is drift."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence

from kinetic_mailchimp.audit import Decision, Run
from kinetic_mailchimp.audit.state.member_state import MemberState
from typing_extensions import override

from target_mailchimp.audit import decisions as report
from target_mailchimp.contract.member_record import MemberRecord
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.loading.review import Review
from target_mailchimp.planning.batch_planner import Planned
from target_mailchimp.planning.snapshot import Snapshot
from target_mailchimp.reconcile.drift import drift_of
from target_mailchimp.rules.plan import NoWrite, Write
from target_mailchimp.settings import LoadSettings

logger = logging.getLogger(__name__)


class Comparison(Review):
    """Finds drift in the plans of a load, and the rows that are gone once all of a stream came.

    Args:
        run: Records what no record tells of.

    Attributes:
        snapshot: Keeps the rows that came and the members that were read, until the end.
    """

    def __init__(self, settings: LoadSettings, run: Run) -> None:
        self._settings = settings
        self._run = run
        self.snapshot = Snapshot()
        self._incomplete: set[str] = set()
        self._complete: set[str] = set()

    @override
    def takes(self, record: MemberRecord) -> bool:
        # A row that has lost its address stands behind no member, and does not get here.
        if record.source:
            self.snapshot.add({record.source: None})
        return True

    @override
    def entries(self, planned: Planned) -> Sequence[NoWrite | Write]:
        return [drift_of(entry, planned.states[entry.record.member]) for entry in planned.entries]

    @override
    def decision(self, decision: Decision) -> Decision:
        return report.of_comparison(decision)

    @property
    @override
    def shortfall(self) -> str:
        if not self._incomplete:
            return ""
        return (
            f"Nothing says that all of {', '.join(sorted(self._incomplete))} was read: the tap ended early, "
            "or reads no full tables, or lacks its setting `emit_activate_version_messages`."
        )

    @override
    def expect(self, stream: str) -> None:
        self._incomplete.add(stream)

    @override
    def complete(self, stream: str, loader: Loader) -> None:
        """Find the members whose rows came once on a stream, and do not any more now that every row came."""
        loader.flush()
        self._incomplete.discard(stream)
        self._complete.add(stream)
        memberships = loader.memberships_of(stream)
        if not self._makes_members(stream):
            return
        for list_id, membership in memberships.items():
            for left in membership.all_left_behind():
                found = {source: member for source, member in left.items() if source.startswith(f"{stream}/")}
                self._record([report.of_left_behind(*entry, list_id) for entry in found.items()])
            for rows in membership.rows_of(stream):
                gone = self._without_any_row(rows).items()
                self._record([report.of_gone_row(*entry, list_id) for entry in gone])

    @override
    def close(self) -> None:
        if self.shortfall:
            logger.warning("Rows that no longer exist were not looked for. %s", self.shortfall)
        self.snapshot.close()

    def _record(self, found: Sequence[Decision]) -> None:
        self._run.read(len(found))
        self._run.record(found)

    def _makes_members(self, stream: str) -> bool:
        return stream not in self._settings.update_only_streams

    def _without_any_row(self, rows: Mapping[str, MemberState]) -> dict[str, MemberState]:
        """Of rows with their members, those that are gone where no other row stands behind the member."""
        came = self.snapshot.get_many({*rows, *(row for member in rows.values() for row in member.rows)})
        return {
            source: member
            for source, member in rows.items()
            if source not in came and not any(self._stands(row, came) for row in member.rows if row != source)
        }

    def _stands(self, row: str, came: Container[str]) -> bool:
        """Tell whether a row stands behind its member: it came, or nothing says yet that it will not."""
        stream = row.partition("/")[0]
        return self._makes_members(stream) and (row in came or stream not in self._complete)
