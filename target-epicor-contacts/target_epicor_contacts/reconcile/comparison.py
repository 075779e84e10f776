"""Holds records against the rows as they are, and says in the audit trail where both differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetic_mailchimp.audit import Run
from kinetic_mailchimp.kit.errors import ConnectorError

from target_epicor_contacts.audit.batch_result import Written
from target_epicor_contacts.audit.decisions import decide, sort_out
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.entities import Row
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.reconcile.drift import as_comparison
from target_epicor_contacts.rules.event_plan import Outcome
from target_epicor_contacts.rules.matching import AddressBook, LinkedPeople
from target_epicor_contacts.rules.plan import plan
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.person_state import PersonMemory


class Comparer:
    """Takes the place of the applier where records tell of present states, to compare and no more.

    Args:
        run: The present run.
        finder: Reads rows.
        rules: How updates become changes, for a comparison.
        settings: What else is configured, for a comparison.
    """

    def __init__(self, run: Run, finder: RowFinder, rules: Rules, settings: WriteSettings) -> None:
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
        updates, decisions = sort_out(stream, records, self._settings.on_invalid)
        written = Written()
        try:
            outcomes = compare(list(updates.values()), self._rows(updates.values()), self._rules)
        except ConnectorError as error:
            written = Written(fatal=error, untried=True)
            outcomes = [Outcome(update, update.key) for update in updates.values()]
        for index, outcome in zip(updates, outcomes, strict=True):
            decisions[index] = decide(outcome, written, self._rules, self._settings.unmatched)
        self._run.record([as_comparison(decisions[index], self._rules) for index in range(len(records))])
        if written.fatal is not None:
            raise written.fatal

    def _rows(self, updates: Iterable[ContactUpdate]) -> list[Row]:
        addresses = {key for update in updates for key in (update.key, update.new_key) if key}
        return self._finder.find(sorted(addresses), anew=addresses)


def shortfall(streams: Iterable[str]) -> str:
    """Why a comparison is none of everything, in words.

    Args:
        streams: Those of which nothing said that all of it came.
    """
    return (
        f"Nothing said that all of {', '.join(sorted(streams))} was read (no ACTIVATE_VERSION message after "
        "the last record): the tap ended early, or lists no present states."
    )


def compare(updates: Sequence[ContactUpdate], rows: Iterable[Row], rules: Rules) -> list[Outcome]:
    """What each of the updates would change, each by itself: none of them comes after another.

    Args:
        updates: They tell of present states.
        rows: Every row that holds one of their addresses, and rows linked to those.
        rules: How updates become changes, for a comparison.
    """
    by_id = {row.id: row for row in rows}
    book = AddressBook({row_id: row.values for row_id, row in by_id.items()}, LinkedPeople.ALL)
    outcomes: list[Outcome] = []
    for update in updates:
        keys = [key for key in (update.key, update.new_key) if key]
        involved = sorted({row_id for key in keys for row_id in book.match(key)})
        # Nothing that was remembered decides, and whose a flag is least of all.
        memories = dict.fromkeys(keys, PersonMemory(flagged=frozenset(involved)))
        outcomes += plan([update], [by_id[row_id] for row_id in involved], memories, rules).outcomes
    return outcomes
