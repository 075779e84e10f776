"""Takes a batch of records from reading to the durable decision: look, plan, write, record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Ledger, Run
from kinetic_mailchimp.kit.errors import ConnectorError, DataError

from target_epicor_contacts.audit.batch_result import Written
from target_epicor_contacts.audit.decisions import decide, sort_out
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import ContactMaker, Creation
from target_epicor_contacts.epicor.entities import Row
from target_epicor_contacts.epicor.opt_out_log import EvidenceWriter, OptOut
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.epicor.write_results import RowResult, RowWrite
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.plan import Plan, plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.last_sent import SentValues
from target_epicor_contacts.state.person_state import PersonMemory

LEDGER = "target-epicor-contacts"
RATIO_FROM = 100
"""Records that must be read before a share of failures means anything."""


class TooManyFailuresError(ConnectorError):
    """More records failed than the settings allow."""


@dataclass(frozen=True)
class Tools:
    """What applying a batch needs.

    Attributes:
        trail: Decisions and memories.
        run: The present run.
        finder: Reads rows.
        writer: Writes rows.
        sent_values: What Mailchimp was given last.
        evidence: Logs opt-outs; None where nobody asked for it.
        maker: Makes contacts; None where nobody asked for it.
        is_replay: Whether the records are dead letters that nobody reads again.
    """

    trail: AuditTrail
    run: Run
    finder: RowFinder
    writer: RowWriter
    sent_values: SentValues
    evidence: EvidenceWriter | None = None
    maker: ContactMaker | None = None
    is_replay: bool = False


class Applier:
    """Applies batches of records.

    Args:
        tools: Reading, writing and remembering.
        rules: How events become changes.
        settings: What else is configured.
    """

    def __init__(self, tools: Tools, rules: Rules, settings: WriteSettings) -> None:
        self._tools = tools
        self._rules = rules
        self._settings = settings
        self._ledger: Ledger = tools.trail.ledger(LEDGER)

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Apply records; when this returns, every one of them has a durable decision.

        Raises:
            ConnectorError: The run cannot go on. What was decided before is recorded; the rest is recorded
                as failed and will come again, because the state has not moved past it.
        """
        run = self._tools.run
        run.read(len(records))
        updates, decisions = sort_out(stream, records, self._settings.on_invalid)
        memories, fatal = self._apply_updates(updates, decisions)
        ledger = {LEDGER: memories} if memories and not self._settings.dry_run else None
        run.record([decisions[index] for index in range(len(records))], ledger=ledger)
        if fatal is not None:
            raise fatal
        self._check_failures()

    def _check_failures(self) -> None:
        """Stop when too much failed.

        Raises:
            TooManyFailuresError: More than `max_failed` or `max_failed_ratio` allow.
        """
        run, settings = self._tools.run, self._settings
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
        self, updates: Mapping[int, ContactUpdate], decisions: dict[int, Decision]
    ) -> tuple[dict[str, dict[str, Any] | None], ConnectorError | None]:
        """Apply what is valid, add the decisions, and tell what to remember and whether the run must end."""
        if not updates:
            return {}, None
        events = self._tools.sent_values.complete(list(updates.values()))
        try:
            before = self._memories(events)
            rows = self._rows(events, before)
            created, creations = self._create_missing(events, rows, before)
            planned = plan(events, rows.values(), before, self._rules)
            self._claim_flags(before, planned)
        except ConnectorError as error:
            # Nothing of the batch is written yet: all of it comes again.
            return self._abort(updates, decisions, error)
        written = replace(self._write(planned, rows), created=created, creations=creations)
        for index, outcome in zip(updates, planned.outcomes, strict=True):
            decisions[index] = decide(outcome, written, self._rules, self._settings.unmatched)
        return self._to_remember(before, planned, written), written.fatal

    def _abort(
        self, updates: Mapping[int, ContactUpdate], decisions: dict[int, Decision], error: ConnectorError
    ) -> tuple[dict[str, dict[str, Any] | None], ConnectorError]:
        nothing = Written(fatal=error, untried=True, comes_again=not self._tools.is_replay)
        for index, update in updates.items():
            outcome = Outcome(update, update.key)
            decisions[index] = decide(outcome, nothing, self._rules, self._settings.unmatched)
        return {}, error

    # Reading

    def _memories(self, events: Iterable[ContactUpdate]) -> dict[str, PersonMemory]:
        """What is known about the people of a batch, and about the addresses they have moved on to."""
        wanted = {key for event in events for key in (event.key, event.new_key) if key}
        found: dict[str, PersonMemory] = {}
        while wanted:
            stored = self._ledger.get_many(wanted)
            found |= {key: PersonMemory.from_json(stored.get(key)) for key in wanted}
            later = {memory.moved.to for memory in found.values() if memory.moved}
            wanted = later - found.keys()
        return found

    def _rows(self, events: Sequence[ContactUpdate], memories: Mapping[str, PersonMemory]) -> dict[str, Row]:
        addresses = {
            address
            for event in events
            for key in (event.key, event.new_key)
            if key
            for address in (key, resolve(key, event.moment, memories))
        }
        # An opt-out must not rest on what a row held a minute ago.
        anew = {event.key for event in events if event.status and self._rules.opts_out(event.status)}
        return {row.id: row for row in self._tools.finder.find(sorted(addresses), anew=anew)}

    def _create_missing(
        self,
        events: Sequence[ContactUpdate],
        rows: dict[str, Row],
        memories: Mapping[str, PersonMemory],
    ) -> tuple[frozenset[str], dict[str, Creation]]:
        """Make a contact for each person without a row, and put it among the rows.

        Returns:
            Ids of the new rows, and what became of each making, by address.
        """
        maker = self._tools.maker
        if maker is None or self._settings.dry_run:
            return frozenset(), {}
        trial = plan(events, rows.values(), memories, self._rules)
        people: dict[str, ContactUpdate] = {}
        for outcome in trial.outcomes:
            if not outcome.matched and not outcome.superseded:
                people.setdefault(outcome.update.key, outcome.update)
        creations = {address: maker.create(update) for address, update in people.items()}
        full = self._tools.finder.current([made.row for made in creations.values() if made.row])
        rows.update(full)
        return frozenset(full), creations

    # Writing

    def _claim_flags(self, before: Mapping[str, PersonMemory], planned: Plan) -> None:
        """Remember which flags are ours before they are set: a crash leaves none that nobody may clear."""
        claims = {
            address: before.get(address, PersonMemory()).claiming(new).to_json()
            for address, memory in planned.memories.items()
            if (new := memory.flagged - before.get(address, PersonMemory()).flagged)
        }
        if claims and not self._settings.dry_run:
            self._tools.run.record([], ledger={LEDGER: claims})

    def _write(self, planned: Plan, rows: Mapping[str, Row]) -> Written:
        if self._settings.dry_run:
            return Written()
        writes = [RowWrite(rows[row_id], changes) for row_id, changes in planned.writes.items()]
        results = self._tools.writer.write(writes) if writes else {}
        fatal = next((result.fatal for result in results.values() if result.fatal), None)
        evidence: dict[tuple[str, str], ConnectorError] = {}
        if fatal is None and self._tools.evidence:
            evidence = self._tools.evidence.write(self._opt_outs(planned, rows, results))
            fatal = next((error for error in evidence.values() if not isinstance(error, DataError)), None)
        return Written(results, evidence, fatal=fatal, comes_again=not self._tools.is_replay)

    def _opt_outs(
        self, planned: Plan, rows: Mapping[str, Row], results: Mapping[str, RowResult]
    ) -> list[OptOut]:
        """The opt-outs of a batch that hold, on each row that they reached."""
        missed = {
            row_id
            for row_id, result in results.items()
            if result.gone or self._rules.flag_column in result.refused
        }
        return [
            OptOut(rows[row_id], outcome.update)
            for outcome in planned.outcomes
            if outcome.update.status
            and self._rules.opts_out(outcome.update.status)
            and "status" not in outcome.superseded
            for row_id in outcome.matched
            if row_id not in missed
        ]

    # Remembering

    def _to_remember(
        self, before: Mapping[str, PersonMemory], planned: Plan, written: Written
    ) -> dict[str, dict[str, Any] | None]:
        """The memories that changed; what was not stored counts as not seen, so that a replay writes it."""
        memories = dict(planned.memories)
        undecided: set[str] = set()
        for outcome in planned.outcomes:
            if written.is_open(outcome):
                undecided |= {outcome.person, outcome.update.key}
            refused = frozenset(change.column for change in written.refusals(outcome))
            if refused:
                known = before.get(outcome.person, PersonMemory())
                memories[outcome.person] = memories[outcome.person].forgetting(refused, known)
        return {
            address: memory.to_json()
            for address, memory in memories.items()
            if address not in undecided and memory != before.get(address, PersonMemory())
        }
