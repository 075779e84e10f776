"""Compares records with the rows as they are, and records in the audit trail where both differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit import AuditTrail, Run
from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.kit.errors import ConnectorError

from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.audit.unapplied import decide_unapplied
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.reconcile.drift import as_comparison
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import AddressBook, LinkedPeople
from target_epicor_contacts.rules.plan import plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.known_members import read_known_members, with_echo


class Comparer:
    """Takes the place of the event processor where records have present states, to compare and no more.

    Args:
        run: The present run.
        settings: The other settings, for a comparison.
    """

    def __init__(
        self, trail: AuditTrail, run: Run, finder: RowFinder, rules: Rules, settings: WriteSettings
    ) -> None:
        self._trail = trail
        self._run = run
        self._finder = finder
        self._rules = rules
        self._settings = settings

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Compare records; when this returns, every one of them has a durable decision.

        Raises:
            ConnectorError: The rows could not be read; the records of the batch are recorded as failed.
        """
        self._run.read(len(records))
        updates, decisions = decide_unapplied(
            stream, records, self._settings.merge_fields, self._settings.on_invalid
        )
        result = BatchResult()
        try:
            known = read_known_members(self._trail, updates.values())
            echoes = [with_echo(update, known) for update in updates.values()]
            events = compare(echoes, self._rows(echoes), self._rules)
        except ConnectorError as error:
            result = BatchResult(fatal=error, untried=True)
            events = [EventPlan(update, update.key) for update in updates.values()]
        for index, event in zip(updates, events, strict=True):
            decisions[index] = decide(event, result, self._rules, self._settings.unmatched)
        self._run.record([as_comparison(decisions[index], self._rules) for index in range(len(records))])
        if result.fatal is not None:
            raise result.fatal

    def take_handovers(self) -> None:
        """Leave what target-mailchimp found out about to a run that writes."""

    def _rows(self, updates: Iterable[ContactUpdate]) -> list[EpicorRow]:
        addresses = {key for update in updates for key in (update.key, update.new_key) if key}
        return self._finder.find(sorted(addresses), fresh=addresses)


def compare(updates: Sequence[ContactUpdate], rows: Iterable[EpicorRow], rules: Rules) -> list[EventPlan]:
    """The changes that each of the updates would make, each by itself: none of them comes after another.

    Args:
        updates: Present states.
        rows: Every row that holds one of their addresses, and rows linked to those.
        rules: The configured rules, for a comparison.
    """
    by_id = {row.id: row for row in rows}
    book = AddressBook({row_id: row.values for row_id, row in by_id.items()}, LinkedPeople.ALL)
    events: list[EventPlan] = []
    for update in updates:
        keys = [key for key in (update.key, update.new_key) if key]
        involved = sorted({row_id for key in keys for row_id in book.match(key)})
        # No stored state decides, and the owner of a flag least of all.
        involved_rows = [by_id[row_id] for row_id in involved]
        flags = {row.name: FlagState(update.key) for row in involved_rows}
        events += plan([update], involved_rows, {}, rules, flags).events
    return events
