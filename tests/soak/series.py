"""Measurements over time, and the question of whether they grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

MOST_POINTS = 200
"""Points that a slope is made of: the number of their pairs grows with the square."""


@dataclass
class Series:
    """Values at times.

    Attributes:
        points: Seconds and value, in the order of time.
    """

    points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        """Add a value.

        Args:
            at: Seconds.
            value: What was measured then.
        """
        self.points.append((at, value))

    @property
    def middle(self) -> float:
        """The median; 0 without any value."""
        return median(value for _, value in self.points) if self.points else 0.0

    @property
    def worst(self) -> float:
        """The largest value; 0 without any."""
        return max((value for _, value in self.points), default=0.0)

    def settled(self) -> Series:
        """The values after the first third, in which a process fills its caches."""
        return Series(self.points[len(self.points) // 3 :])

    def slope(self) -> float:
        """Growth per second: the median of the slopes between all pairs, which no outlier moves."""
        some = self.points[:: 1 + len(self.points) // MOST_POINTS]
        slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(some, 2) if b[0] > a[0]]
        return median(slopes) if slopes else 0.0

    def growth(self) -> float:
        """Growth from the first to the last value, by the slope."""
        return self.slope() * (self.points[-1][0] - self.points[0][0]) if self.points else 0.0
