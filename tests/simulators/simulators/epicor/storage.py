"""How rows of a table are checked, stored and indexed in SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from simulators.epicor import timestamps
from simulators.epicor.errors import EpicorError
from simulators.epicor.schema import Column, Table

Row = dict[str, Any]

BAD_INPUT = "Unable to deserialize entity. Input data is not in correct format."

_SQL_TYPES = {
    "Edm.String": "TEXT COLLATE NOCASE",
    "Edm.Guid": "TEXT COLLATE NOCASE",
    "Edm.DateTimeOffset": "TEXT",
    "Edm.Boolean": "INTEGER",
    "Edm.Int32": "INTEGER",
    "Edm.Int64": "INTEGER",
    "Edm.Decimal": "REAL",
}
_DEFAULTS: Mapping[str, Any] = {
    "Edm.String": "",
    "Edm.Guid": "00000000-0000-0000-0000-000000000000",
    "Edm.DateTimeOffset": None,
    "Edm.Boolean": False,
    "Edm.Int32": 0,
    "Edm.Int64": 0,
    "Edm.Decimal": 0.0,
}
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "Edm.String": (str,),
    "Edm.Guid": (str,),
    "Edm.Boolean": (bool,),
    "Edm.Int32": (int,),
    "Edm.Int64": (int,),
    "Edm.Decimal": (int, float),
}
_INDEXED = ("EMailAddress", "PerConID", "SysRowID")


def ticks_column(name: str) -> str:
    """The hidden column that holds a timestamp as a number, so that offsets do not disturb comparisons."""
    return f"{name}__ticks"


def checked(table: Table, values: Row) -> Row:
    """The values, once each is known to fit its column; columns that do not exist are refused.

    Raises:
        EpicorError: 400 as Kinetic words it.
    """
    for name, value in values.items():
        column = table.by_name.get(name)
        if column is None or not _fits(column, value):
            raise EpicorError(400, BAD_INPUT)
    return {
        name: _DEFAULTS[table.by_name[name].edm_type] if value is None else value
        for name, value in values.items()
    }


def _fits(column: Column, value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) and column.edm_type != "Edm.Boolean":
        return False
    if column.edm_type == "Edm.DateTimeOffset":
        return isinstance(value, str) and _is_moment(value)
    if column.edm_type == "Edm.Int32" and isinstance(value, int) and abs(value) >= 2**31:
        return False
    return isinstance(value, _PYTHON_TYPES[column.edm_type])


def _is_moment(text: str) -> bool:
    try:
        timestamps.parse(text)
    except ValueError:
        return False
    return True


@cache
def defaults(table: Table) -> tuple[tuple[str, Any], ...]:
    return tuple((column.name, _DEFAULTS[column.edm_type]) for column in table.columns)


def stored_names(table: Table) -> list[str]:
    return [*(column.name for column in table.columns), *map(ticks_column, table.timestamps)]


def stored(table: Table, row: Row) -> tuple[Any, ...]:
    shown = [row.get(name, default) for name, default in defaults(table)]
    ticks = [timestamps.parse(row[name]) if row.get(name) else None for name in table.timestamps]
    return (*shown, *ticks)


def create(table: Table) -> str:
    declared = [f'"{column.name}" {_SQL_TYPES[column.edm_type]}' for column in table.columns]
    declared += [f'"{ticks_column(name)}" INTEGER' for name in table.timestamps]
    key = ", ".join(f'"{name}"' for name in table.key)
    return f'CREATE TABLE "{table.name}" ({", ".join(declared)}, PRIMARY KEY ({key}))'


def create_indexes(table: Table) -> Iterator[str]:
    company = ['"Company"']
    rest = [f'"{name}"' for name in table.key if name != "Company"]
    for name in ("SysRevID", *_INDEXED, *(set(table.timestamps) & {"UpdatedOn", "ChangedOn"})):
        if name in table.by_name:
            column = ticks_column(name) if name in table.timestamps else name
            indexed = ", ".join([*company, f'"{column}"', *rest])
            yield f'CREATE INDEX "{table.name}_{name}" ON "{table.name}" ({indexed})'
