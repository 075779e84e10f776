"""Translates the where clauses of GetRows and GetList, written in the older 4GL style, into OData."""

from __future__ import annotations

import re

from simulators.epicor.errors import odata_error

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*'|"[^"]*")
      | (?P<operator><>|<=|>=|=|<|>)
      | (?P<word>[A-Za-z_][\w.]*)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<parenthesis>[()])
    )""",
    re.VERBOSE,
)
_OPERATORS = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_WORDS = {
    "and": "and",
    "or": "or",
    "not": "not",
    "yes": "true",
    "no": "false",
    "true": "true",
    "false": "false",
}
_ORDER = re.compile(r"(?:\A|\s)BY\s+(?P<order>[\w.]+(?:\s+DESC(?:ENDING)?)?)\s*\Z", re.IGNORECASE)


def translate(clause: str) -> tuple[str | None, str | None]:
    """`Name = 'x' and SysRevID > 5 BY SysRevID` as (`$filter`, `$orderby`); None for what is not there.

    Raises:
        EpicorError: 400 for a clause that cannot be read.
    """
    order = _ORDER.search(clause)
    condition = clause[: order.start()] if order else clause
    words = [_translated(condition, match) for match in _matches(condition)]
    order_by = None
    if order:
        column, *direction = order["order"].split()
        order_by = f"{_bare(column)}{' desc' if direction else ''}"
    return " ".join(words) or None, order_by


def _matches(condition: str) -> list[re.Match[str]]:
    found, position = [], 0
    stripped = condition.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise odata_error(f"Invalid where clause: {condition}")
        found.append(match)
        position = match.end()
    return found


def _translated(condition: str, match: re.Match[str]) -> str:
    text = match.group().strip()
    if match["operator"]:
        return _OPERATORS[text]
    if match["string"]:
        return text if text.startswith("'") else "'" + text[1:-1].replace("'", "''") + "'"
    if match["word"]:
        if text.lower() in ("begins", "matches"):
            raise odata_error(f"Invalid where clause: {condition}")
        return _WORDS.get(text.lower(), _bare(text))
    return text


def _bare(column: str) -> str:
    """`CustCnt.SysRevID` and `SysRevID` are the same."""
    return column.rpartition(".")[2]
