"""A finding of a verification, and the reading of rows to find it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

_PAGE: Final = 2_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written."""

    where: str
    what: str

    def __str__(self) -> str:
        """Both, in one line."""
        return f"{self.where}: {self.what}"


def select_rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Row]:
    """The rows of a query by the names of their columns, read page by page."""
    rows = connection.execute(query.execution_options(yield_per=_PAGE))
    return (row._asdict() for row in rows)
