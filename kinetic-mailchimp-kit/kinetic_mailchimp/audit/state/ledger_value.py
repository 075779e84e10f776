"""Stores dataclasses as values of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec


class LedgerValue:
    """A dataclass that is a value of the ledger, under the names of its fields."""

    __slots__ = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` made."""
        return msgspec.convert(stored, cls)

    def to_json(self) -> dict[str, Any]:
        """The entry of the ledger; what is empty is left out."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if value}
