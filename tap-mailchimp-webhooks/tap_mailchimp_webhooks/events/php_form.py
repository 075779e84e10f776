"""Reads form bodies whose keys nest as PHP's do: `data[merges][GROUPINGS][0][name]=…`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

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
    indexes: dict[int, int] = {}
    for field in fields:
        name, _, value = field.partition("=")
        if len(name) > LONGEST_KEY:
            raise MalformedFormError(f"a key longer than {LONGEST_KEY}")
        path = _usual_path(name) if len(name) < _LONGEST_USUAL_KEY else _path(name)
        _put(root, path, _text(value), indexes)
    return {key: _with_lists(value) for key, value in root.items()}


def _text(escaped: str) -> str:
    return unquote(escaped, errors="replace") if "%" in escaped else escaped


def _path(escaped: str) -> tuple[str, ...]:
    key = _text(escaped)
    match = _KEY.fullmatch(key)
    if match is None:
        return (key,)
    path = (match["root"], *_PART.findall(match["rest"]))
    if len(path) > DEEPEST_KEY:
        raise MalformedFormError(f"a key deeper than {DEEPEST_KEY}")
    return path


_usual_path = lru_cache(maxsize=1024)(_path)
"""Deliveries have the same few keys, and taking keys apart is the most expensive part of reading one."""


def _put(node: dict[str, Any], path: tuple[str, ...], value: str, indexes: dict[int, int]) -> None:
    """Put a value where its path says; `indexes` holds the number that `[]` stands for next in an object."""
    *parents, last = path
    for part in parents:
        name = part if part > _NO_INDEX else _indexed(node, part, indexes)
        inner = node.get(name)
        if not isinstance(inner, dict):
            inner = node[name] = {}
            indexes.pop(id(inner), None)  # one that this has taken the place of may have had the same id
        node = inner
    node[last if last > _NO_INDEX else _indexed(node, last, indexes)] = value


def _indexed(node: dict[str, Any], part: str, indexes: dict[int, int]) -> str:
    following = indexes.get(id(node), 0)
    if not part:
        part = str(following)
    elif not (part.isascii() and part.isdigit() and len(part) <= LONGEST_INDEX):
        return part
    indexes[id(node)] = max(following, int(part) + 1)
    return part


def _with_lists(value: Any) -> Any:  # noqa: ANN401 (text, or objects of it to any depth)
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(item) for key, item in value.items()}
    if list(inner) == [str(index) for index in range(len(inner))]:
        return list(inner.values())
    return inner
