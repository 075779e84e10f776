"""The files of --state and --catalog: what cannot be one is told, and read no further."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.singer.input_files import json_file, require_state


@pytest.mark.parametrize("text", ["", "not json", '["a"]', '"text"', "7", "[" * 100_000])
@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_a_file_without_a_json_object_is_told(option: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        json_file(option, io.StringIO(text))


@pytest.mark.parametrize("text", ["{}", "null", "[]", '{"bookmarks": {}}'])
def test_a_file_comes_back_as_it_was(text: str) -> None:
    read = json_file("--state", io.StringIO(text))
    assert read is not None
    assert read.read() == text
    assert json_file("--state", None) is None


@pytest.mark.parametrize(
    "bookmarks",
    [
        None,
        ["a"],
        {"customers": "a"},
        {"customers": {"partitions": {}}},
        {"customers": {"partitions": ["a"]}},
        {"customers": {"partitions": [{"replication_key_value": 1}]}},
    ],
)
def test_a_state_of_another_form_is_told(bookmarks: Any) -> None:
    with pytest.raises(ConfigurationError, match="the last STATE"):
        require_state({"bookmarks": bookmarks})


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"currently_syncing": "x"},
        {"bookmarks": {"customers": {"replication_key_value": 1}}},
        {"bookmarks": {"customers": {"partitions": [{"context": {"Company": "EPIC06"}}]}}},
    ],
)
def test_states_of_taps_are_taken(state: dict[str, Any]) -> None:
    require_state(json.loads(json.dumps(state)))
