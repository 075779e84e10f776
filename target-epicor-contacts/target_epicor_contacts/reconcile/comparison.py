"""Takes records as a run does, and records where both sides differ: nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit.state.flag_state import FlagState
from kinetic_mailchimp.kit.errors import ConnectorError
from typing_extensions import override

from target_epicor_contacts.applying.isolation import Attempt, Outcome, T
from target_epicor_contacts.applying.pipeline import EventProcessor
from target_epicor_contacts.audit.ledger_changes import Before
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.contact_creator import NewContact
from target_epicor_contacts.epicor.entities import EpicorRow
from target_epicor_contacts.reconcile.drift import as_comparison
from target_epicor_contacts.rules.event_plan import EventPlan
from target_epicor_contacts.rules.matching import AddressBook, LinkedPeople
from target_epicor_contacts.rules.plan import BatchPlan, plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.state.known_members import KnownMembers, with_echo


class Comparison(EventProcessor):
    """Compares records that are present states, in a dry run."""

    @override
    def _isolate(self, things: Sequence[T], attempt: Attempt[T]) -> None:
        """Compare a batch as a whole: its records come again with the next comparison."""
        self._dependencies.run.read(len(things))
        decisions, ledger, fatal = attempt(things, None)
        self._dependencies.run.record(decisions, ledger=ledger)
        if fatal is not None:
            raise fatal

    @override
    def _apply(
        self, stream: str, records: Sequence[Mapping[str, Any]], stopped: ConnectorError | None
    ) -> Outcome:
        decisions, ledger, fatal = super()._apply(stream, records, stopped)
        return [as_comparison(decision, self._rules) for decision in decisions], ledger, fatal

    @override
    def _plan(
        self, updates: Sequence[ContactUpdate], known: KnownMembers
    ) -> tuple[Before, BatchPlan, Mapping[str, NewContact]]:
        addresses = {key for update in updates for key in (update.key, update.new_key) if key}
        rows = self._dependencies.finder.find(sorted(addresses), fresh=addresses)
        events = compare([with_echo(update, known) for update in updates], rows, self._rules)
        return Before(rows={row.id: row for row in rows}), BatchPlan(events, {}, {}), {}


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
