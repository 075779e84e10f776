"""Finds texts that were broken on their way: nobody can have typed them."""

from __future__ import annotations

import re
from html.entities import html5

_LOST = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff0-\uffff]"
    # Signs without a width that no keyboard has: joiners of words, embeddings and overrides of direction.
    "|[\u2028-\u202e\u2060-\u206f\ufeff]|\u00ad\\s|\u00ad\\Z"
)
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPED = re.compile(
    r"&(?:amp|nbsp|quot|lt|gt)\b(?!;)|\\u[0-9a-fA-F]{4}|=\?[\w-]+\?[bBqQ]\?"
    r"|(?:%[CDcd][0-9a-fA-F]|%[Ee][0-9a-fA-F]%[89ABab][0-9a-fA-F])%[89ABab][0-9a-fA-F]"
)
"""Half of an entity, and letters as JSON, a mail or a URL writes them."""

_JOINERS = re.compile("[\u200b-\u200d]")
_MARKS = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_JOINED = re.compile(
    "[\u0590-\u109f\u1700-\u1cff\u2190-\u2bff\u3030\u303d\u3297\u3299\ua800-\uabff\ufb1d-\ufdff\ufe0f"
    "\ufe70-\ufefc\U00010800-\U0001faff\U000e0020-\U000e007f]"
)
"""Letters of scripts that are written with joiners, such as Persian, Hindi and Khmer, and emoji."""

_CONTINUED = (
    "\u20ac\u201a\u0192\u201e\u2020\u2021\u02c6\u2030\u2039\u0152\u02dc\u0153"
    "\u00a1-\u00a8\u00ac\u00af\u00b1-\u00b6\u00b8\u00b9\u00bc-\u00bf"
)
_CONTINUED_OR_WRITTEN = (
    "\u2026\u0160\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u2122\u0161\u203a\u017e\u0178"
    "\u00a0\u00a9-\u00ab\u00ad\u00ae\u00b0\u00b7\u00ba\u00bb"
)
_ANY = f"[{_CONTINUED}{_CONTINUED_OR_WRITTEN}]"
_TWICE_ENCODED = re.compile(
    # UTF-8 that was read as Windows-1252: two signs for a letter; some stand behind capitals.
    f"[\u00c2-\u00c5][{_CONTINUED}]"
    f"|(?<![A-Z\u00c0-\u00d6\u00d8-\u00de])[\u00c2-\u00c5][{_CONTINUED_OR_WRITTEN}]"
    # Four for two letters of Greek or Cyrillic, six for two of further scripts, and quotes, dashes and emoji.
    f"|(?:[\u00c6-\u00df]{_ANY}){{2}}|(?:[\u00e0-\u00ef]{_ANY}{{2}}){{2}}"
    "|\u00e2(?:\u20ac|\u201a\u00ac|\u201e\u00a2)|\u00f0\u0178"
    # The same as MS-DOS and Macintosh would have read it.
    "|[\u251c\u252c\u221a][^\x00-\x7f]"
)
_MAY_BE_ESCAPED = re.compile(r"[&\\%=]")


def is_damaged(text: str) -> bool:
    """True if a text was broken on its way.

    It has a lost character or half of one, an entity or another escape, signs without a width that its script
    is not written with, or letters that were decoded wrongly.
    """
    if text.isascii() and not _MAY_BE_ESCAPED.search(text):
        return bool(_LOST.search(text))
    entities = (found[1] for found in _ENTITY.finditer(text))
    return (
        any(pattern.search(text) for pattern in (_LOST, _ESCAPED, _TWICE_ENCODED))
        or any(name[0] == "#" or f"{name};" in html5 for name in entities)
        or any(not _is_joined(text, found.start()) for found in _JOINERS.finditer(text))
        or bool(_MARKS.search(text) and not _RIGHT_TO_LEFT.search(text))
    )


def _is_joined(text: str, place: int) -> bool:
    """Tell whether a joiner stands beside a letter that is written with one."""
    beside = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
    return bool(_JOINED.search(beside))
