"""Finds rows in Kinetic: by address, by person and by key, many at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import and_, eq
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.email_address import domain_spellings

from target_epicor_contacts.epicor.address_query import PROBED_ROWS, AddressFilter, AddressQuery
from target_epicor_contacts.epicor.addresses import addresses_in, person_of
from target_epicor_contacts.epicor.calls import may_be_about_one
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON, Entity, EpicorRow
from target_epicor_contacts.epicor.row_reader import RowReader

_NOBODY = "nobody@example.com"
CACHED_ADDRESSES = 20_000
_NEVER: tuple[float, frozenset[str]] = (float("-inf"), frozenset())


class RowFinder:
    """Finds rows, and keeps the answers for a while.

    Attributes:
        addresses: The way in which Kinetic is asked for addresses.
        reader: Reads the rows.

    Args:
        selected: The columns to read, by kind of row; the kinds are those that are matched.
        types: Name of an entity to its columns and their OData types.
        address_filter: The way to ask the server for an address.
        keep_seconds: Seconds for which an answer may be used again.
        cached_addresses: Number of answers that are kept.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: EpicorClient,
        selected: Mapping[Entity, Sequence[str]],
        executor: Executor,
        *,
        types: Mapping[str, Mapping[str, str]] | None = None,
        address_filter: AddressFilter = AddressFilter.CONTAINS,
        keep_seconds: float = 60.0,
        cached_addresses: int = CACHED_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._companies = client.settings.companies
        self._entities = tuple(selected)
        self.reader = RowReader(client, selected, executor, types or {}, clock)
        self.addresses = AddressQuery(client, selected, address_filter, executor, clock)
        self._keep_seconds = keep_seconds
        self._cached_addresses = cached_addresses
        self._clock = clock
        self._rows: dict[str, EpicorRow] = {}
        self._found: dict[str, tuple[float, frozenset[str]]] = {}
        self._failure: ConnectorError | None = None
        self._failed: frozenset[str] = frozenset()

    def find(self, addresses: Iterable[str], *, fresh: AbstractSet[str] = frozenset()) -> list[EpicorRow]:
        """Every row that holds one of the addresses, in either spelling of its domain, and linked contacts.

        Args:
            addresses: As `email_key` makes them.
            fresh: Those for which an earlier answer must not be used again.
        """
        wanted = list(dict.fromkeys(addresses))
        # Before answers are counted on: none of them may go while others are asked for.
        self._make_room(len(wanted))
        now = self._clock()
        unknown = [
            address for address in wanted if address in fresh or self._found.get(address, _NEVER)[0] <= now
        ]
        if unknown:
            try:
                self._ask(unknown, now + self._keep_seconds)
            except ConnectorError as error:
                self._failure, self._failed = error, frozenset(unknown)
                if "contains" in error.message:  # some services know no functions
                    error.advice = "Set `address_filter` to `equals`, which finds clean addresses alone."
                raise
        ids = {row_id for address in wanted for row_id in self._found[address][1] if row_id in self._rows}
        return [self._rows[row_id] for row_id in sorted(ids)]

    def current(self, rows: Sequence[EpicorRow], *, one_by_one: bool = False) -> dict[str, EpicorRow]:
        """Rows as they are now, by id; one that is gone is missing.

        Args:
            rows: Those to look at.
            one_by_one: Without the executor: a thread of it would wait for itself.
        """
        groups: dict[tuple[str, Entity], list[str]] = defaultdict(list)
        for row in rows:
            groups[row.company, row.entity].append(
                and_(*(eq(column, value) for column, value in row.key.items() if column != "Company"))
            )
        found = {row.id: row for row in self.reader.read(groups, one_by_one=one_by_one, by_key=True)}
        wanted = {row.id for row in rows}
        return {row_id: row for row_id, row in found.items() if row_id in wanted}

    def failed_over_some(self, error: ConnectorError) -> bool:
        """Tell whether a batch failed over its addresses: a look-up of another one is answered."""
        if error is not self._failure or not may_be_about_one(error):
            return False
        try:
            witness = self.addresses.conditions([self._other_address()])
            list(self.reader.read(self._everywhere(witness)))
        except ConnectorError:
            return False
        return True

    def _other_address(self) -> str:
        """An address of some row that the failed look-up did not ask for; without any, a made-up one."""
        for company, entity in self._everywhere([]):
            for row in self.addresses.first(company, entity, f"{EMAIL} ne ''", PROBED_ROWS):
                for address in addresses_in(row.get(EMAIL)):
                    if address not in self._failed:
                        return address
        return _NOBODY

    def remember(self, before: EpicorRow, now: EpicorRow | None) -> None:
        """Keep a row that was written.

        Args:
            before: The row as it was read.
            now: The row after the write; None where that is not known.
        """
        touched = set(addresses_in(before.values.get(EMAIL)))
        if now is None:
            self._rows.pop(before.id, None)
        else:
            self._rows[now.id] = now
            held = set(addresses_in(now.values.get(EMAIL)))
            touched = set() if held == touched else touched | held
        for address in touched:
            self.forget(address)

    def forget(self, address: str) -> None:
        """Ask Kinetic again when this address is needed next."""
        for spelling in domain_spellings(address):
            self._found.pop(spelling, None)

    def _make_room(self, addresses: int) -> None:
        if len(self._found) + addresses > self._cached_addresses:
            self._found.clear()
            self._rows.clear()

    def _ask(self, addresses: Sequence[str], keep_until: float) -> None:
        asked: dict[str, set[str]] = defaultdict(set)
        for address in addresses:
            for spelling in domain_spellings(address):
                asked[spelling].add(address)
        conditions = self.addresses.conditions(list(asked))
        rows = [
            row
            for row in self.reader.read(self._everywhere(conditions))
            if not asked.keys().isdisjoint(addresses_in(row.values.get(EMAIL)))
        ]
        linked = self._linked(rows)
        found: dict[str, set[str]] = {address: set() for address in addresses}
        for row in rows:
            held = asked.keys() & set(addresses_in(row.values.get(EMAIL)))
            for address in set().union(*(asked[spelling] for spelling in held)):
                found[address].add(row.id)
                found[address].update(linked.get(person_of(row.values), ()))
        self._found.update({address: (keep_until, frozenset(ids)) for address, ids in found.items()})
        self._rows.update({row.id: row for row in rows})

    def _linked(self, rows: Iterable[EpicorRow]) -> dict[tuple[str, int] | None, set[str]]:
        """Ids of the contacts of the people that these rows are linked to."""
        if CONTACT not in self._entities:
            return {}
        people = {person for row in rows if row.entity is CONTACT and (person := person_of(row.values))}
        groups: dict[tuple[str, Entity], list[str]] = defaultdict(list)
        for company, number in sorted(people):
            groups[company, CONTACT].append(eq(PERSON, number))
        linked: dict[tuple[str, int] | None, set[str]] = defaultdict(set)
        for row in self.reader.read(groups):
            linked[person_of(row.values)].add(row.id)
            self._rows[row.id] = row
        return linked

    def _everywhere(self, conditions: list[str]) -> dict[tuple[str, Entity], list[str]]:
        return {(company, entity): conditions for company in self._companies for entity in self._entities}
