"""Finds rows in Kinetic: by address, by person and by key, many at a time, inside the limits of a URL."""

from __future__ import annotations

import logging
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from enum import StrEnum
from urllib.parse import quote

from kinetic_mailchimp.epicor import EpicorClient, Row
from kinetic_mailchimp.epicor.errors import ProbeRequest, QueryRefusedError, UrlTooLongError
from kinetic_mailchimp.epicor.odata import after, and_, eq, literal, or_
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http.call import Request

from target_epicor_contacts.epicor.addresses import addresses_in, person_of
from target_epicor_contacts.epicor.calls import Portions, may_be_about_one
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON, Entity, EpicorRow

logger = logging.getLogger(__name__)

PAGE = 1_000
PROBED_ROWS = 100
"""Rows among which an address with capitals is looked for, where `tolower` is refused."""
_NOBODY = "nobody@example.com"
KEYSET_RESERVE = 400
"""Characters that a second page adds to the condition."""
CACHED_ADDRESSES = 20_000
_NEVER: tuple[float, frozenset[str]] = (float("-inf"), frozenset())


class AddressFilter(StrEnum):
    """Ways to ask the server for an address; its answer is compared again here."""

    CONTAINS = "contains"
    """Finds `mailto:`, display names and spaces too."""
    TOLOWER = "tolower"
    """The same, in a database that is known to tell capitals apart."""
    EQUALS = "equals"
    """Clean columns only; the fastest."""

    def condition(self, address: str, *, by_case: bool = False) -> str:
        """The OData condition for an address.

        Args:
            address: As `email_key` makes it.
            by_case: Whether the database tells capitals apart.
        """
        column = f"tolower({EMAIL})" if by_case or self is AddressFilter.TOLOWER else EMAIL
        if self is AddressFilter.EQUALS:
            return eq(column, address)
        return f"contains({column},{literal(address)})"


class RowFinder:
    """Reads rows, several requests at a time, and keeps the answers for a while.

    Args:
        selected: The columns to read, by kind of row; the kinds are those that are matched.
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
        self._by_case: bool | None = True if address_filter is AddressFilter.TOLOWER else None
        self._keep_seconds = keep_seconds
        self._cached_addresses = cached_addresses
        self._clock = clock
        self._portions = Portions()
        self._rows: dict[str, EpicorRow] = {}
        self._found: dict[str, tuple[float, frozenset[str]]] = {}
        self._failure: ConnectorError | None = None
        self._failed: frozenset[str] = frozenset()
        self.is_hasty = False
        """True where a refusal is told at once, as what was asked will be asked again in smaller parts."""

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
            try:
                self._ask(unknown, now + self._keep_seconds)
            except ConnectorError as error:
                self._failure, self._failed = error, frozenset(unknown)
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
        found = {row.id: row for row in self._read(groups, one_by_one=one_by_one, by_key=True)}
        wanted = {row.id for row in rows}
        return {row_id: row for row_id, row in found.items() if row_id in wanted}

    def failed_over_some(self, error: ConnectorError) -> bool:
        """Tell whether a look-up failed over the addresses in it: one about another address is answered.

        Args:
            error: What ended a batch.
        """
        if error is not self._failure or not may_be_about_one(error):
            return False
        try:
            witness = self._address_filter.condition(self._other_address(), by_case=bool(self._by_case))
            list(self._read(self._everywhere([witness])))
        except ConnectorError:
            return False
        return True

    def _other_address(self) -> str:
        """An address of some row that the failed look-up did not ask for; without any, a made-up one."""
        for company, entity in self._everywhere([]):
            for row in self._first(company, entity, f"{EMAIL} ne ''", PROBED_ROWS):
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
            self._found.pop(address, None)

    def describe_capitals(self) -> str:
        """Find out, and say, whether the database takes `Pat@` and `pat@` for different texts.

        Raises:
            ConfigurationError: It does, and cannot be asked for addresses in lower case.
        """
        if self._tells_capitals_apart():
            return "The database tells capitals apart: addresses are asked for in lower case."
        return "The database finds addresses in any spelling."

    def forget(self, address: str) -> None:
        """Ask Kinetic again when this address is needed next."""
        self._found.pop(address, None)

    def _make_room(self, addresses: int) -> None:
        if len(self._found) + addresses > self._cached_addresses:
            self._found.clear()
            self._rows.clear()

    def _ask(self, addresses: Sequence[str], keep_until: float) -> None:
        if self._by_case is None:
            self._by_case = self._tells_capitals_apart()
        by_case = self._by_case
        conditions = [self._address_filter.condition(address, by_case=by_case) for address in addresses]
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

    def _tells_capitals_apart(self) -> bool:
        """Find out whether the database takes `Pat@` and `pat@` for different texts.

        Raises:
            ConfigurationError: It does, and cannot be asked for addresses in lower case.
        """
        return any(self._has_other_spellings(company, entity) for company, entity in self._everywhere([]))

    def _has_other_spellings(self, company: str, entity: Entity) -> bool:
        try:
            found = self._first(company, entity, f"tolower({EMAIL}) ne {EMAIL}")
        except QueryRefusedError as error:
            rows = self._first(company, entity, f"contains({EMAIL},'@')", PROBED_ROWS)
            row = next((row for row in rows if _has_capitals(row.get(EMAIL))), None)
            if row is None:
                return False
            lower = self._address_filter.condition(row[EMAIL].lower())
            key = [eq(column, row[column]) for column in entity.key[1:]]
            if self._first(company, entity, and_(lower, *key)):
                return False
            raise ConfigurationError(
                "The database tells capitals apart, and its service knows no `tolower`: addresses with "
                "capitals would not be found.",
                advice="Write addresses in lower case in Epicor, or ask for a collation without case.",
            ) from error
        if found:
            logger.info("The database tells capitals apart: addresses are asked for with `tolower`.")
        return bool(found)

    def _first(self, company: str, entity: Entity, condition: str, top: int = 1) -> list[Row]:
        return self._client.read(
            company,
            entity.path,
            filter=condition,
            orderby=entity.key[1:],
            select=(*entity.key, EMAIL),
            top=top,
            kind=ProbeRequest,
        )

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
        self,
        groups: Mapping[tuple[str, Entity], Sequence[str]],
        *,
        one_by_one: bool = False,
        by_key: bool = False,
    ) -> Iterator[EpicorRow]:
        """Rows that fit any of the conditions, by company and kind of row.

        Args:
            groups: The conditions.
            one_by_one: Without the executor.
            by_key: Whether each condition fits no more than one row, so that as many rows are all.
        """
        calls = [
            (company, entity, chunk)
            for (company, entity), conditions in groups.items()
            for chunk in self._chunks(company, entity, conditions)
        ]
        run = map if one_by_one else self._executor.map
        for rows in run(lambda call: self._read_all(*call, by_key=by_key), calls):
            yield from rows

    def _chunks(self, company: str, entity: Entity, conditions: Sequence[str]) -> Iterator[list[str]]:
        empty = self._client.url(
            company, entity.path, filter="-", orderby=entity.key, select=self._selected[entity], top=PAGE
        )
        room = self._client.longest_url - KEYSET_RESERVE - len(empty)
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

    def _read_all(
        self, company: str, entity: Entity, conditions: Sequence[str], *, by_key: bool
    ) -> list[EpicorRow]:
        def read(part: Sequence[str]) -> list[EpicorRow]:
            most = len(part) if by_key else sys.maxsize
            try:
                return self._read_pages(company, entity, part, self._selected[entity], most)
            except UrlTooLongError:
                if len(part) > 1:
                    raise
                # The names of the columns are what can still be left out.
                return self._read_pages(company, entity, part, (), most)

        return self._portions.collect(conditions, read)

    def _read_pages(
        self, company: str, entity: Entity, conditions: Sequence[str], select: Sequence[str], most: int
    ) -> list[EpicorRow]:
        """All rows: an empty page ends them, or the last that there can be; a short page does not."""
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
                select=select,
                top=PAGE,
                kind=ProbeRequest if self.is_hasty else Request,
            )
            _require_keys(page, entity, company)
            rows += [EpicorRow(entity, values) for values in page]
            if not page or len(rows) >= most:
                return rows
            reached = after(order, [page[-1][name] for name in order], {})
            if reached == beyond:
                raise ConfigurationError(
                    f"{entity.path} gives the same rows again: it ignores the condition of the next page.",
                    advice="Ask the administrators of the server.",
                )
            beyond = reached


def _has_capitals(address: object) -> bool:
    return isinstance(address, str) and address.isascii() and address != address.lower()


def _require_keys(page: Sequence[Row], entity: Entity, company: str) -> None:
    """Make sure that rows have their key; the company is also in the URL.

    Raises:
        ConfigurationError: A column of the key is null or missing.
    """
    for row in page:
        if not row.get("Company"):
            row["Company"] = company
        missing = [name for name in entity.key if row.get(name) is None]
        if missing:
            raise ConfigurationError(
                f"{entity.path} has rows without {missing[0]}, a column of their key.",
                advice="Check the user's access to the columns of contacts and customers in Kinetic.",
            )
