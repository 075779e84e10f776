"""Makes texts of others fit for logs, terminals and files: no control characters, and no flood."""

from __future__ import annotations

import json
import re
from typing import Final

LONGEST_MESSAGE: Final = 2_000
"""Characters of a message or of a cell in a terminal; what is longer is cut, and says so."""

LONGEST_ID: Final = 200
"""Characters of a vendor's id of a call, which has some forty."""

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line feed, what turns the direction of writing, and half characters."""


def plain(text: str) -> str:
    """The text with U+FFFD in place of what could steer a terminal, or that UTF-8 cannot carry."""
    return _CONTROL.sub("\ufffd", text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON that keeps every character and steers no terminal: what could is escaped.

    Args:
        value: Of JSON's types.
        indent: Spaces for each level; by default all is on one line.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def message(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A plain text of at most so many characters.

    Args:
        text: Of a vendor, or with values of a record in it.
        longest: Characters that are kept.
    """
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    return plain(text)
