"""Takes a batch of events, or of what was handed over, from reading to the durable decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE, read_handovers
from kinetic_mailchimp.kit.errors import ConnectorError
from msgspec.structs import replace
from typing_extensions import override

from target_epicor_contacts.applying.batch import BatchProcessor, PlannedBatch
from target_epicor_contacts.applying.isolation import Outcome
from target_epicor_contacts.audit.agreement import agreed_values, ended_writes, open_writes
from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.ledger_changes import (
    Before,
    PersonStates,
    claims_on_columns,
    ledger_changes,
)
from target_epicor_contacts.audit.unapplied import in_order, read_updates
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import NewContact
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.rules.handover import HandedOver, plan_handovers, read_handover
from target_epicor_contacts.rules.plan import plan
from target_epicor_contacts.rules.working_copy import WorkingCopy
from target_epicor_contacts.state.audience_fields import in_form, read_audience_fields
from target_epicor_contacts.state.known_members import (
    KnownMembers,
    agreed_entries,
    complete,
    read_known_members,
    writing,
)


class EventProcessor(BatchProcessor):
    """Applies batches of contact updates, and handovers."""

    @override
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
        batch, result = self._carry_out(updates, stopped, lambda: self._plan(updates, known))
        planned, writes = batch.plan, batch.open_writes
        decisions = [decide(event, result, self._rules, self._settings.unmatched) for event in planned.events]
        if self._settings.dry_run:
            return decisions, {}, result.fatal
        known, _ = writing(known, writes)
        agreed = agreed_entries(agreed_values(planned, result), known, ended_writes(planned, result, writes))
        changes = ledger_changes(batch.before, planned, result, self._rules)
        return decisions, {**changes, **agreed}, result.fatal

    def _plan(self, updates: Sequence[ContactUpdate], known: KnownMembers) -> PlannedBatch:
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
        writes = open_writes(planned, rows, merge_fields)
        claims = {**writing(known, writes)[1], **claims_on_columns(states, planned)}
        return PlannedBatch(planned, before, new_contacts, writes, claims)

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
        batch, result = self._carry_out(updates, stopped, lambda: self._plan_handovers(handed_over))
        decisions = [
            replace(decide(event, result, self._rules, "record"), dead_letter=None)
            for event in batch.plan.events
        ]
        if self._settings.dry_run:
            return decisions, {}, result.fatal
        # What failed waits for the next run.
        done = {
            given.row: None
            for given, decision in zip(handed_over, decisions, strict=True)
            if not decision.action.is_failure
        }
        ledger = ledger_changes(batch.before, batch.plan, result, self._rules)
        return decisions, {**ledger, HANDOVER_NAMESPACE: done}, result.fatal

    def _plan_handovers(self, handed_over: Sequence[HandedOver]) -> PlannedBatch:
        updates = [given.update for given in handed_over]
        origins = {row for given in handed_over for row in given.handover.rows}
        stored = self._dependencies.trail.ledger(FLAGS_NAMESPACE).items() if origins else ()
        carried = {
            name: flag
            for name, value in stored
            if (flag := FlagState.from_json(value)).origin in origins and not flag.cleared_at
        }
        keys = {key for update in updates for key in (update.key, update.new_key) if key}
        states = self._reader.stored_states({*keys, *(flag.address for flag in carried.values())})
        addresses = states.keys()
        rows = {row.id: row for row in self._dependencies.finder.find(sorted(addresses), fresh=addresses)}
        flags = {**self._reader.flags(rows.values(), origins), **carried}
        working = WorkingCopy(rows.values(), states, self._rules, flags)
        planned = plan_handovers(handed_over, working, self._reader.gone(origins))
        return PlannedBatch(planned, Before(states, rows, flags))
