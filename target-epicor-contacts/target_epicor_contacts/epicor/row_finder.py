"""Finds rows in Kinetic: by address, by person and by key, many at a time, inside the limits of a URL."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from enum import StrEnum
from urllib.parse import quote

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.client import LONGEST_URL
from kinetic_mailchimp.epicor.odata import after, and_, eq, literal, or_

from target_epicor_contacts.epicor.addresses import addresses_in, person_of
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON, Entity, EpicorRow

PAGE = 1_000
SURELY_LAST = 10
"""A page with fewer rows is the last one; a longer one may be cut off by a cap of the server."""
KEYSET_RESERVE = 400
"""Characters that a second page adds to the condition."""
CACHED_ADDRESSES = 20_000
_NEVER: tuple[float, frozenset[str]] = (float("-inf"), frozenset())


class AddressFilter(StrEnum):
    """Ways to ask the server for an address; its answer is compared again here."""

    CONTAINS = "contains"
    """Finds `mailto:`, display names and spaces too; capitals as the database's collation has it."""
    TOLOWER = "tolower"
    """The same in a database with a case-sensitive collation."""
    EQUALS = "equals"
    """Clean columns only; the fastest."""

    def condition(self, address: str) -> str:
        """The OData condition for an address."""
        if self is AddressFilter.EQUALS:
            return eq(EMAIL, address)
        column = EMAIL if self is AddressFilter.CONTAINS else f"tolower({EMAIL})"
        return f"contains({column},{literal(address)})"


class RowFinder:
    """Reads rows, several requests at a time, and keeps the answers for a while.

    Args:
        client: Kinetic.
        selected: The columns to read, by kind of row; the kinds are those that are matched.
        executor: Runs the requests.
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
        address_filter: AddressFilter = AddressFilter.CONTAINS,
        keep_seconds: float = 60.0,
        cached_addresses: int = CACHED_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._selected = selected
        self._executor = executor
        self._address_filter = address_filter
        self._keep_seconds = keep_seconds
        self._cached_addresses = cached_addresses
        self._clock = clock
        self._rows: dict[str, EpicorRow] = {}
        self._found: dict[str, tuple[float, frozenset[str]]] = {}

    def find(self, addresses: Iterable[str], *, fresh: AbstractSet[str] = frozenset()) -> list[EpicorRow]:
        """Every row that holds one of the addresses, and the contacts linked to those as the same person.

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
            self._ask(unknown, now + self._keep_seconds)
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
        found = {row.id: row for row in self._read(groups, one_by_one=one_by_one)}
        wanted = {row.id for row in rows}
        return {row_id: row for row_id, row in found.items() if row_id in wanted}

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
            self._found.pop(address, None)

    def forget(self, address: str) -> None:
        """Ask Kinetic again when this address is needed next."""
        self._found.pop(address, None)

    def _make_room(self, addresses: int) -> None:
        if len(self._found) + addresses > self._cached_addresses:
            self._found.clear()
            self._rows.clear()

    def _ask(self, addresses: Sequence[str], keep_until: float) -> None:
        conditions = [self._address_filter.condition(address) for address in addresses]
        asked = set(addresses)
        rows = [
            row
            for row in self._read(self._everywhere(conditions))
            if asked.intersection(addresses_in(row.values.get(EMAIL)))
        ]
        linked = self._linked(rows)
        found: dict[str, set[str]] = {address: set() for address in addresses}
        for row in rows:
            for address in asked.intersection(addresses_in(row.values.get(EMAIL))):
                found[address].add(row.id)
                found[address].update(linked.get(person_of(row.values), ()))
        self._found.update({address: (keep_until, frozenset(ids)) for address, ids in found.items()})
        self._rows.update({row.id: row for row in rows})

    def _linked(self, rows: Iterable[EpicorRow]) -> dict[tuple[str, int] | None, set[str]]:
        """Ids of the contacts of the people that these rows are linked to."""
        if CONTACT not in self._selected:
            return {}
        people = {person for row in rows if row.entity is CONTACT and (person := person_of(row.values))}
        groups: dict[tuple[str, Entity], list[str]] = defaultdict(list)
        for company, number in sorted(people):
            groups[company, CONTACT].append(eq(PERSON, number))
        linked: dict[tuple[str, int] | None, set[str]] = defaultdict(set)
        for row in self._read(groups):
            linked[person_of(row.values)].add(row.id)
            self._rows[row.id] = row
        return linked

    def _everywhere(self, conditions: list[str]) -> dict[tuple[str, Entity], list[str]]:
        companies = self._client.settings.companies
        return {(company, entity): conditions for company in companies for entity in self._selected}

    def _read(
        self, groups: Mapping[tuple[str, Entity], Sequence[str]], *, one_by_one: bool = False
    ) -> Iterator[EpicorRow]:
        """Rows that fit any of the conditions, by company and kind of row."""
        calls = [
            (company, entity, chunk)
            for (company, entity), conditions in groups.items()
            for chunk in self._chunks(company, entity, conditions)
        ]
        run = map if one_by_one else self._executor.map
        for rows in run(lambda call: self._read_all(*call), calls):
            yield from rows

    def _chunks(self, company: str, entity: Entity, conditions: Sequence[str]) -> Iterator[list[str]]:
        empty = self._client.url(
            company, entity.path, filter="-", orderby=entity.key, select=self._selected[entity], top=PAGE
        )
        room = LONGEST_URL - KEYSET_RESERVE - len(empty)
        chunk: list[str] = []
        used = 0
        for condition in conditions:
            length = len(quote(f" or ({condition})", safe="$',():@/*"))
            if chunk and used + length > room:
                yield chunk
                chunk, used = [], 0
            chunk.append(condition)
            used += length
        if chunk:
            yield chunk

    def _read_all(self, company: str, entity: Entity, conditions: Sequence[str]) -> list[EpicorRow]:
        rows: list[EpicorRow] = []
        order = entity.key[1:]
        wanted = or_(*conditions)
        beyond = ""
        while True:
            page = self._client.read(
                company,
                entity.path,
                filter=and_(wanted, beyond),
                orderby=order,
                select=self._selected[entity],
                top=PAGE,
            )
            rows += [EpicorRow(entity, values) for values in page]
            if len(page) < SURELY_LAST:
                return rows
            beyond = after(order, [page[-1][name] for name in order], {})
