"""What all makers of seeded rows share: the dice, the moments and the form of a row."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from uuid import UUID

from simulators.epicor import moments
from simulators.epicor.moments import TICKS_PER_SECOND
from simulators.epicor.storage import Row

SEEDED_UNTIL = moments.from_datetime(datetime(2026, 1, 31, 18, 0, tzinfo=UTC))
"""All seeded changes lie before this moment."""

SPAN = 300 * 86_400 * TICKS_PER_SECOND
BEGIN = SEEDED_UNTIL - SPAN
MASS_UPDATE = BEGIN + SPAN // 2
"""A quarter of all customers was changed at this one moment, as by a mass update in the night."""

SeedRow = tuple[str, Row, int]
"""Table, values, ticks of the commit."""


class Scribe:
    """Writes rows of one company.

    Args:
        company: Of every row.
        total: How many moments the span is divided into.
        dice: Of everything.
    """

    def __init__(self, company: str, total: int, dice: random.Random) -> None:
        self.company = company
        self.total = total
        self.dice = dice

    def row(self, table: str, ticks: int, **values: object) -> SeedRow:
        row = {"Company": self.company, "SysRowID": str(UUID(int=self.dice.getrandbits(128))), **values}
        return table, row, ticks

    def moment(self, number: int) -> int:
        """A moment for the row of a number: some are shared by many rows, some by three, most by none."""
        if self.total // 4 <= number < self.total // 2:
            return MASS_UPDATE
        step = SPAN // (self.total + 1)
        number %= self.total + 1
        if number % 10 < 3:
            return BEGIN + (number - number % 10) * step
        # Milliseconds, so that the text of a moment is the whole of it.
        return (BEGIN + number * step + self.dice.randrange(max(step // 2, 1))) // 10_000 * 10_000
