"""Countries by code and by name."""

from __future__ import annotations

import pytest
from kinetic_mailchimp.kit.parsing.countries import country_code, country_name, same_country


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("US", "US", "United States"),
        ("usa", "US", "United States"),
        ("Germany", "DE", "Germany"),
        ("de", "DE", "Germany"),
        (" United Kingdom ", "GB", "United Kingdom"),
        ("Atlantis", None, "Atlantis"),
        ("", None, ""),
    ],
)
def test_a_country_has_a_code_and_a_name(text: str, code: str | None, name: str) -> None:
    assert (country_code(text), country_name(text)) == (code, name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("USA", "US", True), ("Atlantis", "ATLANTIS ", True), ("US", "GB", False), ("", "US", False)],
)
def test_code_and_name_are_one_country(*, one: str, other: str, same: bool) -> None:
    assert same_country(one, other) is same
