"""Business activity queries: a view per table, and a delta view, under names that say so."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from simulators.epicor.calls import Answer, Call
from simulators.epicor.errors import EpicorError, business_error
from simulators.epicor.options import parse_options
from simulators.epicor.reads import filter_sql, read_rows
from simulators.epicor.schema import Column, Table
from simulators.epicor.storage import ticks_column
from simulators.epicor.store import Sql, equal
from simulators.epicor.world import Kinetic

_NAME = re.compile(r"Sim-(Delta-)?(\w+)\Z")


def baq_service(world: Kinetic, call: Call) -> Answer:
    """Answer `BaqSvc/{id}/Data`.

    There are two queries per table: `Sim-Customer` has all rows, `Sim-Delta-Customer` those with
    `SysRevID >= @SysRevID` in that order. Columns are named `Customer_Name`.

    Raises:
        EpicorError: 404 for a query that does not exist, 400 for a parameter that is missing.
    """
    name, _, rest = call.resource.partition("/")
    match = _NAME.match(name)
    if match is None or match[2] not in world.tables or rest.strip("/") != "Data":
        raise EpicorError(404, f"BAQ '{name}' is not found or is not shared.", unknown=True)
    if call.method != "GET":
        raise call.refused()
    table = world.table(match[2])
    view = query_table(table)
    world.store.ensure_view(view.name, table, view_columns(view, table))
    options = parse_options(call.query)
    where = equal({f"{table.name}_Company": call.company})
    if match[1]:
        where &= _since(call, table)
        options = replace(options, order_by=options.order_by or f"{table.name}_SysRevID")
    where &= filter_sql(world, view, options)
    limit = options.top if options.top is not None else world.switches.baq_default_rows
    rows = read_rows(world, view, where, options, -1 if limit is None else limit)
    document: dict[str, Any] = {"@odata.context": f"{call.context}{name}/$metadata#Epicor.DynamicQuery"}
    if options.count:
        document["@odata.count"] = world.store.count(view, where)
    return Answer(document={**document, "value": rows})


def _since(call: Call, table: Table) -> Sql:
    given = call.parameters.get("SysRevID")
    if given is None or not given.isdecimal():
        raise business_error("Parameter SysRevID is mandatory.", "QueryParameter")
    return Sql(f'"{table.name}_SysRevID" >= ?', (int(given),))


def query_table(table: Table) -> Table:
    """The table as a query shows it."""
    columns = tuple(Column(f"{table.name}_{column.name}", column.edm_type) for column in table.columns)
    key = tuple(f"{table.name}_{name}" for name in table.key)
    return replace(table, name=f"Sim-{table.name}", key=key, columns=columns, children=(), change_columns=())


def view_columns(view: Table, table: Table) -> dict[str, str]:
    """The columns of the view and the columns of the table that they show."""
    shown = {mine.name: theirs.name for mine, theirs in zip(view.columns, table.columns, strict=True)}
    ticks = {ticks_column(f"{table.name}_{name}"): ticks_column(name) for name in table.timestamps}
    return {**shown, **ticks}
