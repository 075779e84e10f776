"""The words that seeded rows are made of; people are called "example" in many languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

FIRST_NAMES = (
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hôtel", "Índia", "Juliett", "Kilo",
    "Lima", "Mike", "Noëmi", "Øscar", "Papá", "Québec", "Rômeo", "Sierra", "Tängo", "Uniform", "Victor",
    "Whiskey", "Xŕay", "Yankee", "Zulu", "Альфа", "太郎",
)  # fmt: skip
SURNAMES = (
    "Example", "Sample", "Muster", "Beispiel", "Exemple", "Ejemplo", "Esempio", "Exemplo", "Przykład",
    "Příklad", "Örnek", "Eksempel", "Voorbeeld", "Pavyzdys", "Näyte", "Пример", "Παράδειγμα", "例文",
    "O'Sample",
)  # fmt: skip
PRODUCTS = ("Widgets", "Gears", "Fräsen", "Pompes", "Tornillos", "Bearings", "Sprockets", "Śruby", "Valves")
LEGAL_FORMS = ("GmbH", "Ltd", "Inc.", "S.A.", "AB", "Kft.", "sp. z o.o.", "& Co. KG", "株式会社")
PROVIDERS = ("example.com", "example.org", "example.net")
INDUSTRIES = ("Automotive", "Aerospace", "Medical", "Food", "Energy", "Furniture")

EMAIL_FORMS: Mapping[str, tuple[int, str]] = {
    "clean": (70, "{email}"),
    "upper_case": (6, "{EMAIL}"),
    "padded": (4, "  {email} "),
    "empty": (8, ""),
    "mailto": (3, "mailto:{email}"),
    "display_name": (3, "{name} <{email}>"),
    "several": (3, "{email}; second.{email}"),
    "word": (3, "PURCHASING"),
}
"""How addresses were typed: weight and pattern."""


@dataclass(frozen=True)
class Place:
    """A city with what hangs on it."""

    city: str
    state: str
    country: str
    country_number: int
    region: str
    currency: str
    territory: str

    def columns(self, number: int) -> dict[str, object]:
        """The address columns that most tables share."""
        return {
            "Address1": f"{number % 900 + 1} Example Street",
            "City": self.city,
            "State": self.state,
            "Country": self.country,
            "CountryNum": self.country_number,
        }


CITIES = (
    Place("Springfield", "IL", "USA", 1, "Americas", "USD", "NORTH"),
    Place("São Paulo", "SP", "Brazil", 12, "Americas", "BRL", "SOUTH"),
    Place("Zürich", "ZH", "Switzerland", 41, "EMEA", "CHF", "EMEA"),
    Place("Łódź", "", "Poland", 48, "EMEA", "PLN", "EMEA"),
    Place("Malmö", "", "Sweden", 46, "EMEA", "SEK", "EMEA"),
    Place("大阪", "", "Japan", 81, "APAC", "JPY", "APAC"),
    Place("Αθήνα", "", "Greece", 30, "EMEA", "EUR", "EMEA"),
    Place("Córdoba", "X", "Argentina", 54, "Americas", "ARS", "SOUTH"),
)


def ascii_slug(word: str) -> str:
    """The word in lower-case ASCII letters; a number for a word of which nothing is left."""
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()
    letters = "".join(character for character in plain if character.isalpha()).lower()
    return letters or f"u{sum(map(ord, word))}"
