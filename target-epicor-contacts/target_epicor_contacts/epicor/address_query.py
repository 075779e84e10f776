"""Asks Kinetic for addresses, in a way that finds any spelling of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from enum import StrEnum
from itertools import product

from kinetic_mailchimp.epicor import EpicorClient, Row
from kinetic_mailchimp.epicor.errors import ProbeRequest, QueryRefusedError
from kinetic_mailchimp.epicor.odata import and_, eq, literal
from kinetic_mailchimp.kit.errors import ConfigurationError

from target_epicor_contacts.epicor.entities import EMAIL, Entity

logger = logging.getLogger(__name__)

PROBED_AGAIN = 600.0
"""Seconds for which a database without capitals counts as one that takes no account of them."""
PROBED_ROWS = 100
"""Rows among which an address with capitals is looked for, where `tolower` is refused."""


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


class AddressQuery:
    """The conditions that find addresses; the first one finds out if the database tells capitals apart.

    Args:
        entities: The kinds of rows that hold addresses.
        address_filter: The way to ask the server for an address.
        executor: Runs requests at the same time.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: EpicorClient,
        entities: Iterable[Entity],
        address_filter: AddressFilter,
        executor: Executor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._entities = tuple(entities)
        self._address_filter = address_filter
        self._executor = executor
        self._by_case = address_filter is AddressFilter.TOLOWER
        self._clock = clock
        self._probe_at = float("-inf")

    def conditions(self, addresses: Sequence[str]) -> list[str]:
        """The OData conditions for addresses.

        Raises:
            ConfigurationError: The database tells capitals apart, and cannot be asked in lower case.
        """
        if not self._by_case and self._clock() >= self._probe_at:
            # The first row with capitals may come while a run follows for days.
            self._by_case = self._tells_capitals_apart()
            self._probe_at = self._clock() + PROBED_AGAIN
        return [self._address_filter.condition(address, by_case=self._by_case) for address in addresses]

    def describe_capitals(self) -> str:
        """Find out, and say, whether the database takes `Pat@` and `pat@` for different texts.

        Raises:
            ConfigurationError: It does, and cannot be asked for addresses in lower case.
        """
        if self._tells_capitals_apart():
            return "The database tells capitals apart: addresses are asked for in lower case."
        return "The database finds addresses in any spelling."

    def _tells_capitals_apart(self) -> bool:
        """Find out whether the database takes `Pat@` and `pat@` for different texts.

        Raises:
            ConfigurationError: It does, and cannot be asked for addresses in lower case.
        """
        places = product(self._client.settings.companies, self._entities)
        return any(self._executor.map(self._has_other_spellings, places))

    def _has_other_spellings(self, place: tuple[str, Entity]) -> bool:
        company, entity = place
        try:
            found = self.first(company, entity, f"tolower({EMAIL}) ne {EMAIL}")
        except QueryRefusedError as error:
            rows = self.first(company, entity, f"contains({EMAIL},'@')", PROBED_ROWS)
            row = next((row for row in rows if _has_capitals(row.get(EMAIL))), None)
            if row is None:
                return False
            lower = self._address_filter.condition(row[EMAIL].lower())
            key = [eq(column, row[column]) for column in entity.key[1:]]
            if self.first(company, entity, and_(lower, *key)):
                return False
            raise ConfigurationError(
                "The database tells capitals apart, and its service knows no `tolower`: addresses with "
                "capitals would not be found.",
                advice="Write addresses in lower case in Epicor, or ask for a collation without case.",
            ) from error
        if found:
            logger.info("The database tells capitals apart: addresses are asked for with `tolower`.")
        return bool(found)

    def first(self, company: str, entity: Entity, condition: str, top: int = 1) -> list[Row]:
        """The first rows that fit a condition, with their keys and addresses.

        Args:
            company: Whose rows.
            entity: Their kind.
            condition: In OData.
            top: How many.
        """
        return self._client.read(
            company,
            entity.path,
            filter=condition,
            orderby=entity.key[1:],
            select=(*entity.key, EMAIL),
            top=top,
            kind=ProbeRequest,
        )


def _has_capitals(address: object) -> bool:
    return isinstance(address, str) and address.isascii() and address != address.lower()
