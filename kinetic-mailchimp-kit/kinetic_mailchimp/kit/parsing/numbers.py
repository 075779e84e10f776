"""Reads numbers out of texts that others wrote, in time that follows the length of the text."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

LARGEST_EXPONENT: Final = 400
"""Beyond every float and every number of either vendor; 10 to the power of a million takes minutes."""


def bounded_decimal(value: object) -> Decimal:
    """The number in a value, which then turns into an integer or a float in no time.

    Raises:
        ValueError: It is not a number, or it has more digits or a larger exponent than any field takes.
    """
    text = str(value) if not isinstance(value, int) or abs(value) < 10**LARGEST_EXPONENT else ""
    if len(text) > 2 * LARGEST_EXPONENT:
        raise ValueError("longer than any number")
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError("not a number of a field")
    return number
