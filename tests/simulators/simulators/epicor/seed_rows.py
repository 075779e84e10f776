"""Makes seeded rows: the random numbers, the times and the form of a row."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from uuid import UUID

from simulators.epicor import timestamps
from simulators.epicor.storage import Row
from simulators.epicor.timestamps import TICKS_PER_SECOND

SEEDED_UNTIL = timestamps.from_datetime(datetime(2026, 1, 31, 18, 0, tzinfo=UTC))
"""All seeded changes lie before this time."""

SPAN = 300 * 86_400 * TICKS_PER_SECOND
BEGIN = SEEDED_UNTIL - SPAN
MASS_UPDATE = BEGIN + SPAN // 2
"""A quarter of all customers was changed at this one time, as by a mass update in the night."""

SeedRow = tuple[str, Row, int]
"""Table, values, ticks of the commit."""


class SeedRowMaker:
    """Writes rows of one company.

    Args:
        company: Of every row.
        total: How many times the span is divided into.
        rng: Of everything.
    """

    def __init__(self, company: str, total: int, rng: random.Random) -> None:
        self.company = company
        self.total = total
        self.rng = rng

    def row(self, table: str, ticks: int, **values: object) -> SeedRow:
        row = {"Company": self.company, "SysRowID": str(UUID(int=self.rng.getrandbits(128))), **values}
        return table, row, ticks

    def change_ticks(self, number: int) -> int:
        """Ticks of the change of a row: some are shared by many rows, some by three, most by none."""
        if self.total // 4 <= number < self.total // 2:
            return MASS_UPDATE
        step = SPAN // (self.total + 1)
        number %= self.total + 1
        if number % 10 < 3:
            return BEGIN + (number - number % 10) * step
        # Milliseconds, so that the text of a timestamp is the whole of it.
        return (BEGIN + number * step + self.rng.randrange(max(step // 2, 1))) // 10_000 * 10_000
