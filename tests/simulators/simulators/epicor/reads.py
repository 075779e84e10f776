"""Answers OData reads: sets, single rows, navigations and counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulators.epicor.bounds import lower_bounds
from simulators.epicor.errors import (
    NOT_FOUND,
    EpicorError,
    internal_error,
    no_such_property,
    no_such_segment,
    odata_error,
)
from simulators.epicor.filters import nodes, parse, to_sql
from simulators.epicor.options import QueryOptions, order_sql, parse_key, selected_columns
from simulators.epicor.schema import Child, Service, Table
from simulators.epicor.storage import Row, ticks_column
from simulators.epicor.store import Sql, equal
from simulators.epicor.world import Kinetic

_ADDRESSED = re.compile(r"([^()]+)(?:\((.*)\))?\Z", re.DOTALL)


def split_segment(segment: str) -> tuple[str, str | None]:
    """`Customers('A',1)` gives `Customers` and `'A',1`; without parentheses the second is None."""
    match = _ADDRESSED.match(segment)
    if match is None:
        raise no_such_segment(segment)
    return match.group(1), match.group(2)


def table_of_set(world: Kinetic, service: Service, set_name: str) -> Table:
    """The table behind a set.

    Raises:
        EpicorError: 404 when the service has no such set; names are case sensitive.
    """
    if set_name not in service.sets:
        raise no_such_segment(set_name)
    return world.table(service.sets[set_name])


def key_of(company: str, table: Table, text: str) -> dict[str, Any]:
    """The key in a URL.

    Raises:
        EpicorError: 400 when it is no key of the table or of another company.
    """
    key = parse_key(text, table)
    if key.get("Company", company).lower() != company.lower():
        raise odata_error(f"Company '{key['Company']}' does not match the company of the URL '{company}'.")
    return key


def visible(world: Kinetic, company: str, table: Table) -> Sql:
    """Rows of the company that the account may see."""
    where = equal({"Company": company})
    hidden = world.switches.hidden_territories
    if hidden and table.name == "Customer":
        marks = ", ".join("?" * len(hidden))
        where &= Sql(f'"TerritoryID" NOT IN ({marks})', hidden)
    return where


class SetReader:
    """Reads one set of one company.

    Args:
        world: The simulated Kinetic.
        company: Of the URL.
        service: Of the URL.
        set_name: Of the URL.
    """

    def __init__(self, world: Kinetic, company: str, service: Service, set_name: str) -> None:
        self._world = world
        self._company = company
        self._set_name = set_name
        self._is_child = service.is_child(set_name)
        self._table = table_of_set(world, service, set_name)

    def page(self, options: QueryOptions, context: str) -> Mapping[str, Any]:
        """The envelope of a page of rows."""
        refused_above = self._world.switches.top_refused_above
        if refused_above is not None and (options.top or 0) > refused_above:
            raise odata_error(
                "The query specified in the URI is not valid."
                f" The limit of '{refused_above}' for Top query has been exceeded. The value from the"
                f" incoming request is '{options.top}'."
            )
        limit = self._limit(options.top)
        where = self._where(options, limit)
        rows = read_rows(self._world, self._table, where, options, limit)
        envelope: dict[str, Any] = {"@odata.context": f"{context}$metadata#{self._set_name}"}
        if options.count:
            total = self._world.store.count(self._table, where)
            envelope["@odata.count"] = max(0, total + self._world.switches.count_error)
        envelope["value"] = rows
        if self._world.switches.next_link and options.top is None and len(rows) == limit:
            envelope["@odata.nextLink"] = f"{context}{self._set_name}?$skip={options.skip + limit}"
        return envelope

    def count(self, options: QueryOptions) -> int:
        """The plain number of `/$count`."""
        return self._world.store.count(self._table, self._where(options, self._limit(options.top)))

    def _limit(self, top: int | None) -> int:
        switches = self._world.switches
        caps = [switches.max_top, switches.set_caps.get(self._set_name)]
        return min(
            switches.default_rows if top is None else top, *(cap for cap in caps if cap is not None), 10**9
        )

    def _where(self, options: QueryOptions, limit: int) -> Sql:
        where = visible(self._world, self._company, self._table)
        bug = self._world.switches.child_set_bug
        if self._is_child and bug != "off":
            if options.order_by is not None:
                raise internal_error()
            if options.filter is not None:
                where &= self._child_window(limit, options, failing=bug == "error")
        return where & filter_sql(self._world, self._table, options)

    def _child_window(self, limit: int, options: QueryOptions, *, failing: bool) -> Sql:
        """The bug of child sets: a filter sees the children of the first parents alone, or the wrong type."""
        parent, link = parent_of(self._world, self._table)
        if failing:
            raise no_such_property((options.filter or "").split(" ")[0].strip("("), parent.type_name)
        mine = ", ".join(f'"{self._table.name}"."{name}"' for name in link.columns)
        theirs = ", ".join(f'"{name}"' for name in link.columns.values())
        window = f'SELECT {theirs} FROM "{parent.name}" WHERE "Company" = ? ORDER BY {theirs} LIMIT ?'  # noqa: S608 - names from the schema
        return Sql(f"({mine}) IN ({window})", (self._company, limit))


def filter_sql(world: Kinetic, table: Table, options: QueryOptions) -> Sql:
    """The condition of `$filter`, with the bound that lets a keyset page walk an index."""
    if options.filter is None:
        return Sql()
    tree = parse(options.filter)
    most_nodes = world.switches.max_filter_nodes
    if most_nodes is not None and nodes(tree) > most_nodes:
        raise odata_error(
            f"The query specified in the URI is not valid. The node count limit of '{most_nodes}' has been"
            " exceeded. To increase the limit, set the 'MaxNodeCount' property on EnableQueryAttribute or"
            " ODataValidationSettings."
        )
    condition = to_sql(tree, table, world.switches, world.tables)
    first = order_sql(options.order_by, table)[0][0]
    bound = lower_bounds(tree).get(first)
    if bound is not None and options.order_by is not None:
        column = ticks_column(first) if first in table.timestamps else first
        condition = Sql(f'"{table.name}"."{column}" >= ?', (bound,)) & condition
    return condition


def read_rows(world: Kinetic, table: Table, where: Sql, options: QueryOptions, limit: int) -> list[Row]:
    """Rows with their expansions."""
    columns = selected_columns(options, table)
    needed = columns
    if columns is not None and options.expand:
        needed = list(dict.fromkeys([*columns, *_linking_columns(table, options)]))
    order = order_sql(options.order_by, table)[1]
    rows = world.store.select(table, where, order, limit, options.skip, needed)
    for expansion in options.expand:
        child = table.child(expansion.name)
        if child is None:
            raise no_such_property(expansion.name, table.type_name)
        for row in rows:
            row[expansion.name] = read_children(world, row, child, expansion.options)
    if columns is not None and options.expand:
        shown = {*columns, *(expansion.name for expansion in options.expand)}
        rows = [{name: value for name, value in row.items() if name in shown} for row in rows]
    return rows


def _linking_columns(table: Table, options: QueryOptions) -> list[str]:
    children = [table.child(expansion.name) for expansion in options.expand]
    return [name for child in children if child is not None for name in child.columns.values()]


def read_children(world: Kinetic, row: Row, child: Child, options: QueryOptions) -> list[Row]:
    """The rows behind a navigation; a `$filter` there is ignored, as Kinetic does."""
    table = world.table(child.table)
    where = equal({mine: row[theirs] for mine, theirs in child.columns.items()})
    limit = -1 if options.top is None else options.top
    return read_rows(world, table, where, options, limit)


def read_row(world: Kinetic, company: str, table: Table, key: dict[str, Any], options: QueryOptions) -> Row:
    """The row of a key.

    Raises:
        EpicorError: 404 when there is none.
    """
    where = visible(world, company, table) & equal(key)
    rows = read_rows(world, table, where, options, 1)
    if not rows:
        raise EpicorError(404, "Record not found.", NOT_FOUND)
    return rows[0]


def parent_of(world: Kinetic, table: Table) -> tuple[Table, Child]:
    """The table whose navigation leads to this one.

    Raises:
        LookupError: It is nobody's child.
    """
    for parent in world.tables.values():
        for child in parent.children:
            if child.table == table.name:
                return parent, child
    raise LookupError(f"{table.name} is nobody's child")
