"""The records that wait on standard input are shown, and stay there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from queue import SimpleQueue
from typing import Any

import pytest
from kinetic_mailchimp.kit.singer.upcoming import UpcomingRecords, next_batch

SCHEMA = {"type": "SCHEMA", "stream": "people", "schema": {}, "key_properties": []}
STATE = {"type": "STATE", "value": {"read": 1}}


def record(number: int, stream: str = "people") -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"number": number}}


def lines(*messages: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def numbers(waiting: bytes) -> list[int]:
    _, records = next_batch(waiting)
    return [each["number"] for each in records]


@pytest.mark.parametrize(
    ("waiting", "shown"),
    [
        (b"", []),
        (lines(record(1)), [1]),
        (lines(record(1), STATE), [1]),
        (lines(STATE, SCHEMA, record(1), record(2), STATE, record(3)), [1, 2]),
        (b"\n" + lines(record(1)), [1]),
        (lines(record(1), STATE) + lines(record(2))[:20], [1]),
    ],
    ids=["nothing", "record", "record and state", "two batches", "empty line", "half of the next batch"],
)
def test_the_records_before_the_next_state_are_shown(waiting: bytes, shown: list[int]) -> None:
    assert numbers(waiting) == shown


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param(lines(record(1)) + lines(record(2))[:20], id="half a line"),
        pytest.param(lines(record(1))[5:], id="end of a line"),
        pytest.param(lines(record(1), record(2, "others")), id="two streams"),
        pytest.param(lines({"type": "RECORD", "stream": "people", "record": None}), id="null"),
        pytest.param(lines({"type": "RECORD", "stream": "people"}), id="no record"),
        pytest.param(b'["RECORD"]\n' + lines(record(1)), id="list"),
        pytest.param(b"7\n" + lines(record(1)), id="number"),
        pytest.param(b"\xff\n" + lines(record(1)), id="not UTF-8"),
        pytest.param(lines(*(record(number) for number in range(1_000))), id="backlog"),
    ],
)
def test_nothing_is_shown_of_what_may_be_a_part_of_a_batch_or_is_not_a_message(waiting: bytes) -> None:
    assert numbers(waiting) == []


@dataclass
class Pipe:
    """A pipe between a tap and a target.

    Attributes:
        shown: What was shown of it.
    """

    source: BufferedReader
    target_end: int
    shown: SimpleQueue[Sequence[Mapping[str, Any]]] = field(default_factory=SimpleQueue)

    def take(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Take note of records."""
        assert stream == "people"
        self.shown.put(records)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb"):
        yield Pipe(source, writing)


@pytest.mark.parametrize("is_early", [True, False])
def test_records_are_shown_and_can_be_read_afterwards(pipe: Pipe, is_early: bool) -> None:
    arriving = lines(record(1), STATE)
    if is_early:
        os.write(pipe.target_end, arriving)
    with UpcomingRecords(pipe.source).shown_to(pipe.take):
        if not is_early:
            os.write(pipe.target_end, arriving)
        assert pipe.shown.get(timeout=60) == [{"number": 1}]
    assert pipe.source.readline() + pipe.source.readline() == arriving


def test_without_input_the_block_is_left_as_it_ends(pipe: Pipe) -> None:
    for _ in range(3):
        with UpcomingRecords(pipe.source).shown_to(pipe.take):
            pass
    os.write(pipe.target_end, lines(record(1)))
    assert pipe.shown.empty()
    assert pipe.source.readline() == lines(record(1))
