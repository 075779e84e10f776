"""Numbers of Singer messages: those of JSON, exact where they are integers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.singer.messages import MessageReader, exact_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.50", 12.5),
        ("3.0", 3),
        ("-3.0", -3),
        ("1e3", 1000),
        ("0.1", 0.1),
        ("9007199254740993.0", 9007199254740993),
        ("12345678901234567890.0", 12345678901234567890),
        ("9007199254740993.5", 9007199254740993.5),
        ("1e400", "1e400"),
    ],
)
def test_a_fraction_is_a_number_of_json(text: str, number: Any) -> None:
    read = exact_number(text)
    assert (read, type(read)) == (number, type(number))


@given(st.integers(-(10**60), 10**60))
def test_integers_stay_exact(number: int) -> None:
    assert exact_number(f"{number}.0") == number
    assert MessageReader().deserialize_json(json.dumps({"type": "RECORD", "n": number}))["n"] == number


def test_a_line_that_is_not_json_is_not_shown() -> None:
    with pytest.raises(DataError) as caught:
        MessageReader().deserialize_json("pat@example.com")
    assert "pat@" not in str(caught.value)
