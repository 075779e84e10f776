"""Takes a batch of records from reading to the durable decision: find rows, plan, write, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Run
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE, read_handovers
from kinetic_mailchimp.audit.state.ledger import LedgerChanges
from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from msgspec.structs import replace

from target_epicor_contacts.applying.isolation import Attempt, Outcome, T, by_halves
from target_epicor_contacts.applying.reading import BatchReader
from target_epicor_contacts.audit.agreement import agreed_values, ended_writes, open_writes
from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.audit.ledger_changes import (
    Before,
    PersonStates,
    claims_on_columns,
    ledger_changes,
)
from target_epicor_contacts.audit.unapplied import in_order, read_updates
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import ContactCreator, NewContact
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.epicor.journals import Entry, JournalWriter, opt_out_entry
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.handover import HandedOver, plan_handovers, read_handover
from target_epicor_contacts.rules.plan import BatchPlan, plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.audience_fields import in_form, read_audience_fields
from target_epicor_contacts.state.known_members import (
    KnownMembers,
    agreed_entries,
    complete,
    read_known_members,
    writing,
)


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


class EventProcessor:
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

    def _isolate(self, things: Sequence[T], attempt: Attempt[T]) -> None:
        run = self._dependencies.run
        run.read(len(things))
        fatal = by_halves(things, attempt, self._dependencies.finder, run)
        if fatal is not None:
            raise fatal
        # Also a person without a row, where that is set to leave a dead letter.
        unmatched = (Action.UNMATCHED,) if self._settings.unmatched == "dead_letter" else ()
        self._settings.check_failures(run, failures=unmatched)

    def _apply(
        self, stream: str, records: Sequence[Mapping[str, Any]], stopped: ConnectorError | None
    ) -> Outcome:
        settings = self._settings
        entries = list(read_updates(stream, records, settings.merge_fields, settings.on_invalid))
        updates = [entry for entry in entries if isinstance(entry, ContactUpdate)]
        decisions, ledger, fatal = self._apply_updates(updates, stopped) if updates else ((), {}, None)
        return in_order(entries, decisions), ledger, fatal

    def _apply_updates(self, updates: Sequence[ContactUpdate], stopped: ConnectorError | None) -> Outcome:
        known = read_known_members(self._dependencies.trail, updates)
        before, writes = Before(), {}
        try:
            if stopped:
                raise stopped
            before, planned, new_contacts = self._plan(updates, known)
            writes = open_writes(planned, before.rows, self._settings.merge_fields)
            known, claims = writing(known, writes)
            self._claim(before.flags, planned, {**claims, **claims_on_columns(before.states, planned)})
        except ConnectorError as error:
            planned, result = self._untried(updates, error, before.flags)
        else:
            result = self._write(planned, before.rows, new_contacts)
        decisions = [decide(event, result, self._rules, self._settings.unmatched) for event in planned.events]
        if self._settings.dry_run:
            return decisions, {}, result.fatal
        changes = ledger_changes(before, planned, result, self._rules)
        ended = ended_writes(planned, result, writes)
        return (
            decisions,
            {**changes, **agreed_entries(agreed_values(planned, result), known, ended)},
            result.fatal,
        )

    def _plan(
        self, updates: Sequence[ContactUpdate], known: KnownMembers
    ) -> tuple[Before, BatchPlan, Mapping[str, NewContact]]:
        """Read all that updates are about, create the contacts that are missing, and plan the writes."""
        merge_fields = self._settings.merge_fields
        fields = read_audience_fields(self._dependencies.trail, updates)
        updates = complete(in_form(updates, fields, merge_fields), known, merge_fields)
        states = self._reader.person_states(updates)
        rows = self._reader.rows(updates, states)
        followed = self._reader.followed(updates, known, rows)
        new_contacts = self._create_missing(updates, rows, states, followed)
        before = Before(states, rows, self._reader.flags(rows.values()))
        planned = plan(updates, rows.values(), states, self._rules, before.flags, followed)
        return before, planned, new_contacts

    def take_handovers(self) -> None:
        """Set and take back the flags that target-mailchimp found out about; each is one decision.

        Raises:
            ConnectorError: The run cannot go on; what is not done waits for the next one.
        """
        waiting = read_handovers(self._dependencies.trail.ledger(HANDOVER_NAMESPACE))
        if waiting:
            self._isolate([read_handover(*given) for given in waiting.items()], self._take)

    def _take(self, handed_over: Sequence[HandedOver], stopped: ConnectorError | None) -> Outcome:
        updates = [given.update for given in handed_over]
        origins = {row for given in handed_over for row in given.handover.rows}
        stored = self._dependencies.trail.ledger(FLAGS_NAMESPACE).items() if origins else ()
        carried = {
            name: flag
            for name, value in stored
            if (flag := FlagState.from_json(value)).origin in origins and not flag.cleared_at
        }
        before = Before()
        try:
            if stopped:
                raise stopped
            keys = {key for update in updates for key in (update.key, update.new_key) if key}
            states = self._reader.stored_states({*keys, *(flag.address for flag in carried.values())})
            addresses = states.keys()
            rows = {row.id: row for row in self._dependencies.finder.find(sorted(addresses), fresh=addresses)}
            flags = {**self._reader.flags(rows.values(), origins), **carried}
            before = Before(states, rows, flags)
            working = WorkingCopy(rows.values(), before.states, self._rules, flags)
            planned = plan_handovers(handed_over, working, self._reader.gone(origins))
            self._claim(flags, planned)
        except ConnectorError as error:
            planned, result = self._untried(updates, error, before.flags)
        else:
            result = self._write(planned, before.rows, {})
        decisions = [
            replace(decide(event, result, self._rules, "record"), dead_letter=None)
            for event in planned.events
        ]
        if self._settings.dry_run:
            return decisions, {}, result.fatal
        # What failed waits for the next run.
        done = {
            given.row: None
            for given, decision in zip(handed_over, decisions, strict=True)
            if not decision.action.is_failure
        }
        ledger = ledger_changes(before, planned, result, self._rules)
        return decisions, {**ledger, HANDOVER_NAMESPACE: done}, result.fatal

    def _untried(
        self, updates: Sequence[ContactUpdate], error: ConnectorError, flags: Mapping[str, FlagState]
    ) -> tuple[BatchPlan, BatchResult]:
        """Plan and result of a batch of which nothing is written yet: all of it comes again."""
        events = [EventPlan(update, update.key) for update in updates]
        return BatchPlan(events, {}, {}, flags), self._result(fatal=error, untried=True)

    def _result(self, **given: Any) -> BatchResult:  # noqa: ANN401 (passed on as they are)
        return BatchResult(comes_again=not self._dependencies.is_replay, **given)

    def _create_missing(
        self,
        updates: Sequence[ContactUpdate],
        rows: dict[str, EpicorRow],
        states: PersonStates,
        followed: Mapping[str, frozenset[str]],
    ) -> dict[str, NewContact]:
        """Create a contact for each person without a row, by address, and put it among the rows."""
        creator = self._dependencies.creator
        if creator is None or self._settings.dry_run:
            return {}
        trial = plan(updates, rows.values(), states, self._rules, followed=followed)
        people: dict[str, ContactUpdate] = {}
        for event in trial.events:
            if not event.matched and not event.superseded:
                people.setdefault(event.update.key, event.update)
        contacts = {address: creator.create(update) for address, update in people.items()}
        created = [contact.row for contact in contacts.values() if contact.row]
        rows.update(self._dependencies.finder.current(created))
        return contacts

    # Writing

    def _claim(
        self, before: Mapping[str, FlagState], planned: BatchPlan, writes: LedgerChanges | None = None
    ) -> None:
        """Store what is ours before it is written: after a crash, it is nobody else's."""
        flags = {name: flag.to_json() for name, flag in planned.flags.items() if before.get(name) != flag}
        claims = {**(writes or {}), **({FLAGS_NAMESPACE: flags} if flags else {})}
        if claims and not self._settings.dry_run:
            self._dependencies.run.record([], ledger=claims)

    def _write(
        self, planned: BatchPlan, rows: Mapping[str, EpicorRow], new_contacts: Mapping[str, NewContact]
    ) -> BatchResult:
        if self._settings.dry_run:
            return self._result()
        writes = {row_id: RowWrite(rows[row_id], changes) for row_id, changes in planned.writes.items()}
        if writes:
            self._dependencies.writer.write(list(writes.values()))
        fatal = next((write.fatal for write in writes.values() if write.fatal), None)
        evidence: dict[tuple[str, str], ConnectorError] = {}
        if fatal is None and self._dependencies.evidence:
            evidence = self._dependencies.evidence.write(self._opt_outs(planned, rows, writes)).failed
            fatal = next((error for error in evidence.values() if not isinstance(error, DataError)), None)
        return self._result(writes=writes, new_contacts=new_contacts, evidence=evidence, fatal=fatal)

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
