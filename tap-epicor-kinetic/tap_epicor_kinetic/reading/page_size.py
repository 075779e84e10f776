"""Decides how many rows to ask for: more while the server is quick, fewer when it is slow or out of time."""

from __future__ import annotations

SMALLEST = 10
FIRST = 1000
FIRST_WITH_NESTED = 100
"""Rows of a first page whose rows bring others: how many is known once it is there."""
LARGEST = 2000
MOST_VALUES = 40_000
"""Rows times columns of a page that grows by itself: it and its copies lie in memory for each connection."""
QUICK_SECONDS = 2.0
SLOW_SECONDS = 20.0
PAGES_TO_GROW = 8
"""Good pages in a row, after one that was too large."""


class PageSize:
    """The number of rows to ask for, shared by the ranges that are read side by side.

    It doubles after a quick answer and halves after a slow one or a time-out; then it waits for some good
    pages.

    Args:
        first: Rows of the first page.
        most: Rows that it never exceeds.
    """

    def __init__(self, first: int, most: int) -> None:
        self.now = first
        self._most = most
        self._good = 0
        self._needed = 1

    @classmethod
    def of(cls, configured: int | None, columns: int, *, is_nested: bool = False) -> PageSize:
        """The page size of a set.

        Args:
            configured: Rows of a page by the settings, from the first on; None follows the server's speed.
            columns: How many are selected; 0 for all.
            is_nested: Whether rows bring rows of their own.
        """
        if configured is not None:
            return cls(configured, configured)
        if is_nested:
            return cls(FIRST_WITH_NESTED, LARGEST)
        return cls(FIRST, max(FIRST, min(LARGEST, MOST_VALUES // columns)) if columns else FIRST)

    @property
    def can_shrink(self) -> bool:
        """True if fewer rows could be asked for."""
        return self.now > SMALLEST

    def shrink(self, *, for_good: bool = False) -> None:
        """Ask for half as many; `for_good` never for more again."""
        self.now = max(SMALLEST, self.now // 2)
        self._most = self.now if for_good else self._most
        self._good, self._needed = 0, PAGES_TO_GROW

    def succeeded(self, asked: int, given: int, seconds: float, values: int = 0) -> None:
        """Learn from a good page.

        Args:
            asked: Rows that it was asked for; another size than the present one proves nothing about it.
            given: Rows that came; a page that is not full proves nothing either.
            seconds: Until its answer was there.
            values: In it, with those of nested rows; 0 where there are none.
        """
        if values > MOST_VALUES:
            self.now, self._good = max(SMALLEST, min(self.now, given * MOST_VALUES // values)), 0
            return
        if asked != self.now or given < asked:
            return
        if seconds > SLOW_SECONDS and self.now > SMALLEST:
            self.shrink()
            return
        self._good += 1
        is_quick = seconds < QUICK_SECONDS and self._good >= self._needed
        if is_quick and self.now < self._most and values * 2 <= MOST_VALUES:
            self.now = min(self._most, self.now * 2)
            self._good = 0
