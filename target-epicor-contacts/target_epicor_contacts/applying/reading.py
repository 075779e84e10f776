"""Reads what is known before a batch: the states of its people, their rows, and the flags that are ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.flag_state import (
    FLAGS_NAMESPACE,
    FlagState,
    is_same_row,
    read_flags,
    still_set,
)
from kinetic_mailchimp.audit.state.people import CORRECTED_NAMESPACE, PEOPLE_NAMESPACE, corrected_to
from kinetic_mailchimp.kit.parsing.email_address import domain_spellings

from target_epicor_contacts.audit.ledger_changes import PersonStates
from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.addresses import addresses_in
from target_epicor_contacts.epicor.entities import EMAIL, EpicorRow, named_row
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.rules.address_change import resolve
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.state.known_members import KnownMembers
from target_epicor_contacts.state.person_state import PersonState


class BatchReader:
    """Reads the ledger and Kinetic for a batch."""

    def __init__(self, trail: AuditTrail, finder: RowFinder, rules: Rules) -> None:
        self._trail = trail
        self._finder = finder
        self._rules = rules
        self._ledger = trail.ledger(PEOPLE_NAMESPACE)
        self._corrected = trail.ledger(CORRECTED_NAMESPACE)

    def person_states(self, updates: Iterable[ContactUpdate]) -> dict[str, PersonState]:
        """The states of the people of a batch, and of the addresses they have moved on to."""
        return self.stored_states({key for update in updates for key in (update.key, update.new_key) if key})

    def stored_states(self, addresses: Iterable[str]) -> dict[str, PersonState]:
        """The states of some addresses, in each spelling, and of those that these have moved on to."""
        wanted = {spelling for address in addresses for spelling in domain_spellings(address)}
        found: dict[str, PersonState] = {}
        while wanted:
            stored, corrected = self._ledger.get_many(wanted), corrected_to(self._corrected, wanted)
            found |= {
                key: PersonState.from_json(stored.get(key)).moved_by(corrected.get(key)) for key in wanted
            }
            later = {state.moved.to for state in found.values() if state.moved}
            wanted = later - found.keys()
        return found

    def rows(self, updates: Sequence[ContactUpdate], states: PersonStates) -> dict[str, EpicorRow]:
        """The rows of the people of a batch, by id.

        Args:
            updates: Of the batch.
            states: Of its people.
        """
        addresses = {
            address
            for update in updates
            for key in (update.key, update.new_key)
            if key
            for address in (key, resolve(key, update.event_time, states, update.list_id))
        }
        # An opt-out must not rest on the row of a minute ago.
        fresh = {update.key for update in updates if update.status and self._rules.opts_out(update.status)}
        return {row.id: row for row in self._finder.find(sorted(addresses), fresh=fresh)}

    def flags(self, rows: Iterable[EpicorRow], names: Iterable[str] = ()) -> dict[str, FlagState]:
        """The flags of some rows that are ours, by the names of the rows.

        Args:
            rows: The rows.
            names: Of other rows, which may be gone.
        """
        present = {row.name: row for row in rows}
        ledger = self._trail.ledger(FLAGS_NAMESPACE)
        found = still_set(read_flags(ledger, [*present, *names]))
        return {
            name: flag
            for name, flag in found.items()
            if name not in present or flag.is_on(present[name].short_id)
        }

    def gone(self, names: Iterable[str]) -> set[str]:
        """The names of rows that Epicor does not have any more."""
        rows = [row for name in names if (row := named_row(name)) and row.entity in self._rules.entities]
        current = self._finder.current(rows) if rows else {}
        return {row.name for row in rows if row.id not in current}

    def followed(
        self, updates: Iterable[ContactUpdate], known: KnownMembers, rows: dict[str, EpicorRow]
    ) -> dict[str, frozenset[str]]:
        """The rows that had an address before, where none has it now; they are put among the rows.

        Args:
            updates: Of the batch.
            known: The members that they are about.
            rows: Those that were found, by id.
        """
        held = {address for row in rows.values() for address in addresses_in(row.values.get(EMAIL))}
        named: dict[str, list[EpicorRow]] = {}
        known_ids: dict[str, int] = {}
        for update in updates:
            member = known.get((update.list_id or "", update.key))
            if not held.isdisjoint(domain_spellings(update.key)) or member is None or not member.state.rows:
                continue
            named[update.key] = []
            # A source is the name of a stream and the key of the row in it.
            for source, known_row in member.state.rows.items():
                row = named_row(source.partition("/")[2])
                if row and row.entity in self._rules.entities:
                    named[update.key].append(row)
                    known_ids[row.id] = known_row.row_id
        wanted = [row for rows_of_member in named.values() for row in rows_of_member]
        current = {
            row_id: row
            for row_id, row in (self._finder.current(wanted) if wanted else {}).items()
            if is_same_row(known_ids[row_id], row.short_id)
        }
        rows.update(current)
        return {
            address: frozenset(row.id for row in rows_of_member if row.id in current)
            for address, rows_of_member in named.items()
        }
