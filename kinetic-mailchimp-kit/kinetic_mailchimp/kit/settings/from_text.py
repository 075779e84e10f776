"""Reads settings that came as text, from variables or forms, in the types of their schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.nearest import did_you_mean

_NAME: Final = re.compile(r"[^\s,\[\]\"']+")
_MOST_SHOWN: Final = 60
"""Characters of a wrong value that a message shows."""
_MISSPELLED: Final = 0.85
"""Likeness to a setting that is not set; names that are less like one may belong to another plugin."""


def from_text(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the values that came as text, from variables or forms, in the types of its schema.

    A list is JSON or words between commas; one word or number alone is a list of one.

    Raises:
        ConfigurationError: A value is none of its type, or none of its options, or a name is nearly that of a
            setting that is not set; the setting is named.
    """
    properties = schema.get("properties", {})
    for name in sorted(config.keys() - properties.keys()):
        unset = [f"`{one}`" for one in sorted(properties.keys() - config.keys())]
        if near := did_you_mean(f"`{name}`", unset, _MISSPELLED):
            raise ConfigurationError(
                f"There is no setting `{name}`.", advice=f"{near}Correct it or remove it."
            )
    return {
        name: _from_text(name, value, properties[name]) if name in properties else value
        for name, value in config.items()
    }


def names_in(texts: Iterable[object]) -> tuple[str, ...]:
    """The names in texts that may hold several: after commas, after blanks, or as a JSON list."""
    return tuple(_NAME.findall(" ".join(map(str, texts))))


def _from_text(name: str, value: Any, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    kinds = schema.get("type", ())
    kind = next((one for one in ([kinds] if isinstance(kinds, str) else kinds) if one != "null"), "")
    if value is None or (isinstance(value, str) and not value.strip()):
        return value
    reader = _READERS.get(kind)
    try:
        read = reader(value) if reader else value
    except ValueError:
        typed = "" if schema.get("secret") else f": {value!r:.{_MOST_SHOWN}}"
        raise ConfigurationError(
            f"Setting `{name}` is not a valid {kind}{typed}.", advice=_ADVICE[kind]
        ) from None
    options = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    chosen = read if isinstance(read, list) else [read]
    if options and (wrong := [one for one in chosen if one not in options]):
        # Without backquotes, which are for settings: `api_key` is a way to log in, too.
        allowed = [str(one) for one in options if one is not None]
        raise ConfigurationError(
            f"Setting `{name}` has no option {wrong[0]!r:.{_MOST_SHOWN}}.",
            advice=f"{did_you_mean(str(wrong[0]), allowed)}Use one of {', '.join(allowed)}.",
        )
    return read


def _list(value: Any) -> list[Any]:  # noqa: ANN401 (JSON)
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else [word.strip() for word in text.split(",")]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ValueError("not a list")  # noqa: TRY004 (the caller tells it as every other bad value)
    words = [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in value]
    named = [word for word in words if word != ""]
    if words and not named:  # as if it were not set: what limits a run would limit it no more
        raise ValueError("only empty entries")
    return named


def _object(value: Any) -> Any:  # noqa: ANN401 (JSON)
    read = json.loads(value) if isinstance(value, str) else value
    if not isinstance(read, Mapping):
        raise ValueError("not an object")  # noqa: TRY004 (likewise)
    return read


def _boolean(value: Any) -> Any:  # noqa: ANN401 (JSON)
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("not a boolean")
    return word in _TRUE


_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "array": _list,
    "object": _object,
    "boolean": _boolean,
    "integer": lambda value: int(value) if isinstance(value, str) else value,
    "number": lambda value: float(value) if isinstance(value, str) else value,
}
_ADVICE = {
    "array": 'Use words between commas, or a JSON list such as ["A", "B"].',
    "object": 'Use a JSON object such as {"A": "B"}.',
    "boolean": "Use `true` or `false`.",
    "integer": "Use a whole number.",
    "number": "Use a number.",
}
