"""Values as the schema has them, whatever a row leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from kinetic_mailchimp.epicor import Property
from tap_epicor_kinetic.catalog.columns import column_schema
from tap_epicor_kinetic.records.rows import RowShaper, normalize_values

TYPES = {"At": "Edm.DateTimeOffset", "Revision": "Edm.Int64", "Note": "Edm.String", "Is": "Edm.Boolean"}


@pytest.mark.parametrize(
    ("given", "normalized"),
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
def test_a_timestamp_has_a_zone(given: Any, normalized: Any) -> None:
    rows = [{"At": given, "Note": "2026-01-31T10:00:00"}]
    normalize_values(rows, TYPES)
    assert rows == [{"At": normalized, "Note": "2026-01-31T10:00:00"}]


@pytest.mark.parametrize(
    ("given", "normalized"),
    [("7", 7), ("", None), (" ", None), ("seven", "seven"), (7, 7)],
    ids=["text", "empty", "blank", "word", "number"],
)
def test_a_number_in_quotes_is_one(given: Any, normalized: Any) -> None:
    rows = [{"Revision": given}]
    normalize_values(rows, TYPES)
    assert rows == [{"Revision": normalized}]


@pytest.mark.parametrize(
    ("given", "normalized"),
    [("false", False), ("True", True), (0, False), (1, True), ("", None), ("no", "no"), (2, 2), (None, None)],
)
def test_a_truth_in_another_form_is_one(given: Any, normalized: Any) -> None:
    rows = [{"Is": given}, {"Is": True}]
    normalize_values(rows, TYPES)
    assert rows == [{"Is": normalized}, {"Is": True}]
    assert type(rows[0]["Is"]) is type(normalized)


def test_a_column_that_the_first_row_leaves_out_is_emitted_and_normalized() -> None:
    rows = [{"Note": "a"}, {"Note": "b", "Revision": "7"}]
    normalize_values(rows, TYPES)
    assert list(RowShaper(("Note", "Revision", "NotThere_c"), "EPIC06").records(rows)) == [
        {"Note": "a", "Revision": None, "Company": "EPIC06"},
        {"Note": "b", "Revision": 7, "Company": "EPIC06"},
    ]


def test_a_time_of_day_promises_no_zone() -> None:
    assert column_schema(Property("At", "Edm.TimeOfDay"), nullable=True) == {"type": ["string", "null"]}
