"""Takes a batch of records from reading to the durable decision: find rows, plan, write, record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Ledger, Run
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState, read_flags, still_set
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE, read_handovers
from kinetic_mailchimp.audit.state.ledger import LedgerChanges
from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from msgspec.structs import replace

from target_epicor_contacts.audit.agreement import agreed_values, ended_writes, open_writes
from target_epicor_contacts.audit.decisions import decide, decide_unanswered, decide_unapplied
from target_epicor_contacts.audit.event_result import BatchResult, EventResult
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.epicor.contact_creator import ContactCreator, NewContact
from target_epicor_contacts.epicor.entities import EMAIL, EpicorRow, named_row
from target_epicor_contacts.epicor.opt_out_log import EvidenceWriter, OptOut
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.handover import plan_handovers, read_handover
from target_epicor_contacts.rules.plan import BatchPlan, plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.known_members import (
    KnownMembers,
    agreed_entries,
    complete,
    read_known_members,
    writing,
)
from target_epicor_contacts.state.person_state import PersonState

LEDGER = "target-epicor-contacts"

PersonStates = Mapping[str, PersonState]
"""By address."""


@dataclass(frozen=True)
class Before:
    """The stored state and the rows before a batch.

    Attributes:
        states: By address.
        rows: By id.
        flags: Those that are ours, by the names of their rows.
    """

    states: PersonStates = field(default_factory=dict)
    rows: Mapping[str, EpicorRow] = field(default_factory=dict)
    flags: Mapping[str, FlagState] = field(default_factory=dict)


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
    evidence: EvidenceWriter | None = None
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
        self._ledger: Ledger = dependencies.trail.ledger(LEDGER)

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply records; when this returns, every one of them has a durable decision.

        Args:
            stream: The stream that they came on.
            records: In the order of arrival.

        Raises:
            ConnectorError: The run cannot go on. Earlier decisions are recorded; the rest is recorded as
                failed and will come again, because the state has not moved past it.
        """
        self._dependencies.run.read(len(records))
        fatal = self._apply(stream, records)
        if fatal is not None:
            raise fatal
        self._check_failures()

    def _apply(
        self, stream: str, records: Sequence[Mapping[str, Any]], stopped: ConnectorError | None = None
    ) -> ConnectorError | None:
        """Apply and record; where Kinetic cannot be asked about some of the people, find them by halves.

        Args:
            stream: The stream that they came on.
            records: In the order of arrival.
            stopped: What has ended the run already: nothing is tried.

        Returns:
            The error that ends the run.
        """
        finder = self._dependencies.finder
        updates, decisions = decide_unapplied(
            stream, records, self._settings.merge_fields, self._settings.on_invalid
        )
        ledger, fatal = self._apply_updates(updates, decisions, stopped)
        if fatal is not None and not stopped and finder.failed_over_some(fatal):
            half = len(records) // 2
            if half:
                for part in (records[:half], records[half:]):
                    finder.is_hasty = len(part) > 1
                    stopped = self._apply(stream, part, stopped)
                finder.is_hasty = False
                return stopped
            decisions[0] = decide_unanswered(decisions[0], updates[0], fatal)
            fatal = None
        self._dependencies.run.record([decisions[index] for index in range(len(records))], ledger=ledger)
        return fatal

    def _check_failures(self) -> None:
        # Also a person without a row, where that is set to leave a dead letter.
        unmatched = (Action.UNMATCHED,) if self._settings.unmatched == "dead_letter" else ()
        self._settings.check_failures(self._dependencies.run, failures=unmatched)

    def _apply_updates(
        self,
        by_index: Mapping[int, ContactUpdate],
        decisions: dict[int, Decision],
        stopped: ConnectorError | None,
    ) -> tuple[LedgerChanges, ConnectorError | None]:
        """Apply valid updates and add their decisions.

        Returns:
            The changes of the ledger, and the error that ends the run.
        """
        if not by_index:
            return {}, None
        known = read_known_members(self._dependencies.trail, by_index.values())
        updates = complete(list(by_index.values()), known, self._settings.merge_fields)
        before, rows, writes = Before(), {}, {}
        try:
            if stopped:
                raise stopped
            states = self._person_states(updates)
            rows = self._rows(updates, states)
            followed = self._followed(updates, known, rows)
            new_contacts = self._create_missing(updates, rows, states, followed)
            before = Before(states, rows, self._flags(rows.values()))
            planned = plan(updates, rows.values(), states, self._rules, before.flags, followed)
            writes = open_writes(planned, rows, self._settings.merge_fields)
            known, claims = writing(known, writes)
            self._claim(before.flags, planned, claims)
        except ConnectorError as error:
            # Nothing of the batch is written yet: all of it comes again.
            planned = BatchPlan([EventPlan(update, update.key) for update in updates], {}, {}, before.flags)
            result = self._result(fatal=error, untried=True)
        else:
            result = self._write(planned, rows, new_contacts)
        for index, event in zip(by_index, planned.events, strict=True):
            decisions[index] = decide(event, result, self._rules, self._settings.unmatched)
        if self._settings.dry_run:
            return {}, result.fatal
        changes = self._changes(before, planned, result)
        return {
            **changes,
            **agreed_entries(agreed_values(planned, result), known, ended_writes(planned, result, writes)),
        }, result.fatal

    def take_handovers(self) -> None:
        """Set and take back the flags that target-mailchimp found out about; each is one decision.

        Raises:
            ConnectorError: The run cannot go on; what is not done waits for the next one.
        """
        trail, run = self._dependencies.trail, self._dependencies.run
        waiting = read_handovers(trail.ledger(HANDOVER_NAMESPACE))
        if not waiting:
            return
        run.read(len(waiting))
        handed_over = [read_handover(row, handover) for row, handover in waiting.items()]
        origins = {handover.origin for handover in waiting.values()} - {""}
        stored = trail.ledger(FLAGS_NAMESPACE).items() if origins else ()
        carried = {
            name: flag
            for name, value in stored
            if (flag := FlagState.from_json(value)).origin in origins and not flag.cleared_at
        }
        updates = [given.update for given in handed_over]
        before = Before()
        try:
            addresses = {*(update.key for update in updates), *(flag.address for flag in carried.values())}
            rows = {row.id: row for row in self._dependencies.finder.find(sorted(addresses), fresh=addresses)}
            flags = {**self._flags(rows.values()), **carried}
            before = Before(self._stored_states(addresses), rows, flags)
            working = WorkingCopy(rows.values(), before.states, self._rules, flags)
            planned = plan_handovers(handed_over, working, self._gone(origins))
            self._claim(flags, planned)
        except ConnectorError as error:
            planned = BatchPlan([EventPlan(update, update.key) for update in updates], {}, {}, before.flags)
            result = self._result(fatal=error, untried=True)
        else:
            result = self._write(planned, before.rows, {})
        decisions = [
            replace(decide(event, result, self._rules, "record"), dead_letter=None)
            for event in planned.events
        ]
        ledger: dict[str, Any] = {}
        if not self._settings.dry_run:
            # What failed waits for the next run.
            done = {
                given.row: None
                for given, decision in zip(handed_over, decisions, strict=True)
                if not decision.action.is_failure
            }
            ledger = {**self._changes(before, planned, result), HANDOVER_NAMESPACE: done}
        run.record(decisions, ledger=ledger)
        if result.fatal is not None:
            raise result.fatal
        self._check_failures()

    def _result(self, **given: Any) -> BatchResult:  # noqa: ANN401 (passed on as they are)
        return BatchResult(comes_again=not self._dependencies.is_replay, **given)

    # Reading

    def _person_states(self, updates: Iterable[ContactUpdate]) -> dict[str, PersonState]:
        """The states of the people of a batch, and of the addresses they have moved on to."""
        return self._stored_states({key for update in updates for key in (update.key, update.new_key) if key})

    def _stored_states(self, addresses: Iterable[str]) -> dict[str, PersonState]:
        wanted = set(addresses)
        found: dict[str, PersonState] = {}
        while wanted:
            stored = self._ledger.get_many(wanted)
            found |= {key: PersonState.from_json(stored.get(key)) for key in wanted}
            later = {state.moved.to for state in found.values() if state.moved}
            wanted = later - found.keys()
        return found

    def _rows(self, updates: Sequence[ContactUpdate], states: PersonStates) -> dict[str, EpicorRow]:
        addresses = {
            address
            for update in updates
            for key in (update.key, update.new_key)
            if key
            for address in (key, resolve(key, update.event_time, states))
        }
        # An opt-out must not rest on the row of a minute ago.
        fresh = {update.key for update in updates if update.status and self._rules.opts_out(update.status)}
        return {row.id: row for row in self._dependencies.finder.find(sorted(addresses), fresh=fresh)}

    def _flags(self, rows: Iterable[EpicorRow]) -> dict[str, FlagState]:
        ledger = self._dependencies.trail.ledger(FLAGS_NAMESPACE)
        return still_set(read_flags(ledger, [row.name for row in rows]))

    def _gone(self, names: Iterable[str]) -> set[str]:
        """The names of rows that Epicor does not have any more."""
        rows = [row for name in names if (row := named_row(name)) and row.entity in self._rules.entities]
        current = self._dependencies.finder.current(rows) if rows else {}
        return {row.name for row in rows if row.id not in current}

    def _followed(
        self, updates: Iterable[ContactUpdate], known: KnownMembers, rows: dict[str, EpicorRow]
    ) -> dict[str, frozenset[str]]:
        """The rows that had an address before, where none has it now; they are put among the rows."""
        held = {address for row in rows.values() for address in addresses_in(row.values.get(EMAIL))}
        named: dict[str, list[EpicorRow]] = {}
        for update in updates:
            member = known.get((update.list_id or "", update.key))
            if update.key in held or member is None or member.state is None or not member.state.rows:
                continue
            # A source is the name of a stream and the key of the row in it.
            names = [source.partition("/")[2] for source in member.state.rows]
            found = [row for name in names if (row := named_row(name))]
            named[update.key] = [row for row in found if row.entity in self._rules.entities]
        wanted = [row for rows_of_member in named.values() for row in rows_of_member]
        current = self._dependencies.finder.current(wanted) if wanted else {}
        rows.update(current)
        return {
            address: frozenset(row.id for row in rows_of_member if row.id in current)
            for address, rows_of_member in named.items()
        }

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
            evidence = self._dependencies.evidence.write(self._opt_outs(planned, rows, writes))
            fatal = next((error for error in evidence.values() if not isinstance(error, DataError)), None)
        return self._result(writes=writes, new_contacts=new_contacts, evidence=evidence, fatal=fatal)

    def _opt_outs(
        self, planned: BatchPlan, rows: Mapping[str, EpicorRow], writes: Mapping[str, RowWrite]
    ) -> list[OptOut]:
        """The opt-outs of a batch that hold, on each row that they reached."""
        missed = {
            row_id
            for row_id, write in writes.items()
            if write.gone or self._rules.flag_column in write.refused
        }
        return [
            OptOut(rows[row_id], event.update)
            for event in planned.events
            if event.update.status
            and self._rules.opts_out(event.update.status)
            and "status" not in event.superseded
            for row_id in event.matched
            if row_id not in missed
        ]

    # Remembering

    def _changes(self, before: Before, planned: BatchPlan, result: BatchResult) -> dict[str, Any]:
        """The changes of the ledger, for states and flags."""
        changes = {
            LEDGER: self._states_to_store(before.states, planned, result),
            FLAGS_NAMESPACE: self._flags_to_store(before, planned, result),
        }
        return {namespace: entries for namespace, entries in changes.items() if entries}

    def _flags_to_store(
        self, before: Before, planned: BatchPlan, result: BatchResult
    ) -> dict[str, dict[str, Any] | None]:
        """The flags that fell, and those that were claimed and not set."""
        ids = {row.name: row.id for row in before.rows.values()}
        stored: dict[str, dict[str, Any] | None] = {}
        for name in before.flags.keys() | planned.flags.keys():
            was, flag = before.flags.get(name), planned.flags.get(name)
            write = result.writes.get(ids.get(name, ""))
            failed = write is not None and (write.gone or self._rules.flag_column in write.refused)
            if flag is None and not failed and not (write and write.fatal):
                changed_at = write.now.updated_on if write and write.now else ""
                stored[name] = replace(was, cleared_at=changed_at).to_json() if was and changed_at else None
            elif flag is not None and flag != was and failed:
                stored[name] = was.to_json() if was else None
        return stored

    def _states_to_store(
        self, before: PersonStates, planned: BatchPlan, result: BatchResult
    ) -> dict[str, dict[str, Any] | None]:
        """The states that changed; a value that was not stored was not seen, so that a replay writes it."""
        states = dict(planned.states)
        undecided: set[str] = set()
        for event in planned.events:
            event_result = EventResult(event, result)
            if event_result.is_open:
                undecided |= {event.person, event.update.key}
            if refused := frozenset(change.column for change in event_result.refused):
                known = before.get(event.person, PersonState())
                states[event.person] = states[event.person].forgetting(refused, known)
        return {
            address: state.to_json()
            for address, state in states.items()
            if address not in undecided and state != before.get(address, PersonState())
        }
