"""The direction of a run: from which system to which its records travel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Direction:
    """From which system to which a run carries records.

    Args:
        source: The system that the records come from, as a person calls it, such as `Epicor`.
    """

    source: str
    destination: str

    def __str__(self) -> str:
        """The direction with an arrow."""
        return f"{self.source} → {self.destination}"
