"""Values of the ledger: immutable structs, which are read and written as JSON without a detour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec


class LedgerValue(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A value of the ledger, under the names of its fields; what is empty is left out.

    What a newer version added is left alone when it is read. Nothing that a value holds refers back to it, so
    that the search for garbage can pass it over (`gc=False`), as it does the records and plans of a batch.
    """

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` made."""
        return msgspec.convert(stored, cls)

    def to_json(self) -> dict[str, Any]:
        """The entry of the ledger."""
        entry: dict[str, Any] = msgspec.to_builtins(self)
        return entry
