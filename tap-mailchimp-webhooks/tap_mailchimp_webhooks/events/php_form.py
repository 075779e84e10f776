"""Reads form bodies whose keys nest as PHP's do: `data[merges][GROUPINGS][0][name]=…`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

MOST_FIELDS = 2_000
DEEPEST_KEY = 64
"""As PHP's own limit; Mailchimp sends no deeper key."""

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
        MalformedFormError: More than MOST_FIELDS fields, or a key deeper than DEEPEST_KEY.
    """
    fields = [field for field in body.decode("utf-8", "replace").replace("+", " ").split("&") if field]
    if len(fields) > MOST_FIELDS:
        raise MalformedFormError(f"more than {MOST_FIELDS} fields")
    root: dict[str, Any] = {}
    for field in fields:
        name, _, value = field.partition("=")
        _put(root, _usual_path(name) if len(name) < _LONGEST_USUAL_KEY else _path(name), _text(value))
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


def _put(node: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    *parents, last = path
    for part in parents:
        name = part or _next_index(node)
        inner = node.get(name)
        if not isinstance(inner, dict):
            inner = node[name] = {}
        node = inner
    node[last or _next_index(node)] = value


def _next_index(node: dict[str, Any]) -> str:
    return str(1 + max((int(key) for key in node if _is_index(key)), default=-1))


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit()


def _with_lists(value: Any) -> Any:  # noqa: ANN401 (text, or objects of it to any depth)
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(item) for key, item in value.items()}
    if list(inner) == [str(index) for index in range(len(inner))]:
        return list(inner.values())
    return inner
