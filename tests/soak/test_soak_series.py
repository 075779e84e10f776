"""The slope tells growth from noise."""

from __future__ import annotations

import random

import pytest
from series import Series


def series(growth: float, *, noise: float = 0.0, outliers: int = 0) -> Series:
    dice = random.Random(1)
    found = Series()
    for second in range(300):
        outlier = 1_000 if outliers and second % (300 // outliers) == 7 else 0
        found.add(second, 100 + growth * second + dice.uniform(-noise, noise) + outlier)
    return found


@pytest.mark.parametrize(("noise", "outliers"), [(0, 0), (5, 0), (5, 20)])
def test_growth_is_found_through_noise_and_outliers(noise: float, outliers: int) -> None:
    assert series(0.1, noise=noise, outliers=outliers).growth() == pytest.approx(0.1 * 299, rel=0.2)
    assert series(0.0, noise=noise, outliers=outliers).growth() == pytest.approx(0, abs=2)


def test_what_grows_only_at_the_beginning_has_settled() -> None:
    found = Series()
    for second in range(300):
        found.add(second, min(second, 90))
    assert found.settled().growth() == 0


def test_nothing_measured_grows_by_nothing() -> None:
    assert (Series().growth(), Series().middle, Series().worst) == (0, 0, 0)
