"""Takes records as a run does, and records where both sides differ: nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.kit.errors import ConnectorError

from target_epicor_contacts.applying.batch import Dependencies
from target_epicor_contacts.audit.decisions import decide
from target_epicor_contacts.audit.event_result import BatchResult
from target_epicor_contacts.audit.unapplied import in_order, read_updates
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.reconcile.drift import as_comparison
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import AddressBook, LinkedPeople
from target_epicor_contacts.rules.plan import plan, untried
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.known_members import read_known_members, with_echo


class Comparison:
    """Compares records that are present states.

    Args:
        dependencies: Reading and storing.
        settings: The other settings.
    """

    def __init__(self, dependencies: Dependencies, rules: Rules, settings: WriteSettings) -> None:
        self._dependencies = dependencies
        self._rules = rules
        self._settings = settings

    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Compare a batch as a whole: its records come again with the next comparison.

        Args:
            stream: The stream that they came on.
            records: In the order of arrival.

        Raises:
            ConnectorError: The run cannot go on.
        """
        run, settings = self._dependencies.run, self._settings
        run.read(len(records))
        entries = list(read_updates(stream, records, settings.merge_fields, settings.on_invalid))
        updates = [entry for entry in entries if isinstance(entry, ContactUpdate)]
        events, result = self._compare(updates)
        decided = [decide(event, result, self._rules, settings.unmatched) for event in events]
        run.record([as_comparison(decision, self._rules) for decision in in_order(entries, decided)])
        if result.fatal is not None:
            raise result.fatal

    def take_handovers(self) -> None:
        """Leave them to a run that writes."""

    def _compare(self, updates: Sequence[ContactUpdate]) -> tuple[Sequence[EventPlan], BatchResult]:
        addresses = {key for update in updates for key in (update.key, update.new_key) if key}
        known = read_known_members(self._dependencies.trail, updates)
        comes_again = not self._dependencies.is_replay
        try:
            rows = self._dependencies.finder.find(sorted(addresses), fresh=addresses)
        except ConnectorError as error:
            failed = BatchResult(fatal=error, untried=True, comes_again=comes_again)
            return untried(updates).events, failed
        events = compare([with_echo(update, known) for update in updates], rows, self._rules)
        return events, BatchResult(comes_again=comes_again)


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
