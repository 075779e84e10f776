"""The way of every batch: plan, claim, write, record; what cannot be asked about is isolated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Run
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE
from kinetic_mailchimp.audit.state.ledger import LedgerChanges
from kinetic_mailchimp.kit.errors import ConnectorError, DataError

from target_epicor_contacts.applying.isolation import Attempt, Outcome, T, by_halves
from target_epicor_contacts.applying.reading import BatchReader
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.audit.ledger_changes import Before
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import ContactCreator, NewContact
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.epicor.journals import Entry, JournalWriter, opt_out_entry
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.rules.plan import BatchPlan, untried
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.known_members import OpenWrites


@dataclass(frozen=True)
class Dependencies:
    """Everything that the processing of a batch works with.

    Attributes:
        run: The present run.
        evidence: Logs opt-outs; None without the setting.
        creator: Creates contacts; None without the setting.
        is_replay: Whether the records are dead letters, which no later run reads again.
    """

    trail: AuditTrail
    run: Run
    finder: RowFinder
    writer: RowWriter
    evidence: JournalWriter | None = None
    creator: ContactCreator | None = None
    is_replay: bool = False


@dataclass(frozen=True)
class PlannedBatch:
    """A batch before its writes.

    Attributes:
        new_contacts: Those that were made while it was planned, by address.
        open_writes: The merge fields that it is about to write.
        claims: The changes of the ledger that say so.
    """

    plan: BatchPlan
    before: Before = field(default_factory=Before)
    new_contacts: Mapping[str, NewContact] = field(default_factory=dict)
    open_writes: OpenWrites = field(default_factory=dict)
    claims: LedgerChanges = field(default_factory=dict)


class BatchProcessor(ABC):
    """Applies batches of records.

    Args:
        dependencies: Reading, writing and storing.
        settings: The other settings.
    """

    def __init__(self, dependencies: Dependencies, rules: Rules, settings: WriteSettings) -> None:
        self._dependencies = dependencies
        self._rules = rules
        self._settings = settings
        self._reader = BatchReader(dependencies.trail, dependencies.finder, rules)

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply records; when this returns, every one of them has a durable decision.

        Args:
            stream: The stream that they came on.
            records: In the order of arrival.

        Raises:
            ConnectorError: The run cannot go on. Earlier decisions are recorded; the rest is recorded as
                failed and will come again, because the state has not moved past it.
        """
        self._isolate(records, partial(self._apply, stream))

    @abstractmethod
    def _apply(
        self, stream: str, records: Sequence[Mapping[str, Any]], stopped: ConnectorError | None
    ) -> Outcome:
        """Apply records; where something has ended the run already, nothing is tried."""

    def _isolate(self, things: Sequence[T], attempt: Attempt[T]) -> None:
        run = self._dependencies.run
        run.read(len(things))
        fatal = by_halves(things, attempt, self._dependencies.finder, run)
        if fatal is not None:
            raise fatal
        # Also a person without a row, where that is set to leave a dead letter.
        unmatched = (Action.UNMATCHED,) if self._settings.unmatched == "dead_letter" else ()
        self._settings.check_failures(run, failures=unmatched)

    def _carry_out(
        self,
        updates: Sequence[ContactUpdate],
        stopped: ConnectorError | None,
        plan: Callable[[], PlannedBatch],
    ) -> tuple[PlannedBatch, BatchResult]:
        """Plan a batch and write it; one that cannot be planned is not tried, and all of it comes again."""
        try:
            if stopped:
                raise stopped
            planned = plan()
            self._claim(planned)
        except ConnectorError as error:
            return PlannedBatch(untried(updates)), self._result(fatal=error, untried=True)
        return planned, self._write(planned)

    def _claim(self, planned: PlannedBatch) -> None:
        """Store what is ours before it is written: after a crash, it is nobody else's."""
        flags = planned.plan.flags.items()
        ours = {name: flag.to_json() for name, flag in flags if planned.before.flags.get(name) != flag}
        claims = {**planned.claims, **({FLAGS_NAMESPACE: ours} if ours else {})}
        if claims and not self._settings.dry_run:
            self._dependencies.run.record([], ledger=claims)

    def _write(self, planned: PlannedBatch) -> BatchResult:
        if self._settings.dry_run:
            return self._result()
        rows = planned.before.rows
        writes = {row_id: RowWrite(rows[row_id], changes) for row_id, changes in planned.plan.writes.items()}
        if writes:
            self._dependencies.writer.write(list(writes.values()))
        fatal = next((write.fatal for write in writes.values() if write.fatal), None)
        evidence: dict[tuple[str, str], ConnectorError] = {}
        if fatal is None and self._dependencies.evidence:
            opt_outs = self._opt_outs(planned.plan, rows, writes)
            evidence = self._dependencies.evidence.write(opt_outs).failed
            fatal = next((error for error in evidence.values() if not isinstance(error, DataError)), None)
        return self._result(writes=writes, new_contacts=planned.new_contacts, evidence=evidence, fatal=fatal)

    def _result(self, **given: Any) -> BatchResult:  # noqa: ANN401 (passed on as they are)
        return BatchResult(comes_again=not self._dependencies.is_replay, **given)

    def _opt_outs(
        self, planned: BatchPlan, rows: Mapping[str, EpicorRow], writes: Mapping[str, RowWrite]
    ) -> list[Entry]:
        """The opt-outs of a batch that hold, on each row that they reached."""
        missed = {
            row_id
            for row_id, write in writes.items()
            if write.gone or self._rules.flag_column in write.refused
        }
        return [
            opt_out_entry(rows[row_id], event.update)
            for event in planned.events
            if event.update.status
            and self._rules.opts_out(event.update.status)
            and "status" not in event.superseded
            for row_id in event.matched
            if row_id not in missed | event.unreached
        ]
