"""Cuts sequences into batches: what one query, one call or one transaction takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def in_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """A sequence in pieces."""
    return (items[start : start + size] for start in range(0, len(items), size))
