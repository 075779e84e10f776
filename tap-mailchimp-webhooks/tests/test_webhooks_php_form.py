from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_mailchimp_webhooks.events.php_form import (
    DEEPEST_KEY,
    LONGEST_KEY,
    MOST_FIELDS,
    MalformedFormError,
    parse_form,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {}),
        (b"a=1", {"a": "1"}),
        (b"a", {"a": ""}),
        (b"a=1&a=2", {"a": "2"}),
        (b"&&a=1&&", {"a": "1"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"data[a][b]=1&data[a][c]=2", {"data": {"a": {"b": "1", "c": "2"}}}),
        (b"data%5Ba%5D%5Bb%5D=1", {"data": {"a": {"b": "1"}}}),
        (b"l[]=x&l[]=y", {"l": ["x", "y"]}),
        (b"l[0][id]=1&l[0][n]=x&l[1][id]=2", {"l": [{"id": "1", "n": "x"}, {"id": "2"}]}),
        (b"l[1]=b&l[0]=a", {"l": {"1": "b", "0": "a"}}),
        (b"l[][n]=x&l[][n]=y", {"l": [{"n": "x"}, {"n": "y"}]}),
        (b"a[b]=1&a=2", {"a": "2"}),
        (b"a=2&a[b]=1", {"a": {"b": "1"}}),
        (b"a[]=1&a[]=2&a=3&a[]=4", {"a": ["4"]}),
        (b"l[5]=a&l[]=b", {"l": {"5": "a", "6": "b"}}),
        (b"a[b=1", {"a[b": "1"}),
        (b"a]b=1", {"a]b": "1"}),
        (b"[a]=1", {"[a]": "1"}),
        (b"n=J%C3%B6rg+M%C3%BCller", {"n": "Jörg Müller"}),
        (b"n=%E4", {"n": "\ufffd"}),
        (b"n=%zz", {"n": "%zz"}),
        (b"n=\xff", {"n": "\ufffd"}),
    ],
)
def test_reads_a_form_as_php_does(body: bytes, expected: dict[str, Any]) -> None:
    assert parse_form(body) == expected


def test_refuses_more_fields_than_a_person_has() -> None:
    assert len(parse_form(b"&".join(b"f%d=" % n for n in range(MOST_FIELDS)))) == MOST_FIELDS
    with pytest.raises(MalformedFormError):
        parse_form(b"&".join(b"f%d=" % n for n in range(MOST_FIELDS + 1)))


def test_refuses_a_key_that_is_nested_too_deep() -> None:
    parse_form(b"a" + b"[b]" * (DEEPEST_KEY - 1) + b"=1")
    with pytest.raises(MalformedFormError):
        parse_form(b"a" + b"[b]" * DEEPEST_KEY + b"=1")


def test_refuses_a_key_that_is_too_long() -> None:
    parse_form(b"a" * LONGEST_KEY + b"=1")
    with pytest.raises(MalformedFormError):
        parse_form(b"a" * (LONGEST_KEY + 1) + b"=1")


def test_a_number_of_any_length_is_read() -> None:
    long = "9" * 500
    assert parse_form(f"l[{long}]=a&l[]=b".encode()) == {"l": {long: "a", "0": "b"}}


def _calls(body: bytes) -> int:
    """Calls of functions that the reading of a form takes: a measure of its work that no machine changes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        parse_form(body)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("field", [b"data[x][]=", b"data[x][][y]=", b"a[%d]=", b"a%d[b][]=", b"[[[[="])
def test_the_work_grows_no_faster_than_the_number_of_fields(field: bytes) -> None:
    def body(count: int) -> bytes:
        return b"&".join(field % n if b"%" in field else field for n in range(count))

    assert _calls(body(MOST_FIELDS)) < 11 * _calls(body(MOST_FIELDS // 10))


@given(st.binary(max_size=400))
def test_takes_any_bytes(body: bytes) -> None:
    assert isinstance(parse_form(body), dict)


_names = st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=1, max_size=8).filter(
    lambda name: not name.isdigit()
)
_documents = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: (
        st.dictionaries(_names, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(prefix, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [pair for key, inner in items for pair in _flat(f"{prefix}[{key}]", inner)]


@given(st.dictionaries(_names, _documents, min_size=1, max_size=4))
def test_reads_back_what_was_written_in_brackets_to_any_depth(document: dict[str, Any]) -> None:
    pairs = [pair for key, value in document.items() for pair in _flat(key, value)]

    assert parse_form(urlencode(pairs).encode()) == document
