"""Reads rows of a set: in parts where a URL would be too long, fewer where the server runs out of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient, Row
from kinetic_mailchimp.epicor.errors import BodyTooLargeError, PageRequest, PageTimeoutError, UrlTooLongError
from kinetic_mailchimp.epicor.odata import and_, typed_literal
from kinetic_mailchimp.epicor.row_values import normalize_values
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.call import Parse, Request
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

from tap_epicor_kinetic.reading.page_size import PageSize

logger = logging.getLogger(__name__)


@dataclass
class SetReader:
    """Reads rows of one set of one company.

    Attributes:
        path: Service and set.
        key: The key columns, with which parts of a row are put together.
        columns: What to select; empty for all.
        types: Column to Edm type.
        needed: Columns that must come, whatever is dropped.
        base: An OData condition that always applies.
        expand: OData's `$expand`.
        page_size: Rows of a page; None leaves it to the speed of the server.
        parse: Makes rows of the body of a page that comes in one part.
        clock: Monotonic seconds.
    """

    client: EpicorClient
    company: str
    path: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str]
    needed: frozenset[str] = frozenset()
    base: str = ""
    expand: str = ""
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    page_size: int | None = None
    parse: Parse = parse_json
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Begin with the first size of a page."""
        self.size = PageSize.of(self.page_size, len(self.columns), is_nested=bool(self.expand))

    def fetch(self, condition: str, order: Sequence[str], skip: int = 0) -> list[Row]:
        """The rows that fit a condition, as many as a page holds.

        A column that the service turns out not to know is left out from then on, with a warning.
        """
        condition = and_(self.base, condition)
        while True:
            asked = self.columns
            parts = self._parts(condition, order)
            size, started = self.size.now, self.clock()
            kind = PageRequest if self.size.can_shrink else Request
            try:
                parse = self.parse if len(parts) == 1 else parse_json
                rows = self._read(
                    parts[0], condition, order, skip=skip, expand=self.expand, kind=kind, parse=parse
                )
                for part in parts[1:]:
                    rows = self._completed(rows, part, condition, order, skip=skip)
            except (PageTimeoutError, BodyTooLargeError) as error:
                if not self.size.can_shrink:
                    raise
                self.size.shrink(for_good=isinstance(error, BodyTooLargeError))
                logger.warning(
                    "%s, company %s: %s Now %d rows a page.",
                    self.path,
                    self.company,
                    error.message,
                    self.size.now,
                )
            except UrlTooLongError:
                if self._parts(condition, order) == parts:
                    raise
            except ConfigurationError as error:
                if error.field not in asked or error.field in self.needed:
                    raise
                self.columns = tuple(name for name in self.columns if name != error.field)
                logger.warning("%s has no column %s: it is left out.", self.path, error.field)
            else:
                values = sum(map(_values, rows)) if self.expand else 0
                self.size.succeeded(size, len(rows), self.clock() - started, values)
                return rows

    def sample(
        self, column: str, condition: str, order: Sequence[str], kind: type[Request], top: int = 1
    ) -> list[Any]:
        """The values of a column in the first rows that fit.

        Args:
            column: Its name.
            condition: An OData condition.
            order: Columns to order by, each with ` desc` where it descends.
            kind: The way to take a failure, as for `EpicorClient.read`.
            top: Rows at most.
        """
        rows = self.client.read(
            self.company,
            self.path,
            filter=and_(self.base, condition),
            orderby=order,
            select=(column,),
            top=top,
            parameters=self.parameters,
            kind=kind,
        )
        normalize_values(rows, self.types)
        return [row.get(column) for row in rows]

    def _read(self, columns: Sequence[str], condition: str, order: Sequence[str], **more: Any) -> list[Row]:  # noqa: ANN401 (options of `read`)
        rows = self.client.read(
            self.company,
            self.path,
            filter=condition,
            orderby=order,
            select=columns,
            top=self.size.now,
            parameters=self.parameters,
            **more,
        )
        normalize_values(rows, self.types)
        return rows

    def _parts(self, condition: str, order: Sequence[str]) -> list[tuple[str, ...]]:
        """The columns in groups that fit a URL, each with the key, the first with what is needed."""
        if not self.columns:
            return [()]
        url = self.client.url(
            self.company,
            self.path,
            filter=condition,
            orderby=order,
            expand=self.expand,
            top=self.size.now,
            skip=1,
        )
        parts = split_columns(self.columns, self.key, self.needed, self.client.longest_url - len(url))
        if len(parts) > 1 and not self.key:
            raise ConfigurationError(
                f"{self.path} has more columns than fit a URL, and no key to join parts of a row.",
                advice="Give the stream `keys` in `custom_streams`, or select fewer columns.",
            )
        return parts

    def _completed(
        self, rows: list[Row], columns: Sequence[str], condition: str, order: Sequence[str], *, skip: int
    ) -> list[Row]:
        """Rows with further columns; a row that was deleted in between is left out."""
        others = {self._key_of(row): row for row in self._read(columns, condition, order, skip=skip)}
        completed = []
        for row in rows:
            other = others.get(self._key_of(row)) or self._single(row, columns)
            if other is not None:
                completed.append({**other, **row})
        return completed

    def _single(self, row: Row, columns: Sequence[str]) -> Row | None:
        """A row that was changed since its first part was read, so that it has left the page."""
        same = and_(*(f"{name} eq {typed_literal(row[name], self.types[name])}" for name in self.key))
        found = self._read(columns, same, ())
        return found[0] if found else None

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.key)


def _values(row: Row) -> int:
    """Values of a row and of those that are nested in it."""
    return len(row) + sum(len(child) for value in row.values() if isinstance(value, list) for child in value)


def split_columns(
    columns: Sequence[str], key: Sequence[str], needed: frozenset[str], room: int
) -> list[tuple[str, ...]]:
    """Columns in groups whose names, with commas, take no more than `room` characters.

    Args:
        columns: In their order.
        key: The key columns, which every group has.
        needed: Columns that the first group must have.
        room: Characters that the names of a group may take.
    """
    if len(",".join(columns)) <= room:
        return [tuple(columns)]
    first = tuple(name for name in columns if name in needed or name in key)
    groups = [list(first)]
    for name in columns:
        if name in first:
            continue
        if len(",".join([*groups[-1], name])) > room:
            groups.append(list(key))
        groups[-1].append(name)
    return [tuple(group) for group in groups]
