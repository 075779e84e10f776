"""The texts in the JSON of the ledger's values by which entries are found: each has an index."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

FOUND_BY: Final = ("web", "contact")
"""The names under which they stand: Mailchimp's number and id of a contact, in the state of a member."""


class _TextUnder(FunctionElement[str]):
    """See `text_under`."""

    type = sa.Text()
    inherit_cache = True


@compiles(_TextUnder, "sqlite")
def _json_extract(element: _TextUnder, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ANN401 (passed on)
    value, path, _ = element.clauses
    return f"json_extract({compiler.process(value, **more)}, {compiler.process(path, **more)})"


@compiles(_TextUnder, "postgresql")
def _substring(element: _TextUnder, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ANN401 (passed on)
    value, _, pattern = element.clauses
    return f"substring({compiler.process(value, **more)}, {compiler.process(pattern, **more)})"


def text_under(value: sa.ColumnElement[str], name: str) -> sa.ColumnElement[str]:
    """The text under a name in the JSON of a value, in the form that the index on it serves.

    PostgreSQL takes the first one, at whatever depth: its functions for JSON fail on a value with a NUL in
    it, and with them the write of a member.

    Args:
        value: The column of `ledger_entries`.
        name: One of `FOUND_BY`.
    """
    path, pattern = f"'$.{name}'", f'\'"{name}":"([^"]*)"\''
    return _TextUnder(value, sa.literal_column(path), sa.literal_column(pattern))


def is_indexed(value: sa.ColumnElement[str], name: str) -> sa.ColumnElement[bool]:
    """The condition for an entry to be in the index of a name.

    Numbers count up, so that a new one comes to the end of its index. Ids land anywhere, and a batch would
    rewrite a page for each: those of members with a number are left out.

    Args:
        value: The column of `ledger_entries`.
        name: One of `FOUND_BY`.
    """
    others = FOUND_BY[: FOUND_BY.index(name)]
    given = text_under(value, name).is_not(None)
    return sa.and_(given, *(text_under(value, other).is_(None) for other in others))
