"""Takes a batch of records from reading to the durable decision: find rows, plan, write, record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Ledger, Run
from kinetic_mailchimp.kit.errors import ConnectorError, DataError

from target_epicor_contacts.audit.decisions import decide, decide_unapplied
from target_epicor_contacts.audit.event_result import BatchResult, EventResult
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import ContactCreator, NewContact
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.epicor.opt_out_log import EvidenceWriter, OptOut
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_write import RowWrite
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.plan import BatchPlan, plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.last_sent import LastSentValues
from target_epicor_contacts.state.person_state import PersonState

LEDGER = "target-epicor-contacts"
RATIO_FROM = 100
"""Records that must be read before a share of failures means anything."""

PersonStates = Mapping[str, PersonState]
"""By address."""


class TooManyFailuresError(ConnectorError):
    """More records failed than the settings allow."""


@dataclass(frozen=True)
class Dependencies:
    """Everything that the processing of a batch works with.

    Attributes:
        trail: Decisions and person states.
        run: The present run.
        finder: Reads rows.
        writer: Writes rows.
        last_sent: The last values that Mailchimp accepted.
        evidence: Logs opt-outs; None without the setting.
        creator: Creates contacts; None without the setting.
        is_replay: Whether the records are dead letters, which no later run reads again.
    """

    trail: AuditTrail
    run: Run
    finder: RowFinder
    writer: RowWriter
    last_sent: LastSentValues
    evidence: EvidenceWriter | None = None
    creator: ContactCreator | None = None
    is_replay: bool = False


class EventProcessor:
    """Applies batches of records.

    Args:
        dependencies: Reading, writing and storing.
        rules: The configured rules.
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
        run = self._dependencies.run
        run.read(len(records))
        updates, decisions = decide_unapplied(stream, records, self._settings.on_invalid)
        states, fatal = self._apply_updates(updates, decisions)
        ledger = {LEDGER: states} if states and not self._settings.dry_run else None
        run.record([decisions[index] for index in range(len(records))], ledger=ledger)
        if fatal is not None:
            raise fatal
        self._check_failures()

    def _check_failures(self) -> None:
        """Stop when too much failed.

        Raises:
            TooManyFailuresError: More than `max_failed` or `max_failed_ratio` allow.
        """
        run, settings = self._dependencies.run, self._settings
        ratio = settings.max_failed_ratio if run.records_read >= RATIO_FROM else None
        failed = sum(count for action, count in run.counts.items() if self._counts_as_failed(action))
        most = min(
            float("inf") if settings.max_failed is None else settings.max_failed,
            float("inf") if ratio is None else ratio * run.records_read,
        )
        if failed > most:
            raise TooManyFailuresError(
                f"{failed} of {run.records_read} records failed.",
                advice=(
                    "`sync-audit failures` shows them and `sync-audit replay` sends them again; the limits "
                    "are `max_failed` and `max_failed_ratio`."
                ),
            )

    def _counts_as_failed(self, action: Action) -> bool:
        """Also a person without a row, where that is set to leave a dead letter."""
        return action.is_failure or (action is Action.UNMATCHED and self._settings.unmatched == "dead_letter")

    def _apply_updates(
        self, by_index: Mapping[int, ContactUpdate], decisions: dict[int, Decision]
    ) -> tuple[dict[str, dict[str, Any] | None], ConnectorError | None]:
        """Apply valid updates and add their decisions.

        Returns:
            The person states to store, and the error that ends the run.
        """
        if not by_index:
            return {}, None
        updates = self._dependencies.last_sent.complete(list(by_index.values()))
        before: PersonStates = {}
        try:
            before = self._person_states(updates)
            rows = self._rows(updates, before)
            new_contacts = self._create_missing(updates, rows, before)
            planned = plan(updates, rows.values(), before, self._rules)
            self._claim_flags(before, planned)
        except ConnectorError as error:
            # Nothing of the batch is written yet: all of it comes again.
            planned = BatchPlan([EventPlan(update, update.key) for update in updates], {}, before)
            result = self._result(fatal=error, untried=True)
        else:
            result = self._write(planned, rows, new_contacts)
        for index, event in zip(by_index, planned.events, strict=True):
            decisions[index] = decide(event, result, self._rules, self._settings.unmatched)
        return self._states_to_store(before, planned, result), result.fatal

    def _result(self, **given: Any) -> BatchResult:  # noqa: ANN401 (passed on as they are)
        return BatchResult(comes_again=not self._dependencies.is_replay, **given)

    # Reading

    def _person_states(self, updates: Iterable[ContactUpdate]) -> dict[str, PersonState]:
        """The states of the people of a batch, and of the addresses they have moved on to."""
        wanted = {key for update in updates for key in (update.key, update.new_key) if key}
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

    def _create_missing(
        self, updates: Sequence[ContactUpdate], rows: dict[str, EpicorRow], states: PersonStates
    ) -> dict[str, NewContact]:
        """Create a contact for each person without a row, by address, and put it among the rows."""
        creator = self._dependencies.creator
        if creator is None or self._settings.dry_run:
            return {}
        trial = plan(updates, rows.values(), states, self._rules)
        people: dict[str, ContactUpdate] = {}
        for event in trial.events:
            if not event.matched and not event.superseded:
                people.setdefault(event.update.key, event.update)
        contacts = {address: creator.create(update) for address, update in people.items()}
        created = [contact.row for contact in contacts.values() if contact.row]
        rows.update(self._dependencies.finder.current(created))
        return contacts

    # Writing

    def _claim_flags(self, before: PersonStates, planned: BatchPlan) -> None:
        """Store which flags are ours before they are set: a crash leaves none that may never be cleared."""
        claims = {
            address: before.get(address, PersonState()).claiming(new).to_json()
            for address, state in planned.states.items()
            if (new := state.flagged - before.get(address, PersonState()).flagged)
        }
        if claims and not self._settings.dry_run:
            self._dependencies.run.record([], ledger={LEDGER: claims})

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
