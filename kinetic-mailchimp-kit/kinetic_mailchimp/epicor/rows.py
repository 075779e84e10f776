"""The rows of an answer."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


class Rows(list[Any]):
    """Rows as a parser of the caller made them, instead of dictionaries."""
