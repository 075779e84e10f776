"""Finds what a `$filter` says about the smallest value of a column."""

from __future__ import annotations

from collections.abc import Mapping

from odata_query import ast

from simulators.epicor import timestamps


def lower_bounds(tree: ast._Node) -> Mapping[str, int]:
    """For columns that cannot be smaller than some literal in any row that fits: that literal.

    A keyset filter `(c gt 5) or (c eq 5 and k gt 9)` is an OR, which SQLite would answer by sorting the rest
    of the table; with `c >= 5` added it walks the index and stops after the page.
    """
    if isinstance(tree, ast.BoolOp):
        left, right = lower_bounds(tree.left), lower_bounds(tree.right)
        if isinstance(tree.op, ast.And):
            return {**left, **right}
        return {name: min(left[name], right[name]) for name in left.keys() & right.keys()}
    if (
        isinstance(tree, ast.Compare)
        and isinstance(tree.comparator, (ast.Gt, ast.GtE, ast.Eq))
        and isinstance(tree.left, ast.Identifier)
        and isinstance(tree.right, (ast.Integer, ast.DateTime))
    ):
        literal = tree.right
        bound = int(literal.val) if isinstance(literal, ast.Integer) else timestamps.parse(literal.val)
        return {tree.left.name: bound}
    return {}
