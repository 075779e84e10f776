"""Compares values with the forms in which Mailchimp shows them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

_ISO_LETTERS = 2


def is_stored(shown: Any, sent: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    """Tell whether Mailchimp shows a value as it was sent, but for the form that it gives to some.

    Numbers may come as texts, texts without outer blanks or with escaped characters; an address comes with
    all its parts, and with a country where none was sent.

    Args:
        shown: The value in an answer of Mailchimp.
        sent: The value in the form of its field.
    """
    if shown == sent:
        return True
    if isinstance(sent, Mapping):
        parts = shown if isinstance(shown, Mapping) else {}
        return all(
            is_stored(parts.get(name), value) for name, value in sent.items() if value or name != "country"
        )
    if isinstance(sent, Sequence) and not isinstance(sent, str):
        return list(sent) == list(shown or ())
    return plain_text(shown) == plain_text(sent) or _are_one_number(shown, sent)


def is_same(shown: Any, wanted: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    """Compare as `is_stored` does, with regard to Mailchimp's own names of countries.

    Args:
        shown: The value as Mailchimp shows it, or as it was sent.
        wanted: The value in the form of its field.
    """
    if shown == wanted:
        return True
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        countries = [str(value.get("country") or "") for value in (shown, wanted)]
        if any(len(country) != _ISO_LETTERS for country in countries):
            wanted = {part: inner for part, inner in wanted.items() if part != "country"}
    elif isinstance(shown, Mapping) and not wanted:
        return not any(value for part, value in shown.items() if part != "country")
    return is_stored(shown, wanted)


def _are_one_number(shown: Any, sent: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    """Tell whether a number is shown as a text: `12.50` is 12.5."""
    if isinstance(sent, bool) or not isinstance(sent, (int, float)):
        return False
    try:
        return float(shown) == float(sent)
    except (TypeError, ValueError):
        return False


def plain_text(value: Any) -> str:  # noqa: ANN401 (values of merge fields)
    """A value as a text without what Mailchimp gives or takes: entities, and blanks beyond one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else " ".join(html.unescape(str(value)).split())
