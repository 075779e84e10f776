"""Turns `$filter` into SQL, with the refusals of Kinetic's OData layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from odata_query import ast
from odata_query.exceptions import FunctionCallException, ODataException, TokenizingException
from odata_query.grammar import ODataLexer, ODataParser
from odata_query.visitor import NodeVisitor

from simulators.epicor import timestamps
from simulators.epicor.errors import internal_error, no_such_property, odata_error
from simulators.epicor.schema import Table
from simulators.epicor.storage import ticks_column
from simulators.epicor.store import Sql
from simulators.epicor.switches import Switches

_NUMBERS = frozenset({"Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"})
_COMPARATORS: Mapping[type, str] = {
    ast.Eq: "=",
    ast.NotEq: "IS NOT",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: Mapping[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}


_WORDS = frozenset(
    ["ADD", "SUB", "MUL", "DIV", "MOD", "AND", "OR", "NOT", "EQ", "NE", "LT", "LE", "GT", "GE", "IN"]
)


@dataclass(frozen=True)
class _Function:
    """An OData function: the types it takes, the type it gives, and its SQL."""

    takes: tuple[str, ...]
    gives: str
    sql: Callable[..., str]


_TEXT = "Edm.String"
_FUNCTIONS: Mapping[str, _Function] = {
    "contains": _Function((_TEXT, _TEXT), "Edm.Boolean", lambda a, b: f"instr(lower({a}), lower({b})) > 0"),
    "startswith": _Function((_TEXT, _TEXT), "Edm.Boolean", lambda a, b: f"instr(lower({a}), lower({b})) = 1"),
    "endswith": _Function(
        (_TEXT, _TEXT), "Edm.Boolean", lambda a, b: f"substr(lower({a}), -length({b})) = lower({b})"
    ),
    "tolower": _Function((_TEXT,), _TEXT, lambda a: f"lower({a})"),
    "toupper": _Function((_TEXT,), _TEXT, lambda a: f"upper({a})"),
    "trim": _Function((_TEXT,), _TEXT, lambda a: f"trim({a})"),
    "length": _Function((_TEXT,), "Edm.Int32", lambda a: f"length({a})"),
    "concat": _Function((_TEXT, _TEXT), _TEXT, lambda a, b: f"({a} || {b})"),
    "indexof": _Function((_TEXT, _TEXT), "Edm.Int32", lambda a, b: f"(instr(lower({a}), lower({b})) - 1)"),
}


_BY_CASE: Mapping[str, Callable[..., str]] = {
    "contains": lambda a, b: f"instr({a}, {b}) > 0",
    "startswith": lambda a, b: f"instr({a}, {b}) = 1",
    "endswith": lambda a, b: f"substr({a}, -length({b})) = {b}",
    "indexof": lambda a, b: f"(instr({a}, {b}) - 1)",
}
"""The same functions in a database with a case-sensitive collation."""


@dataclass(frozen=True)
class _Typed:
    """A piece of SQL and the OData type of its value; `Edm.Null` for null."""

    sql: Sql
    edm_type: str


@functools.lru_cache(4096)
def parse(text: str) -> ast._Node:
    """The syntax tree of a `$filter`; clients ask the same again and again, and to read it takes longest.

    Raises:
        EpicorError: 400 with the position where it cannot be read.
    """
    lexer, parser = ODataLexer(), ODataParser()
    try:
        tree = parser.parse(_in_lower_case(lexer.tokenize(text), text))
    except TokenizingException as error:
        raise odata_error(f"Syntax error at position {error.token.index} in '{text}'.") from error
    except FunctionCallException as error:
        raise odata_error(f"An unknown function was found or its arguments do not fit: {error}") from error
    except ODataException as error:
        position = getattr(getattr(error, "token", None), "index", len(text))
        raise odata_error(f"Syntax error at position {position} in '{text}'.") from error
    if not isinstance(tree, ast._Node):
        raise odata_error(f"Expression expected at position 0 in '{text}'.")
    return tree


_COUNTED = (ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Call, ast.Identifier, ast._Literal)


def nodes(tree: Any) -> int:
    """The nodes of a syntax tree: an operator, a function, a column and a literal are one each."""
    if isinstance(tree, list):
        return sum(map(nodes, tree))
    if not isinstance(tree, ast._Node):
        return 0
    inner = [value for name, value in vars(tree).items() if name != "func"]
    return isinstance(tree, _COUNTED) + sum(map(nodes, inner))


def _in_lower_case(tokens: Iterable[Any], text: str) -> Iterator[Any]:
    """The tokens, as long as words like `and` are written as OData has them; the library takes any case."""
    for token in tokens:
        word = text[token.index :].split(None, 1)[0] if token.type in _WORDS else ""
        if word != word.lower():
            raise odata_error(f"Syntax error at position {token.index} in '{text}'.")
        yield token


def to_sql(tree: ast._Node, table: Table, switches: Switches, tables: Mapping[str, Table]) -> Sql:
    """The SQL condition of a syntax tree, for rows of a table.

    Raises:
        EpicorError: 400 for unknown columns and types that do not fit, 500 for what Kinetic cannot plan.
    """
    translated: _Typed = _Translator(table, switches, tables).visit(tree)
    if translated.edm_type != "Edm.Boolean":
        raise odata_error("The $filter expression must evaluate to a single boolean value.")
    return translated.sql


class _Translator(NodeVisitor):
    """Visits a syntax tree; every visit gives a `_Typed`."""

    def __init__(
        self, table: Table, switches: Switches, tables: Mapping[str, Table], alias: str | None = None
    ) -> None:
        self._table = table
        self._switches = switches
        self._tables = tables
        self._alias = alias
        """Of a lambda variable; inside a lambda columns are written `alias/Column`."""

    def generic_visit(self, node: ast._Node) -> _Typed:
        raise odata_error(f"The $filter expression has a part that is not supported: {type(node).__name__}.")

    def visit_Identifier(self, node: ast.Identifier) -> _Typed:  # noqa: N802 - named by the visitor
        return self._column(_full_name(node))

    def visit_Attribute(self, node: ast.Attribute) -> _Typed:  # noqa: N802 - named by the visitor
        if isinstance(node.owner, ast.Identifier) and node.owner.name == self._alias:
            return self._column(node.attr)
        owner = _full_name(node.owner) if isinstance(node.owner, ast.Identifier) else "?"
        raise no_such_property(owner, self._table.type_name)

    def _column(self, name: str) -> _Typed:
        column = self._table.by_name.get(name)
        if column is None:
            raise no_such_property(name, self._table.type_name)
        if name in self._switches.refused_filter_columns:
            raise internal_error()
        shown = ticks_column(name) if column.edm_type == "Edm.DateTimeOffset" else name
        collation = " COLLATE BINARY" if self._switches.case_sensitive and column.edm_type == _TEXT else ""
        return _Typed(Sql(f'"{self._table.name}"."{shown}"{collation}'), column.edm_type)

    def visit_Null(self, node: ast.Null) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("NULL"), "Edm.Null")

    def visit_Integer(self, node: ast.Integer) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("?", (int(node.val),)), "Edm.Int64")

    def visit_Float(self, node: ast.Float) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("?", (float(node.val),)), "Edm.Decimal")

    def visit_Boolean(self, node: ast.Boolean) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("?", (int(node.py_val),)), "Edm.Boolean")

    def visit_String(self, node: ast.String) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("?", (node.val,)), _TEXT)

    def visit_GUID(self, node: ast.GUID) -> _Typed:  # noqa: N802 - named by the visitor
        return _Typed(Sql("?", (node.val,)), "Edm.Guid")

    def visit_DateTime(self, node: ast.DateTime) -> _Typed:  # noqa: N802 - named by the visitor
        if node.val[-1] not in "Zz" and node.val[-6] not in "+-":
            raise odata_error(f"Unrecognized 'Edm.String' literal '{node.val}': the zone is missing.")
        return _Typed(Sql("?", (timestamps.parse(node.val),)), "Edm.DateTimeOffset")

    def visit_Date(self, node: ast.Date) -> _Typed:  # noqa: N802 - named by the visitor
        # A bare 2024-01-01 is planned as the sum 2024 - 1 - 1 and breaks further down.
        raise internal_error()

    def visit_UnaryOp(self, node: ast.UnaryOp) -> _Typed:  # noqa: N802 - named by the visitor
        operand: _Typed = self.visit(node.operand)
        operator, wanted = ("NOT", "Edm.Boolean") if isinstance(node.op, ast.Not) else ("-", operand.edm_type)
        if operand.edm_type != wanted or (operator == "-" and operand.edm_type not in _NUMBERS):
            raise _incompatible(operand, operand)
        return _Typed(Sql(f"({operator} ({operand.sql.text}))", operand.sql.parameters), operand.edm_type)

    def visit_BinOp(self, node: ast.BinOp) -> _Typed:  # noqa: N802 - named by the visitor
        left, right = self.visit(node.left), self.visit(node.right)
        if left.edm_type not in _NUMBERS or right.edm_type not in _NUMBERS:
            raise _incompatible(left, right)
        return _joined(left, _ARITHMETIC[type(node.op)], right, "Edm.Decimal")

    def visit_BoolOp(self, node: ast.BoolOp) -> _Typed:  # noqa: N802 - named by the visitor
        # A chain of a hundred ORs is one level of parentheses, or SQLite's parser runs out of stack.
        operands: list[_Typed] = [self.visit(operand) for operand in _chain(node, type(node.op))]
        for operand in operands:
            if operand.edm_type != "Edm.Boolean":
                raise _incompatible(operand, operands[0])
        operator = " AND " if isinstance(node.op, ast.And) else " OR "
        text = operator.join(operand.sql.text for operand in operands)
        parameters = tuple(parameter for operand in operands for parameter in operand.sql.parameters)
        return _Typed(Sql(f"({text})", parameters), "Edm.Boolean")

    def visit_Compare(self, node: ast.Compare) -> _Typed:  # noqa: N802 - named by the visitor
        if isinstance(node.comparator, ast.In):
            return self._within(node)
        left, right = self.visit(node.left), self.visit(node.right)
        if not self._comparable(left.edm_type, right.edm_type):
            raise _incompatible(left, right)
        operator = _COMPARATORS[type(node.comparator)]
        if operator == "=" and "Edm.Null" in (left.edm_type, right.edm_type):
            operator = "IS"
        if self._switches.ignore_trailing_blanks and operator in ("=", "<>", "!=") and left.edm_type == _TEXT:
            left, right = (
                _Typed(Sql(f"rtrim({one.sql.text})", one.sql.parameters), _TEXT) for one in (left, right)
            )
        return _joined(left, operator, right, "Edm.Boolean")

    def _within(self, node: ast.Compare) -> _Typed:
        if not self._switches.filter_in or not isinstance(node.right, ast.List):
            raise odata_error("Syntax error: the operator 'in' is not supported.")
        left: _Typed = self.visit(node.left)
        options: list[_Typed] = [self.visit(option) for option in node.right.val]
        for option in options:
            if not self._comparable(left.edm_type, option.edm_type):
                raise _incompatible(left, option)
        parameters = tuple(parameter for option in options for parameter in option.sql.parameters)
        listed = ", ".join(option.sql.text for option in options)
        return _Typed(
            Sql(f"({left.sql.text} IN ({listed}))", left.sql.parameters + parameters), "Edm.Boolean"
        )

    def _comparable(self, left: str, right: str) -> bool:
        both = {left, right}
        return (
            left == right
            or "Edm.Null" in both
            or both <= _NUMBERS
            or (self._switches.quoted_guid and both == {"Edm.Guid", _TEXT})
        )

    def visit_Call(self, node: ast.Call) -> _Typed:  # noqa: N802 - named by the visitor
        function = _FUNCTIONS.get(_full_name(node.func))
        if function is None:
            raise odata_error(f"An unknown function with name '{_full_name(node.func)}' was found.")
        if node.func.name in self._switches.refused_functions:
            raise internal_error()
        arguments: list[_Typed] = [self.visit(argument) for argument in node.args]
        if tuple(argument.edm_type for argument in arguments) != function.takes:
            given = ", ".join(argument.edm_type for argument in arguments)
            raise odata_error(f"No function signature for '{node.func.name}' matches ({given}).")
        texts = [argument.sql.text for argument in arguments]
        parameters = tuple(p for argument in arguments for p in argument.sql.parameters)
        if node.func.name == "endswith":
            # Its second argument stands twice in the SQL.
            parameters += arguments[1].sql.parameters
        sql = _BY_CASE.get(node.func.name, function.sql) if self._switches.case_sensitive else function.sql
        return _Typed(Sql(f"({sql(*texts)})", parameters), function.gives)

    def visit_CollectionLambda(self, node: ast.CollectionLambda) -> _Typed:  # noqa: N802 - named by the visitor
        name = _full_name(node.owner) if isinstance(node.owner, ast.Identifier) else "?"
        child = self._table.child(name)
        if child is None:
            raise no_such_property(name, self._table.type_name)
        if not isinstance(node.operator, ast.Any) or self._alias is not None:
            raise internal_error()
        table = self._tables[child.table]
        joined = " AND ".join(
            f'"{table.name}"."{mine}" = "{self._table.name}"."{theirs}"'
            for mine, theirs in child.columns.items()
        )
        condition = Sql()
        if node.lambda_ is not None:
            inner = _Translator(table, self._switches, self._tables, node.lambda_.identifier.name)
            condition = inner.visit(node.lambda_.expression).sql
        text = f'EXISTS (SELECT 1 FROM "{table.name}" WHERE {joined} AND ({condition.text}))'  # noqa: S608 - names from the schema
        return _Typed(Sql(text, condition.parameters), "Edm.Boolean")


def _chain(node: ast._Node, operator: type) -> Iterator[ast._Node]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, operator):
        yield from _chain(node.left, operator)
        yield from _chain(node.right, operator)
    else:
        yield node


def _full_name(identifier: ast.Identifier) -> str:
    return ".".join((*identifier.namespace, identifier.name))


def _joined(left: _Typed, operator: str, right: _Typed, edm_type: str) -> _Typed:
    text = f"({left.sql.text} {operator} {right.sql.text})"
    return _Typed(Sql(text, left.sql.parameters + right.sql.parameters), edm_type)


def _incompatible(left: _Typed, right: _Typed) -> Exception:
    return odata_error(
        "A binary operator with incompatible types was detected. Found operand types"
        f" '{left.edm_type}' and '{right.edm_type}' for the operator."
    )
