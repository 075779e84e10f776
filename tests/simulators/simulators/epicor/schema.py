"""The form in which tables and services are declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_EDM_TYPES = {
    "": "Edm.String",
    "int": "Edm.Int32",
    "long": "Edm.Int64",
    "dec": "Edm.Decimal",
    "bool": "Edm.Boolean",
    "when": "Edm.DateTimeOffset",
    "guid": "Edm.Guid",
}


@dataclass(frozen=True)
class Column:
    """A column and its OData type."""

    name: str
    edm_type: str = "Edm.String"

    @property
    def is_custom(self) -> bool:
        """Whether it is a UD column, kept in a table beside the base table."""
        return self.name.endswith("_c")


@dataclass(frozen=True)
class Child:
    """A navigation from a row to rows of another table; `columns` maps the child's to the parent's."""

    name: str
    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Table:
    """A table with the columns that OData shows."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    namespace: str = "Erp"
    children: tuple[Child, ...] = ()
    change_columns: tuple[str, ...] = ()
    """Those of ChangeDate, ChangeTime, ChangedBy and ChangedOn that the base product maintains."""

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def timestamps(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.edm_type == "Edm.DateTimeOffset")

    @property
    def type_name(self) -> str:
        return f"{self.namespace}.{self.name}"

    def child(self, name: str) -> Child | None:
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True)
class Service:
    """A business object: its entity sets by name (the first is its root) and the tables behind them."""

    name: str
    sets: Mapping[str, str]
    key_parameters: Mapping[str, str] = field(default_factory=dict)
    """The parameters of GetByID and the columns they stand for."""
    new_methods: Mapping[str, str] = field(default_factory=dict)
    """GetNew… methods and the tables they make a row of."""

    @property
    def root_set(self) -> str:
        return next(iter(self.sets))

    @property
    def root_table(self) -> str:
        return self.sets[self.root_set]

    def is_child(self, set_name: str) -> bool:
        return set_name != self.root_set


def columns(declaration: str) -> tuple[Column, ...]:
    """Read columns written as `Name` (a string) or `Name:type`.

    Raises:
        KeyError: No such type.
    """
    parts = (word.partition(":") for word in declaration.split())
    return tuple(Column(name, _EDM_TYPES[edm_type]) for name, _, edm_type in parts)
