"""Reads the rows of Kinetic that fit any of many conditions, inside the limits of a URL."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from urllib.parse import quote

from kinetic_mailchimp.epicor import EpicorClient, Row
from kinetic_mailchimp.epicor.errors import ProbeRequest, QueryRefusedError, UrlTooLongError
from kinetic_mailchimp.epicor.odata import after, and_, or_
from kinetic_mailchimp.epicor.row_values import normalize_values
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.call import Request

from target_epicor_contacts.epicor.calls import Portions
from target_epicor_contacts.epicor.entities import Entity, EpicorRow

PAGE = 1_000
KEYSET_RESERVE = 400
"""Characters that a second page adds to the condition."""
LEARNED_AGAIN = 600.0
"""Seconds after which a set is asked again how much it gives: that can be lowered while a run follows."""


class PageWidths:
    """The rows that each set has been seen to give at once: it did not cut off a page that has fewer.

    This rests on what the server did, as neither a short page nor `@odata.count` tells that rows are left.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, Entity], tuple[float, int]] = {}

    def exceed(self, place: tuple[str, Entity], rows: int, read: Callable[[], Sequence[Row]]) -> bool:
        """Tell whether a set gives more rows at once than came.

        Args:
            place: The company and the kind of row.
            rows: That came.
            read: Reads any rows of the set, of which as many are asked for.
        """
        until, width = self._seen.get(place, (float("-inf"), 0))
        if until <= self._clock():
            # Two threads at once may both ask: none waits for the answers of other sets.
            try:
                width = len(read())
            except QueryRefusedError:
                width = 0
            self._seen[place] = (self._clock() + LEARNED_AGAIN, width)
        return rows < width


class RowReader:
    """Reads rows, several requests at a time.

    Attributes:
        is_hasty: True where a refusal is told at once, as what was asked will be asked again in smaller
            parts.

    Args:
        selected: The columns to read, by kind of row.
        types: Name of an entity to its columns and their OData types.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: EpicorClient,
        selected: Mapping[Entity, Sequence[str]],
        executor: Executor,
        types: Mapping[str, Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._selected = selected
        self._types = types
        self._executor = executor
        self._portions = Portions()
        self._widths = PageWidths(clock)
        self.is_hasty = False

    def read(
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
        """All rows: an empty page ends them, or one that was not cut off; a short page alone does not."""
        rows: list[EpicorRow] = []
        order = entity.key[1:]
        wanted = or_(*conditions)
        beyond = ""
        ask = partial(self._client.read, company, entity.path, orderby=order, select=select)
        while True:
            page = ask(filter=and_(wanted, beyond), top=PAGE, kind=ProbeRequest if self.is_hasty else Request)
            normalize_values(page, self._types.get(entity.name, {}))
            _require_keys(page, entity, company)
            rows += [EpicorRow(entity, values) for values in page]
            if not page or len(rows) >= most or self._is_last(company, entity, len(page), ask):
                return rows
            reached = after(order, [page[-1][name] for name in order], {})
            if reached == beyond:
                raise _ignores(entity, "gives the same rows again: it ignores the condition of the next page")
            numbers = [row[order[0]] for row in page if isinstance(row[order[0]], int)]
            if any(one > other for one, other in itertools.pairwise(numbers)):
                raise _ignores(entity, "gives rows out of order: it ignores `$orderby`")
            beyond = reached

    def _is_last(self, company: str, entity: Entity, rows: int, ask: Callable[..., list[Row]]) -> bool:
        """Tell whether a page is known to be the last one."""
        # Of the same size: a server may give less where more is asked for than it likes.
        keys = partial(ask, select=entity.key, top=PAGE, kind=ProbeRequest)
        return rows < PAGE and self._widths.exceed((company, entity), rows, keys)


def _ignores(entity: Entity, what: str) -> ConfigurationError:
    return ConfigurationError(f"{entity.path} {what}.", advice="Ask the administrators of the server.")


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
