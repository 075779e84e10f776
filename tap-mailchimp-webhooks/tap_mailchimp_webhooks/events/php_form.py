"""Reads form bodies whose keys nest as PHP's do: `data[merges][GROUPINGS][0][name]=…`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

MOST_FIELDS = 2_000
DEEPEST_KEY = 64
"""As PHP's own limit; Mailchimp sends no deeper key."""
LONGEST_KEY = 2_000
"""Characters of a key as it is sent. Mailchimp's longest ones, of nested groups, have some hundred."""
LONGEST_INDEX = 18
"""Digits of a number that counts in `a[]`; a longer one is a name, as it is in PHP."""

_NO_INDEX = ":"
"""Sorts after all that begins with a digit: names, as nearly all keys are, need no closer look."""

_KEY = re.compile(r"(?P<root>[^\[]+)(?P<rest>(?:\[[^\[\]]*\])*)")
_LONGEST_USUAL_KEY = 200
_PART = re.compile(r"\[([^\[\]]*)\]")


class MalformedFormError(ValueError):
    """A body that is not a form, or one beyond the limits."""


@dataclass(slots=True)
class _Numbered:
    """An object that has numbers among its keys, and where it is held.

    Attributes:
        following: The number that `[]` stands for next.
    """

    node: dict[str, Any]
    holder: dict[str, Any]
    place: str
    following: int = 0


def parse_form(body: bytes) -> dict[str, Any]:
    """Read a form body into nested objects, lists and text.

    Keys are read as PHP does: `a[b]` nests, `a[]` appends, the last of several equal keys wins. A key whose
    brackets do not match is taken as it is written. Objects whose keys count up from 0 become lists.
    Bytes that are not valid UTF-8 become U+FFFD.

    Raises:
        MalformedFormError: More than MOST_FIELDS fields, or a key that is too deep or too long.
    """
    fields = [field for field in body.decode("utf-8", "replace").replace("+", " ").split("&") if field]
    if len(fields) > MOST_FIELDS:
        raise MalformedFormError(f"more than {MOST_FIELDS} fields")
    root: dict[str, Any] = {}
    numbered: dict[int, _Numbered] = {}
    for field in fields:
        name, _, value = field.partition("=")
        if len(name) > LONGEST_KEY:
            raise MalformedFormError(f"a key longer than {LONGEST_KEY}")
        key = _usual_key(name) if len(name) < _LONGEST_USUAL_KEY else _key(name)
        parents, last, has_names_alone = key
        if not has_names_alone:
            _put(root, parents, last, _text(value), numbered)
            continue
        node = root
        for part in parents:
            inner = node.get(part)
            if not isinstance(inner, dict):
                inner = node[part] = {}
            node = inner
        node[last] = _text(value)
    # One that holds another got its first number before that: those inside come first.
    for found in reversed(numbered.values()):
        node = found.node
        if found.holder.get(found.place) is node and list(node) == [str(index) for index in range(len(node))]:
            found.holder[found.place] = list(node.values())
    return root


def _text(escaped: str) -> str:
    if "%" not in escaped:
        return escaped
    if escaped.isascii():  # as whatever sends a form writes it; `unquote` takes twice as long
        return unquote_to_bytes(escaped).decode("utf-8", "replace")
    return unquote(escaped, errors="replace")


def _key(escaped: str) -> tuple[tuple[str, ...], str, bool]:
    """The parts of a key before the last, the last, and if all of them are names."""
    text = _text(escaped)
    match = _KEY.fullmatch(text)
    *parents, last = (match["root"], *_PART.findall(match["rest"])) if match else (text,)
    if len(parents) >= DEEPEST_KEY:
        raise MalformedFormError(f"a key deeper than {DEEPEST_KEY}")
    return tuple(parents), last, min([last, *parents]) > _NO_INDEX


_usual_key = lru_cache(maxsize=1024)(_key)
"""Deliveries have the same few keys, and taking keys apart is the most expensive part of reading one."""


def _put(
    root: dict[str, Any], parents: Sequence[str], last: str, value: str, numbered: dict[int, _Numbered]
) -> None:
    """Put a value where its key says; `numbered` are objects with numbers among their keys, by their ids."""
    holder: dict[str, Any] = {}  # of nothing: the root itself never becomes a list
    place, node = "", root
    for part in parents:
        name = part if part > _NO_INDEX else _indexed(_Numbered(node, holder, place), part, numbered)
        inner = node.get(name)
        if not isinstance(inner, dict):
            inner = node[name] = {}
        holder, place, node = node, name, inner
    name = last if last > _NO_INDEX else _indexed(_Numbered(node, holder, place), last, numbered)
    node[name] = value


def _indexed(found: _Numbered, part: str, numbered: dict[int, _Numbered]) -> str:
    if part and not (part.isascii() and part.isdigit() and len(part) <= LONGEST_INDEX):
        return part
    found = numbered.setdefault(id(found.node), found)
    part = part or str(found.following)
    found.following = max(found.following, int(part) + 1)
    return part
