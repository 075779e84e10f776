"""Reads the `$` options of a query, with the refusals of Kinetic's OData layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer

from simulators.epicor.errors import internal_error, no_such_property, odata_error
from simulators.epicor.schema import Table
from simulators.epicor.storage import ticks_column

_IGNORED = frozenset({"$apply", "$format"})
_KNOWN = frozenset({"$filter", "$orderby", "$top", "$skip", "$select", "$count", "$expand"})
_ORDER_ITEM = re.compile(r"\s*(\w+)(?:\s+(asc|desc))?\s*\Z")
_EXPAND_ITEM = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class QueryOptions:
    """What a query asks for; None where it does not say."""

    filter: str | None = None
    order_by: str | None = None
    top: int | None = None
    skip: int = 0
    select: tuple[str, ...] | None = None
    count: bool = False
    expand: tuple[Expansion, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """A navigation to include, with the options inside its parentheses."""

    name: str
    options: QueryOptions


def parse_options(parameters: Iterable[tuple[str, str]]) -> QueryOptions:
    """Read the options among the parameters of a URL; parameters without `$` are none of OData's business.

    Raises:
        EpicorError: 400 for options that Kinetic refuses.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        if not name.startswith("$") or name in _IGNORED:
            continue
        if name not in _KNOWN:
            raise odata_error(f"The query parameter '{name}' is not supported.", unknown=name != "$compute")
        given[name] = value
    return _options(given)


def _options(given: Mapping[str, str]) -> QueryOptions:
    return QueryOptions(
        filter=given.get("$filter"),
        order_by=given.get("$orderby"),
        top=_number(given, "$top"),
        skip=_number(given, "$skip") or 0,
        select=_select(given["$select"]) if "$select" in given else None,
        count=_flag(given.get("$count", "false")),
        expand=tuple(_expansions(given.get("$expand", ""))),
    )


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise odata_error(
            f"Invalid value '{text}' for {name} query option found. The {name} query option requires a"
            " non-negative integer value."
        )
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise odata_error(
            f"Invalid value '{text}' for $count query option found. Valid values are 'true' or 'false'."
        )
    return text == "true"


def _select(text: str) -> tuple[str, ...] | None:
    names = text.split(",")
    position = 0
    for name in names:
        if not name.strip():
            raise odata_error(f"An identifier was expected at position {position}.")
        position += len(name) + 1
    stripped = tuple(name.strip() for name in names)
    return None if "*" in stripped else stripped


def split_outside_parentheses(text: str, separator: str) -> Iterator[str]:
    """The parts of a text between separators that stand in no parentheses and no quotes."""
    depth, quoted, start = 0, False, 0
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == separator and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _expansions(text: str) -> Iterator[Expansion]:
    if not text:
        return
    for item in split_outside_parentheses(text, ","):
        match = _EXPAND_ITEM.match(item)
        if match is None:
            raise odata_error(f"Syntax error in $expand at '{item}'.")
        name, inside = match.groups()
        pairs = (
            part.strip().partition("=")[::2]
            for part in split_outside_parentheses(inside or "", ";")
            if part.strip()
        )
        yield Expansion(name, parse_options(pairs))


def selected_columns(options: QueryOptions, table: Table) -> list[str] | None:
    """The columns of `$select`; a navigation that is expanded may be named too.

    Raises:
        EpicorError: 400 for an unknown name.
    """
    if options.select is None:
        return None
    expanded = {expansion.name for expansion in options.expand}
    for name in options.select:
        if name not in table.by_name and name not in expanded:
            raise no_such_property(name, table.type_name)
    return [name for name in dict.fromkeys(options.select) if name in table.by_name]


def order_sql(order_by: str | None, table: Table) -> tuple[list[str], str]:
    """The columns of `$orderby` and the SQL; without one, rows come in the order of their key.

    Raises:
        EpicorError: 400 for an unknown column, 500 for anything that is not a column.
    """
    names, parts = [], []
    for item in (order_by or "").split(",") if order_by else table.key:
        match = _ORDER_ITEM.match(item)
        if match is None:
            raise internal_error()
        name, direction = match.groups()
        column = table.by_name.get(name)
        if column is None:
            raise no_such_property(name, table.type_name)
        shown = ticks_column(name) if name in table.timestamps else name
        names.append(name)
        parts.append(f'"{shown}" {"DESC" if direction == "desc" else "ASC"}')
    return names, ", ".join(parts)


def parse_key(text: str, table: Table) -> dict[str, Any]:
    """The key inside parentheses, named (`Company='A',CustNum=1`) or by position (`'A',1`).

    Raises:
        EpicorError: 400 when it is not the key of this table.
    """
    lexer = ODataLexer()
    try:
        tokens = [token for token in lexer.tokenize(text) if token.type != "WS"]
    except ODataException as error:
        raise _bad_key(table) from error
    values: list[Any] = []
    names: list[str] = []
    # Literals stand alone or after `name =`; commas stand between.
    for token in tokens:
        if isinstance(token.value, ast.Identifier):
            names.append(token.value.name)
        elif isinstance(token.value, (ast.String, ast.Integer, ast.GUID)):
            value = token.value
            values.append(int(value.val) if isinstance(value, ast.Integer) else value.val)
        elif token.type not in ("=", ","):
            raise _bad_key(table)
    key = dict(zip(names or table.key, values, strict=False))
    if len(values) != len(table.key) or set(key) != set(table.key):
        raise _bad_key(table)
    for name, value in key.items():
        if isinstance(value, int) != (table.by_name[name].edm_type == "Edm.Int32"):
            raise _bad_key(table)
    return {name: key[name] for name in table.key}


def _bad_key(table: Table) -> Exception:
    return odata_error(
        f"The number of keys specified in the URI does not match number of key properties for the resource"
        f" '{table.type_name}'."
    )
