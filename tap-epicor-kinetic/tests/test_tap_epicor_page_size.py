"""The size of a page follows the speed of the server, within its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_epicor_kinetic.reading.page_size import (
    FIRST,
    LARGEST,
    MOST_VALUES,
    PAGES_TO_GROW,
    QUICK_SECONDS,
    SLOW_SECONDS,
    SMALLEST,
    PageSize,
)

AT_ONCE = 0.1
IN_BETWEEN = (QUICK_SECONDS + SLOW_SECONDS) / 2


def test_a_page_shrinks_when_time_runs_out_and_grows_again_after_some_good_ones() -> None:
    size = PageSize.of(1000, 5)
    for _ in range(20):
        size.shrink()
    assert size.now == SMALLEST
    assert not size.can_shrink
    sizes = []
    for _ in range(8 * PAGES_TO_GROW):
        size.succeeded(size.now, size.now, AT_ONCE)
        sizes.append(size.now)
    assert sizes[PAGES_TO_GROW - 2 : PAGES_TO_GROW] == [SMALLEST, 2 * SMALLEST]
    assert sizes == sorted(sizes)
    assert size.now == 1000


def test_a_page_grows_while_answers_are_quick_and_no_longer() -> None:
    size = PageSize.of(None, 17)
    assert size.now == FIRST
    size.succeeded(size.now, size.now, IN_BETWEEN)
    assert size.now == FIRST
    for _ in range(20):
        size.succeeded(size.now, size.now, AT_ONCE)
    assert size.now == LARGEST


def test_a_slow_answer_halves_the_page_before_time_runs_out() -> None:
    size = PageSize.of(None, 17)
    size.succeeded(size.now, size.now, SLOW_SECONDS + 1)
    assert size.now == FIRST // 2
    size.succeeded(size.now, size.now, AT_ONCE)
    assert size.now == FIRST // 2


def test_an_answer_to_another_size_proves_nothing() -> None:
    size = PageSize.of(None, 17)
    for _ in range(4):  # ranges that are read side by side
        size.succeeded(FIRST, FIRST, AT_ONCE)
    assert size.now == 2 * FIRST
    size.succeeded(FIRST, FIRST, SLOW_SECONDS + 1)
    assert size.now == 2 * FIRST


@pytest.mark.parametrize(
    ("columns", "most"), [(17, LARGEST), (30, MOST_VALUES // 30), (400, FIRST), (0, FIRST)]
)
def test_a_page_of_many_columns_does_not_outgrow_the_memory(columns: int, most: int) -> None:
    size = PageSize.of(None, columns)
    for _ in range(20):
        size.succeeded(size.now, size.now, AT_ONCE)
    assert size.now == most


@pytest.mark.parametrize(("values", "size_then"), [(8, LARGEST), (100, 400), (4_000, 10), (90_000, SMALLEST)])
def test_a_page_whose_rows_bring_others_does_not_outgrow_the_memory(values: int, size_then: int) -> None:
    size, most = PageSize.of(None, 6, is_nested=True), 0
    for _ in range(20):
        most = max(most, size.now * values) if _ else most
        size.succeeded(size.now, size.now, AT_ONCE, size.now * values)
    assert size.now == size_then
    assert most <= max(MOST_VALUES, SMALLEST * values)


step = st.tuples(st.sampled_from(["shrink", "for good"]), st.none()) | st.tuples(
    st.just("good"), st.floats(0, 100)
)


@given(st.integers(1, 10_000), st.lists(step, max_size=60))
def test_a_configured_size_is_never_exceeded(most: int, steps: list[tuple[str, Any]]) -> None:
    size = PageSize.of(most, 17)
    for what, seconds in steps:
        if what == "good":
            size.succeeded(size.now, size.now, seconds)
        else:
            size.shrink(for_good=what == "for good")
        assert 1 <= size.now <= max(most, SMALLEST)
