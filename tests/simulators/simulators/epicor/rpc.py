"""The methods of a business object: GetByID, GetRows, GetList, GetNew…, Update, UpdateExt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulators.epicor import rules, where_clause
from simulators.epicor.calls import Answer, Call
from simulators.epicor.errors import (
    API_EXCEPTION,
    NOT_FOUND,
    EpicorError,
    business_error,
    internal_error,
)
from simulators.epicor.options import QueryOptions
from simulators.epicor.reads import filter_sql, parent_of, read_rows, visible
from simulators.epicor.schema import Service, Table
from simulators.epicor.storage import BAD_INPUT, Row
from simulators.epicor.store import equal
from simulators.epicor.world import Kinetic

Method = Callable[[Kinetic, Service, Call], Answer]


def method_named(service: Service, name: str) -> Method | None:
    """The method of a service, or None when it has none of that name."""
    if name in service.new_methods:
        return get_new
    return _METHODS.get(name)


def _parameters(call: Call) -> Mapping[str, Any]:
    """Of the query string, or of the body of a POST, which is deprecated for reads and works."""
    if call.method == "GET":
        return call.parameters
    if call.method == "POST" and (call.body is None or isinstance(call.body, dict)):
        return call.body or {}
    raise call.refused()


def _dataset(call: Call) -> dict[str, list[Row]]:
    if call.method != "POST":
        raise call.refused()
    dataset = _parameters(call).get("ds")
    if not isinstance(dataset, dict):
        raise EpicorError(400, "Parameter ds is not found in the input object", API_EXCEPTION)
    return {name: rows for name, rows in dataset.items() if isinstance(rows, list)}


def get_by_id(world: Kinetic, service: Service, call: Call) -> Answer:
    """The row of a key with its children."""
    given = _parameters(call)
    table = world.table(service.root_table)
    key: dict[str, Any] = {"Company": call.company}
    for parameter, column in service.key_parameters.items():
        if parameter not in given:
            raise EpicorError(400, f"Parameter {parameter} is not found in the input object", API_EXCEPTION)
        key[column] = _typed(table, column, given[parameter])
    found = world.store.select(table, visible(world, call.company, table) & equal(key))
    if not found:
        raise EpicorError(404, "Record not found.", NOT_FOUND)
    return Answer(document={"returnObj": _tableset(world, service, {table.name: found})})


def _typed(table: Table, column: str, value: Any) -> Any:
    if table.by_name[column].edm_type != "Edm.Int32":
        return str(value)
    try:
        return int(value)
    except ValueError as error:
        raise EpicorError(400, f"Parameter {column} has an invalid value", API_EXCEPTION) from error


def _tableset(world: Kinetic, service: Service, rows: dict[str, list[Row]]) -> dict[str, Any]:
    """Rows of the root, completed with those of the children that the service knows."""
    complete: dict[str, Any] = {name: [] for name in dict.fromkeys(service.sets.values())}
    complete.update(rows)
    for table_name in list(complete):
        for child in world.table(table_name).children:
            if child.table in complete and child.table not in rows:
                for row in complete[table_name]:
                    where = equal({mine: row[theirs] for mine, theirs in child.columns.items()})
                    complete[child.table].extend(world.store.select(world.table(child.table), where))
    complete["ExtensionTables"] = []
    return complete


def get_rows(world: Kinetic, service: Service, call: Call) -> Answer:
    """Rows by a where clause for every table of the service; all of the clauses must be there."""
    given = _parameters(call)
    clauses = {name: f"whereClause{name}" for name in dict.fromkeys(service.sets.values())}
    for parameter in (*clauses.values(), "pageSize", "absolutePage"):
        if parameter not in given:
            raise EpicorError(400, f"Parameter {parameter} is not found in the input object", API_EXCEPTION)
    root = service.root_table
    rows, more = _page(world, call, root, str(given[clauses[root]]), given)
    found: dict[str, Any] = {root: rows}
    for name, parameter in clauses.items():
        if name != root:
            found[name] = _children(world, name, str(given[parameter]), found)
    found["ExtensionTables"] = []
    return Answer(document={"returnObj": found, "parameters": {"morePages": more}})


def _children(world: Kinetic, name: str, clause: str, found: Mapping[str, list[Row]]) -> list[Row]:
    """The children of the rows found so far that fit their own where clause."""
    table = world.table(name)
    parent, link = parent_of(world, table)
    condition, order_by = where_clause.translate(clause)
    options = QueryOptions(filter=condition, order_by=order_by)
    fitting = filter_sql(world, table, options)
    return [
        row
        for above in found[parent.name]
        for row in read_rows(
            world,
            table,
            equal({mine: above[theirs] for mine, theirs in link.columns.items()}) & fitting,
            options,
            -1,
        )
    ]


def get_list(world: Kinetic, service: Service, call: Call) -> Answer:
    """Rows of the root by one where clause."""
    given = {"whereClause": "", "absolutePage": 1, **_parameters(call)}
    if "pageSize" not in given:
        raise EpicorError(400, "Parameter pageSize is not found in the input object", API_EXCEPTION)
    root = service.root_table
    rows, more = _page(world, call, root, str(given["whereClause"]), given)
    return Answer(document={"returnObj": {f"{root}List": rows}, "parameters": {"morePages": more}})


def _page(
    world: Kinetic, call: Call, table_name: str, clause: str, given: Mapping[str, Any]
) -> tuple[list[Row], bool]:
    table = world.table(table_name)
    try:
        size, page = int(given["pageSize"]), int(given["absolutePage"])
    except ValueError as error:
        raise EpicorError(400, BAD_INPUT) from error
    if size <= 0:
        if world.switches.get_rows_page_size_zero == "refused":
            raise EpicorError(400, "pageSize must be greater than zero.", API_EXCEPTION)
        size = 10**9
    condition, order_by = where_clause.translate(clause)
    options = QueryOptions(filter=condition, order_by=order_by, skip=size * (max(page, 1) - 1))
    where = visible(world, call.company, table) & filter_sql(world, table, options)
    rows = read_rows(world, table, where, options, size + 1)
    return rows[:size], len(rows) > size


def get_new(world: Kinetic, service: Service, call: Call) -> Answer:
    """A row that exists only in the answer, for the caller to fill in and send to Update."""
    name = call.resource.strip("/")
    dataset = _dataset(call)
    table = world.table(service.new_methods[name])
    row = world.store.empty_row(table)
    row.update(Company=call.company, RowMod="A")
    columns = {column.name.lower(): column.name for column in table.columns}
    for parameter, value in _parameters(call).items():
        column = columns.get(parameter.lower())
        if parameter != "ds" and column is not None:
            row[column] = _typed(table, column, value)
    dataset.setdefault(table.name, []).append(row)
    return Answer(document={"parameters": {"ds": dataset}})


def update(world: Kinetic, service: Service, call: Call) -> Answer:
    """Write the rows that have a RowMod, all or none; each must be the whole row as it was read."""
    dataset = _dataset(call)
    written: dict[str, list[Row]] = {}
    with world.store.transaction():
        for table_name, rows in dataset.items():
            table = _table_of(world, service, table_name)
            for row in rows:
                if row.get("RowMod"):
                    written.setdefault(table_name, []).extend(
                        _apply(world, call.company, table, row, whole=True)
                    )
    return Answer(document={"parameters": {"ds": written}})


def _table_of(world: Kinetic, service: Service, name: str) -> Table:
    if name not in service.sets.values():
        raise EpicorError(400, BAD_INPUT)
    return world.table(name)


def _apply(world: Kinetic, company: str, table: Table, row: Row, *, whole: bool) -> list[Row]:
    modification = row["RowMod"]
    if modification == "A":
        return [rules.create(world, company, table, row)]
    key = _key(company, table, row)
    if len(key) < len(table.key):
        raise business_error(f"The key of {table.name} is incomplete.", table.name)
    if modification == "D":
        rules.delete(world, table, key)
        return []
    if modification != "U":
        raise internal_error()
    if whole:
        _refuse_stale(world, table, key, row)
    return [rules.update(world, table, key, row)]


def _key(company: str, table: Table, row: Row) -> Row:
    """What the row has of its key; the company is that of the URL unless the row says otherwise."""
    given = {"Company": company, **row}
    return {name: given[name] for name in table.key if name in given}


def _refuse_stale(world: Kinetic, table: Table, key: Row, row: Row) -> None:
    """Refuse a row that was written since it was read; its revision may be text, as some servers send it."""
    stored = world.store.get(table, key)
    if stored is not None and str(row.get("SysRevID")) != str(stored["SysRevID"]):
        switches = world.switches
        raise EpicorError(
            switches.stale_status, switches.stale_message, switches.stale_error_type, table.name
        )


def update_ext(world: Kinetic, service: Service, call: Call) -> Answer:
    """Merge rows one by one; what is refused is reported inside a 200."""
    dataset = _dataset(call)
    go_on = bool(_parameters(call).get("continueProcessingOnError", True))
    errors: list[Row] = []
    written: dict[str, list[Row]] = {}
    for table_name, rows in dataset.items():
        table = _table_of(world, service, table_name)
        for row in rows:
            if errors and not go_on:
                break
            try:
                with world.store.transaction():
                    modification = row.get("RowMod") or _add_or_update(world, call.company, table, row)
                    applied = _apply(world, call.company, table, {**row, "RowMod": modification}, whole=False)
            except EpicorError as error:
                errors.append(_row_error(table, row, error))
            else:
                written.setdefault(table_name, []).extend(applied)
    return Answer(
        document={
            "returnObj": {"BOUpdError": errors},
            "parameters": {"ds": written, "errorsOccurred": bool(errors)},
        }
    )


def _add_or_update(world: Kinetic, company: str, table: Table, row: Row) -> str:
    """What is meant by a row that does not say: it is added unless it is there."""
    key = _key(company, table, row)
    return "U" if len(key) == len(table.key) and world.store.get(table, key) else "A"


def _row_error(table: Table, row: Row, error: EpicorError) -> Row:
    return {
        "TableName": table.name,
        "ErrorLevel": "Error",
        "ErrorType": error.error_type,
        "ErrorText": error.message,
        "ErrorSysRowID": row.get("SysRowID", "00000000-0000-0000-0000-000000000000"),
        "SysRowID": row.get("SysRowID", "00000000-0000-0000-0000-000000000000"),
        "RowMod": row.get("RowMod", "U"),
    }


_METHODS: Mapping[str, Method] = {
    "GetByID": get_by_id,
    "GetRows": get_rows,
    "GetList": get_list,
    "Update": update,
    "UpdateExt": update_ext,
}
