"""Values as the schema has them, whatever a row leaves out."""

from __future__ import annotations

from kinetic_mailchimp.epicor import Property
from kinetic_mailchimp.epicor.row_values import normalize_values
from tap_epicor_kinetic.catalog.columns import column_schema
from tap_epicor_kinetic.records.rows import RowShaper

TYPES = {"Revision": "Edm.Int64", "Note": "Edm.String"}


def test_a_column_that_the_first_row_leaves_out_is_emitted_and_normalized() -> None:
    rows = [{"Note": "a"}, {"Note": "b", "Revision": "7"}]
    normalize_values(rows, TYPES)
    assert list(RowShaper(("Note", "Revision", "NotThere_c"), "EPIC06").records(rows)) == [
        {"Note": "a", "Revision": None, "Company": "EPIC06"},
        {"Note": "b", "Revision": 7, "Company": "EPIC06"},
    ]


def test_a_time_of_day_promises_no_zone() -> None:
    assert column_schema(Property("At", "Edm.TimeOfDay"), nullable=True) == {"type": ["string", "null"]}
