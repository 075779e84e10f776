"""Rows of an answer, and the names of rows that all plugins share."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


class Rows(list[Any]):
    """Rows as a parser of the caller made them, instead of dictionaries."""


def row_name(table: str, *key: Any) -> str:  # noqa: ANN401 (values of key columns)
    """The name of a row, such as `CustCnt EPIC06/12//3`: the `source_key` of the mapping epicor-to-mailchimp.

    Args:
        table: The table, as Kinetic's tablesets call it.
        key: The values of its key columns, Company first.
    """
    return f"{table} {'/'.join(map(str, key))}"
