from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp, sortable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01t09:30:00z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01 09:30:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("20260301T093000Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        (" 2026-03-01T09:30:00.1234567Z\n", datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T11:30:00+02:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-060T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),  # the 60th day of the year
    ],
)
def test_any_form_of_iso_8601_is_read(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected


def test_the_offset_stays() -> None:
    assert parse_timestamp("2026-03-01T11:30:00+02:00").utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "P1D",
        "2026-03-01/2026-03-02",
        "24:,5",
        "10:00",
        "T10:00:00Z",
        "9" * 100_000,
    ],
)
def test_what_is_not_a_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid ISO 8601 timestamp"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0001-01-01T00:00:00+08:00", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_that_utc_does_not_have_is_the_nearest(text: str, told: str) -> None:
    assert format_timestamp(parse_timestamp(text)) == told


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "0001-01-01T08:00:00+08:00", "9999-12-31T23:59:59Z"])
def test_the_first_and_the_last_time_are_read(text: str) -> None:
    assert parse_timestamp(text).astimezone(UTC).year in {1, 9999}


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])))
def test_what_was_formatted_is_read_again(value: datetime) -> None:
    assert parse_timestamp(format_timestamp(value)) == value


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_texts_sort_as_times_do(values: list[datetime]) -> None:
    assert sorted(map(format_timestamp, values)) == [format_timestamp(value) for value in sorted(values)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.5Z"),
        ("2026-03-01T09:30:00.12Z", "2026-03-01T09:30:00.1234567Z"),
        ("2026-10-25T02:50:00+02:00", "2026-10-25T02:10:00+01:00"),  # clocks were set back at 3
        ("2026-10-25T02:50:00+02:00", "2026-10-25T01:10:00Z"),
        ("2026-10-25", "2026-10-25T00:00:01Z"),
    ],
)
def test_texts_of_timestamps_sort_by_time(earlier: str, later: str) -> None:
    assert sortable(earlier) < sortable(later)


@pytest.mark.parametrize("text", ["", "17", "Tuesday", "2026, in May"])
def test_a_text_that_is_no_timestamp_sorts_as_it_is(text: str) -> None:
    assert sortable(text) == text
