"""Values in the form of their columns, whatever form a server or a gateway gives them."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.epicor.row_values import normalize_values

TYPES = {
    "At": "Edm.DateTimeOffset",
    "Revision": "Edm.Int64",
    "Price": "Edm.Decimal",
    "Note": "Edm.String",
    "Is": "Edm.Boolean",
}


def normalized(column: str, given: Any) -> Any:
    rows = [{column: given}, {"Other": "7"}]
    normalize_values(rows, TYPES)
    assert rows[1]["Other"] == "7"
    return rows[0][column]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-31T10:00:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T10:00:00.1234567", "2026-01-31T10:00:00.1234567Z"),
        ("2026-01-31T10:00:00-05:00", "2026-01-31T10:00:00-05:00"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("2026-01-31 10:00:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("/Date(1767225600000)/", "2026-01-01T00:00:00Z"),
        ("/Date(1767225600000+0200)/", "2026-01-01T00:00:00Z"),
        ("/Date(0)/", "1970-01-01T00:00:00Z"),
        ("/Date(x)/", "/Date(x)/"),
        (None, None),
    ],
)
def test_a_timestamp_has_a_zone(given: Any, expected: Any) -> None:
    assert normalized("At", given) == expected
    assert normalized("Note", "2026-01-31T10:00:00") == "2026-01-31T10:00:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("7.0", 7),
        (7.0, 7),
        (7, 7),
        ("3493456999", 3493456999),
        ("", None),
        (" ", None),
        (None, None),
        ("seven", "seven"),
        (7.5, 7.5),
        (float("inf"), float("inf")),
    ],
    ids=repr,
)
def test_a_whole_number_in_another_form_is_one(given: Any, expected: Any) -> None:
    found = normalized("Revision", given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("7.25", 7.25), (7.25, 7.25), (7, 7), ("", None), ("NaN", "NaN"), ("x", "x")],
    ids=repr,
)
def test_a_number_in_quotes_is_one(given: Any, expected: Any) -> None:
    assert normalized("Price", given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("false", False),
        ("True", True),
        (0, False),
        (1, True),
        ("N", False),
        ("yes", True),
        ("", None),
        ("perhaps", "perhaps"),
        (2, 2),
        (None, None),
    ],
    ids=repr,
)
def test_a_truth_in_another_form_is_one(given: Any, expected: Any) -> None:
    found = normalized("Is", given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "expected"), [(12180, "12180"), (1.5, "1.5"), ("", ""), (None, None)], ids=repr
)
def test_a_number_of_a_text_is_text(given: Any, expected: Any) -> None:
    assert normalized("Note", given) == expected
