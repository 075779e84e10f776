"""Parses pages into rows whose columns have types: faster than into dictionaries, and in less memory."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from kinetic_mailchimp.epicor import Rows
from kinetic_mailchimp.epicor.odata import with_zone
from kinetic_mailchimp.epicor.row_values import INTEGERS, NUMBERS, TIMESTAMP
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(INTEGERS, int | None),
    **dict.fromkeys(NUMBERS, int | float | None),
    "Edm.Boolean": bool | None,
    "Edm.String": str | None,
    "Edm.Guid": str | None,
    TIMESTAMP: str | None,
}


class TypedRow(msgspec.Struct, gc=False):
    """A row that is read like a dictionary, as far as paging needs."""

    def get(self, name: str) -> Any:  # noqa: ANN401 (a value of a row)
        """The value of a column; None where the set has no such column."""
        return getattr(self, name, None)

    def hide(self, name: str) -> None:
        """Leave a column out of what is written."""
        setattr(self, name, msgspec.UNSET)


@dataclass(frozen=True)
class RowParser:
    """Parses the pages of one set.

    Attributes:
        columns: What is selected, in the order of the schema.
        types: Column to Edm type.
        derived: Columns that no row brings, with the value until one is given; they come last.
    """

    columns: Sequence[str]
    types: Mapping[str, str]
    derived: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, body: bytes) -> Any:  # noqa: ANN401 (a document has any shape)
        """The rows of a page; any other document, and a page that does not keep to the types, as it is.

        Raises:
            ValueError: It is not valid JSON.
        """
        try:
            page = self._decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return parse_json(body)
        if page.error is not None:  # the rows before it are not all
            return parse_json(body)
        rows = page.value
        for name in self._timestamps:
            for row in rows:
                text = getattr(row, name)
                if text is not None and text[-1:] != "Z":
                    setattr(row, name, with_zone(text))
        return Rows(rows)

    @cached_property
    def _timestamps(self) -> Sequence[str]:
        return [name for name in self.columns if self.types[name] == TIMESTAMP]

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        # Each column is required: where a row lacks one, the page is read with dictionaries.
        columns = [(name, _TYPES.get(self.types[name], Any) | msgspec.UnsetType) for name in self.columns]
        derived = [(name, Any, default) for name, default in self.derived.items() if name not in self.columns]
        row = msgspec.defstruct("Row", [*columns, *derived], bases=(TypedRow,), gc=False)
        page = msgspec.defstruct("Page", [("value", list[row]), ("error", Any, None)])  # type: ignore[valid-type]
        return msgspec.json.Decoder(page)


def can_be_typed(columns: Sequence[str], types: Mapping[str, str]) -> bool:
    """Tell whether these columns can be those of a typed row: each a name in Python, of a simple type."""
    reserved = {"get", "hide"}
    return all(
        name.isidentifier()
        and not keyword.iskeyword(name)
        and name[0] != "_"
        and name not in reserved
        and types[name] in _TYPES
        for name in columns
    )
