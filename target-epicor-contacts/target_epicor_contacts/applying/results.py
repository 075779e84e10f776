"""Takes campaign results to the columns and CRM calls that show them, and campaign events to the trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import Action, Decision
from kinetic_mailchimp.kit.errors import ConnectorError, DataError
from msgspec import structs
from typing_extensions import override

from target_epicor_contacts.applying.batch import BatchProcessor, Dependencies, PlannedBatch
from target_epicor_contacts.applying.isolation import Outcome
from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.audit.ledger_changes import Before
from target_epicor_contacts.audit.unapplied import decide_invalid, in_order
from target_epicor_contacts.contract.campaign_result import CampaignResult, parse_result
from target_epicor_contacts.contract.contact_update import InvalidUpdateError
from target_epicor_contacts.epicor.entities import CONTACT
from target_epicor_contacts.epicor.journals import Entry, JournalWriter, Written
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.campaign_results import matches_of, plan_results
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import MatchKind
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.settings import Unmatched, WriteSettings
from target_epicor_contacts.state.known_members import read_known_members
from target_epicor_contacts.state.result_history import RESULTS_NAMESPACE, ResultHistory

Calls = Mapping[str, JournalWriter]
"""By result, what writes its CRM calls."""
_WITHOUT_A_WRITE = frozenset({Action.UNCHANGED, Action.SKIPPED, Action.SUPERSEDED})


class ResultProcessor(BatchProcessor):
    """Applies batches of campaign results.

    Args:
        dependencies: Reading, writing and storing.
        settings: The other settings; a person without a row is of no account here.
        calls: The results that become CRM calls.
    """

    def __init__(
        self, dependencies: Dependencies, rules: Rules, settings: WriteSettings, calls: Calls
    ) -> None:
        unmatched: Unmatched = "ignore" if settings.unmatched == "ignore" else "record"
        super().__init__(dependencies, rules, replace(settings, unmatched=unmatched))
        self._calls = calls

    def note_campaign_events(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Note records of the stream `campaign_events` in the trail: they are about no person."""
        self._dependencies.run.read(len(records))
        self._dependencies.run.record([_of_campaign(stream, record) for record in records])

    @override
    def _apply(
        self, stream: str, records: Sequence[Mapping[str, Any]], stopped: ConnectorError | None
    ) -> Outcome:
        entries = [self._read(stream, record) for record in records]
        results = [entry for entry in entries if isinstance(entry, CampaignResult)]
        decisions, ledger, fatal = self._apply_results(results, stopped) if results else ((), {}, None)
        return in_order(entries, decisions), ledger, fatal

    def _read(self, stream: str, record: Mapping[str, Any]) -> CampaignResult | Decision:
        try:
            result = parse_result(stream, record)
        except InvalidUpdateError as error:
            return decide_invalid(stream, record, error, self._settings.on_invalid)
        return result if self._settings.result_columns or self._calls else _unasked(result)

    def _apply_results(self, results: Sequence[CampaignResult], stopped: ConnectorError | None) -> Outcome:
        updates = [result.update for result in results]
        changed: dict[str, ResultHistory] = {}
        calls: dict[str, list[Entry]] = {}
        batch, result = self._carry_out(updates, stopped, lambda: self._plan(results, changed, calls))
        called = Written()
        if result.fatal is None:
            result, called = self._call(calls, result)
        decisions = [
            _with_calls(decide(event, result, self._rules, self._settings.unmatched), event, called)
            for event in batch.plan.events
        ]
        is_stored = changed and not self._settings.dry_run
        return decisions, {RESULTS_NAMESPACE: changed} if is_stored else {}, result.fatal

    def _plan(
        self,
        results: Sequence[CampaignResult],
        changed: dict[str, ResultHistory],
        calls: dict[str, list[Entry]],
    ) -> PlannedBatch:
        """Plan the columns; the histories that change and the CRM calls of each kind are put beside."""
        updates, trail = [result.update for result in results], self._dependencies.trail
        states = self._reader.person_states(updates)
        rows = self._reader.rows(updates, states)
        followed = self._reader.followed(updates, read_known_members(trail, updates), rows)
        people = {resolve(update.key, update.event_time, states) for update in updates}
        known = trail.ledger(RESULTS_NAMESPACE).get_many(people)
        before = {person: ResultHistory.from_json(value) for person, value in known.items()}
        histories = dict(before)
        working = WorkingCopy(rows.values(), states, self._rules, followed=followed)
        planned = plan_results(results, working, histories, self._settings.result_columns)
        matched = {event.person for event in planned.events if event.matched}
        changed |= {
            person: history
            for person, history in histories.items()
            if person in matched and history != before.get(person)
        }
        for name in self._calls:
            calls[name] = [
                entry
                for one, event in zip(results, planned.events, strict=True)
                if name in one.times
                for entry in _entries(name, one, event, working)
            ]
        return PlannedBatch(planned, Before(states, rows))

    def _call(self, calls: Mapping[str, list[Entry]], result: BatchResult) -> tuple[BatchResult, Written]:
        """Write the CRM calls that are not there yet; in a dry run, find out which those are."""
        called = Written()
        for name, entries in calls.items():
            written = self._calls[name].write(entries, is_dry=self._settings.dry_run)
            called.added += written.added
            called.failed |= written.failed
        fatal = next((error for error in called.failed.values() if not isinstance(error, DataError)), None)
        return replace(result, evidence=called.failed, fatal=fatal), called


def _entries(name: str, result: CampaignResult, event: EventPlan, working: WorkingCopy) -> list[Entry]:
    """The CRM calls about a result: of the contacts with the address, else of the customers."""
    matches = matches_of(event, working)
    held = [working.rows[row] for row, kind in matches.items() if kind is not MatchKind.LINKED_PERSON]
    rows = [row for row in held if row.entity is CONTACT] or held
    event_id, mark = event.update.event_time.event_id, f"Result: {result.campaign_id}/{name}"
    return [Entry(row, event_id, f"Mailchimp: {name}", result.describe(), mark) for row in rows]


def _with_calls(decision: Decision, event: EventPlan, called: Written) -> Decision:
    """The decision about a result, with what its CRM calls add to it."""
    event_id = event.update.event_time.event_id
    titles = [entry.title for entry in called.added if entry.event_id == event_id]
    if titles:
        detail = f"{decision.detail} CRM calls added: {len(titles)}.".lstrip()
        if decision.action in _WITHOUT_A_WRITE:
            return structs.replace(decision, action=Action.CREATED, reason="call_added", detail=detail)
        return structs.replace(decision, detail=detail)
    if decision.action is Action.SUPERSEDED:
        detail = "A later result of the person, in the same batch, carried this one along."
        return structs.replace(decision, action=Action.MERGED, reason="counted_with_later", detail=detail)
    return decision


def _unasked(result: CampaignResult) -> Decision:
    update = result.update
    return Decision(
        stream=update.stream,
        action=Action.IGNORED,
        reason="nothing_to_write",
        detail="Neither `result_columns` nor `result_calls` is set.",
        subject=update.email,
        source_key=update.source_key,
        event_id=update.event_time.event_id,
    )


def _of_campaign(stream: str, record: Mapping[str, Any]) -> Decision:
    status, reason = (str(record.get(name) or "") for name in ("status", "reason"))
    detail = f"{record.get('subject') or 'Without a subject'}: {status or 'without a status'}. {reason}"
    return Decision(
        stream=stream,
        action=Action.IGNORED,
        reason="campaign_event",
        detail=detail.rstrip(),
        source_key=f"campaign {record.get('campaign_id') or ''}".rstrip(),
        source_updated_on=str(record.get("occurred_at") or "") or None,
        event_id=str(record.get("event_id") or "") or None,
    )
