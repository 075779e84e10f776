"""JSON that others wrote: what is odd in it becomes an error in words, or a text that can be stored."""

from __future__ import annotations

import time

import pytest
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.http.call import Answer
from kinetic_mailchimp.kit.parsing.json_reading import parse_json
from kinetic_mailchimp.kit.parsing.numbers import bounded_decimal
from kinetic_mailchimp.kit.singer.messages import MessageReader

DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize("text", ["\\ud800", "\\uDFFF", "\\ude00\\ud83d"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(text: str) -> None:
    document = parse_json(f'{{"{text}": ["a{text}b", 1, null]}}')

    stored = repr(document).encode().decode()
    assert "\ufffd" in stored
    assert "\\ud" not in stored


def test_a_whole_pair_and_an_escaped_backslash_stay() -> None:
    assert parse_json(rb'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", "\\ud800"]


def test_bytes_that_are_not_utf_8_stop_nothing() -> None:
    assert parse_json(b'["a\xff", "\xed\xa0\x80"]') == ["a\ufffd", "\ufffd\ufffd\ufffd"]


def test_a_document_that_is_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(DEEP)
    with pytest.raises(ValueError, match="nested too deeply"):
        Answer(200, {}, DEEP.encode()).document  # noqa: B018 (parses)


def test_a_number_that_json_does_not_have_stays_text() -> None:
    # JSON could not carry it on: a request with it fails, and each run would come to it again.
    document = parse_json("[NaN, -Infinity, 1e400, -1e400, 1e300, 1.5]")
    assert document == ["NaN", "-Infinity", "1e400", "-1e400", 1e300, 1.5]
    line = MessageReader().deserialize_json('{"type": "RECORD", "record": {"A": NaN, "B": 1e400}}')
    assert line["record"] == {"A": "NaN", "B": "1e400"}


def test_an_integer_of_5000_digits_stays_text() -> None:
    assert parse_json(f'{{"a": {"9" * 5000}, "b": 7}}') == {"a": "9" * 5000, "b": 7}


@pytest.mark.parametrize("text", ["1e999999", "-1E+999999999", "1e-999999", "9" * 5000, "nan", "inf", "x"])
def test_a_number_beyond_every_field_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match="number"):
        bounded_decimal(text)
    assert time.process_time() - begun < 1.0  # 10 to the power of 999,999 takes minutes


def test_numbers_of_fields_pass() -> None:
    assert [int(bounded_decimal(value)) for value in (3, "3.0", 1e20, "12345678901234567890")] == [
        3,
        3,
        int(1e20),
        12345678901234567890,
    ]


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    "line",
    [
        '{"record": {"email": "person@example.com"}}',
        '{"type": {"email": "person@example.com"}}',
        '{"type": "person@example.com"}',
        '{"type": "Person"}',
        '["person@example.com"]',
        f'{{"type": "RECORD", "person@example.com": {DEEP}}}',
    ],
)
def test_a_line_that_is_no_message_is_not_shown(line: str) -> None:
    with pytest.raises(DataError) as caught:
        MessageReader().deserialize_json(line)

    assert "not a Singer message" in str(caught.value)
    assert "person@" not in str(caught.value)


@pytest.mark.rule("R9")
@pytest.mark.parametrize("value", ['"person@example.com"', '["person@example.com"]', "null", "5"])
@pytest.mark.parametrize(("kind", "name"), [("RECORD", "record"), ("SCHEMA", "schema")])
def test_a_message_whose_content_is_not_an_object_is_not_shown(kind: str, name: str, value: str) -> None:
    with pytest.raises(DataError, match=f"`{name}` of a Singer message") as caught:
        MessageReader().deserialize_json(f'{{"type": "{kind}", "stream": "s", "{name}": {value}}}')
    assert "person@" not in str(caught.value)


@pytest.mark.rule("R9")
def test_a_message_that_lacks_a_key_is_not_shown() -> None:
    with pytest.raises(DataError, match="lacks `stream`") as caught:
        MessageReader().assert_line_requires(
            {"record": {"email": "person@example.com"}}, {"stream", "record"}
        )
    assert "person@" not in str(caught.value)


def test_a_state_without_its_value_is_told_before_it_is_taken() -> None:
    with pytest.raises(DataError, match="lacks `value`"):
        MessageReader().deserialize_json('{"type": "STATE"}')
    assert MessageReader().deserialize_json('{"type": "STATE", "value": null}')["value"] is None


@pytest.mark.parametrize(
    ("until", "seconds"), [("Sun, 01 Mar 2026 12:00:20 GMT", 20.0), ("Sun, 01 Mar 2026 11:59:00 GMT", 0.0)]
)
def test_a_date_to_wait_for_is_one_of_the_servers_clock(until: str, seconds: float) -> None:
    headers = {"Retry-After": until, "Date": "Sun, 01 Mar 2026 12:00:00 GMT"}
    assert Answer(429, headers, b"").retry_after == seconds


@pytest.mark.parametrize(
    "value", ["²", "\u0661", "Fri, 99 Foo 0001", "Mon, 01 Jan 0001 00:00:00", "9" * 5000]
)
def test_an_odd_retry_after_is_none_or_a_number(value: str) -> None:
    assert Answer(429, {"Retry-After": value}, b"").retry_after in (None, 0.0, float("inf"))
