"""Puts together what one stream reads: its columns, its conditions and the plan of its scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from kinetic_mailchimp.epicor import EntityType, EpicorClient, Row
from kinetic_mailchimp.epicor.odata import and_
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

from tap_epicor_kinetic.catalog.columns import readable
from tap_epicor_kinetic.catalog.declarations import COMPANY, StreamDeclaration
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.cursor import Cursor
from tap_epicor_kinetic.reading.scan import read_scan
from tap_epicor_kinetic.reading.scan_plan import Planner
from tap_epicor_kinetic.reading.set_reader import SetReader
from tap_epicor_kinetic.records.activity import ACTIVE, INACTIVE
from tap_epicor_kinetic.records.rows import RowShaper
from tap_epicor_kinetic.records.typed_rows import RowParser, can_be_typed
from tap_epicor_kinetic.settings import KEYSET, ReadSettings

_LONGEST_SELECT = 3_000
"""Characters of names of nested columns in a URL, which has others too; of more, all columns are read."""


@dataclass(frozen=True)
class StreamReader:
    """Reads one stream, company by company.

    Attributes:
        key: The key columns, the company among them.
        cursor: The change column; None for a full table.
        chosen_of: The columns of nested rows that are selected, by navigation property; without it, all are.
        warn: Takes what a person should know.
        is_typed: Whether records may be typed rows; else they are dictionaries.
    """

    client: EpicorClient
    declaration: StreamDeclaration
    entity: EntityType
    key: tuple[str, ...]
    cursor: Cursor | None
    settings: ReadSettings
    chosen: frozenset[str]
    warn: Callable[[str], None]
    chosen_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_typed: bool = False

    def scan(self, company: str, bookmark: Bookmark) -> Iterator[tuple[list[Row], Bookmark]]:
        """Read what changed in a company since a bookmark.

        Args:
            company: The company in the URL.
            bookmark: Where to begin.

        Yields:
            The rows of a page, and the bookmark that holds once they are emitted.
        """
        workers = self.client.settings.concurrency
        yield from read_scan(self._reader(company), self._planner(), bookmark, workers, self.warn)

    def keys(self, company: str) -> Iterator[tuple[Any, ...]]:
        """The keys of all rows of a company, whatever the settings leave out.

        A customer that became inactive is not gone.
        """
        key = self.key_columns
        reader = replace(
            self._reader(company),
            columns=key,
            needed=frozenset(key),
            base=self.declaration.filter,
            expand="",
            parse=parse_json,
        )
        planner = replace(self._planner(), cursor=None)
        workers = self.client.settings.concurrency
        for rows, _ in read_scan(reader, planner, Bookmark(), workers, self.warn):
            yield from (tuple(row[name] for name in key) for row in rows)

    def shaper(self, company: str) -> RowShaper:
        """The maker of a company's records."""
        return RowShaper(
            columns=[name for name in readable(self.entity) if name in self.chosen],
            company=company,
            hidden=[name for name in self._selected if name not in self.chosen],
            nested={
                name: self.chosen_of.get(name, ())
                for name in self.declaration.nested_names
                if name in self.chosen
            },
            derives_active=ACTIVE in self.chosen,
        )

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the key that the service has; a BAQ has no company."""
        columns = readable(self.entity)
        return tuple(name for name in self.key if name in columns)

    @property
    def condition(self) -> str:
        """The OData condition that all rows fit."""
        active = self.settings.customers_to_read(self.entity) if self.declaration.derives_active else ""
        return and_(self.declaration.filter, active)

    def _planner(self) -> Planner:
        return Planner(
            entity=self.entity,
            key=self.key,
            cursor=self.cursor,
            overlap=self.settings.overlap,
            start=self.settings.start_date,
            change_column=self.declaration.change_column,
            by_offset=self.settings.pagination != KEYSET or not self.key,
        )

    @cached_property
    def _needed(self) -> frozenset[str]:
        """The columns that no page can do without."""
        cursor = (self.cursor.column,) if self.cursor else ()
        return frozenset({*self.key, *cursor} & readable(self.entity).keys())

    @cached_property
    def _selected(self) -> tuple[str, ...]:
        """The columns to ask for."""
        wanted = self.chosen | self._needed | ({INACTIVE} if ACTIVE in self.chosen else set())
        return tuple(name for name in readable(self.entity) if name in wanted)

    def _reader(self, company: str) -> SetReader:
        types = {name: column.edm_type for name, column in readable(self.entity).items()}
        derived = {COMPANY: company} | ({ACTIVE: True} if ACTIVE in self.chosen else {})
        is_typed = self.is_typed and not self.declaration.nested_names and can_be_typed(self._selected, types)
        return SetReader(
            client=self.client,
            company=company,
            path=self.declaration.path,
            key=self.key_columns,
            columns=self._selected,
            types=types,
            needed=self._needed,
            base=self.condition,
            expand=",".join(
                self._with_chosen(item)
                for item in self.declaration.expand
                if item.partition("(")[0] in self.chosen
            ),
            parameters=self.declaration.parameters,
            page_size=self.settings.page_size,
            parse=RowParser(self._selected, types, derived) if is_typed else parse_json,
        )

    def _with_chosen(self, item: str) -> str:
        """An item of `$expand` that asks for the selected columns alone: a line of an order has hundreds."""
        names = ",".join(self.chosen_of.get(item, ()))
        return f"{item}($select={names})" if 0 < len(names) <= _LONGEST_SELECT else item
