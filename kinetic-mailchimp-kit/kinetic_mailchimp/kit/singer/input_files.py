"""Reads the files that a tap is given, and says in words what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any, Final

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.json_reading import parse_json

ADVICE: Final = {
    "--state": (
        "Give the value of the last STATE that the target has put out. Without --state, all is read from the"
        " start."
    ),
    "--catalog": "Give what `--discover` prints.",
}


def json_file(option: str, file: IO[str] | None) -> IO[str] | None:
    """A file, read and given back, whose JSON is an object, or empty.

    Args:
        option: The option that names it.
        file: Open for reading; it may be a pipe, which can be read once.

    Raises:
        ConfigurationError: It holds something else.
    """
    if file is None:
        return None
    text = file.read()
    try:
        document = parse_json(text)
    except ValueError:
        document = text or "nothing"
    if document and not isinstance(document, dict):
        raise ConfigurationError(f"The file of {option} holds no JSON object.", advice=ADVICE[option])
    return io.StringIO(text)


def require_state(state: Mapping[str, Any]) -> None:
    """Make sure that the SDK can read a state.

    Raises:
        ConfigurationError: It has another form.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(map(_is_bookmark, bookmarks.values())):
        raise ConfigurationError("The state has not the form of a Singer state.", advice=ADVICE["--state"])


def _is_bookmark(entry: object) -> bool:
    parts = entry.get("partitions", []) if isinstance(entry, dict) else None
    return isinstance(parts, list) and all(
        isinstance(part, dict) and isinstance(part.get("context"), dict) for part in parts
    )
