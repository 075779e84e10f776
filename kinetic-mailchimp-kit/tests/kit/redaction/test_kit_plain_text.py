"""Odd characters in vendors' texts and in records: none reaches a log, a terminal or a file as it is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from kinetic_mailchimp.audit.reading.formatting import printable, spreadsheet_cell
from kinetic_mailchimp.audit.reading.reports.export import csv_lines
from kinetic_mailchimp.epicor.problem import read_problem
from kinetic_mailchimp.kit.checks import Check
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.http.call import Answer
from kinetic_mailchimp.kit.redaction.masker import MASKER, mask_logs
from kinetic_mailchimp.kit.redaction.plain_text import json_text, plain

STEERING = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x00", "\x7f", "\u202e", "\ud800"]


@pytest.mark.parametrize("odd", STEERING)
def test_what_steers_a_terminal_is_replaced(odd: str) -> None:
    assert plain(f"a{odd}b\tc\nd") == f"a\ufffd{odd[1:]}b\tc\nd".replace("\x07", "\ufffd")


@pytest.mark.parametrize("odd", STEERING)
def test_an_error_carries_no_such_character(odd: str) -> None:
    error = DataError(f"The vendor says {odd}.")
    assert odd[0] not in str(error)
    assert odd[0] not in error.message


@pytest.mark.parametrize("odd", STEERING)
def test_no_id_and_no_advice_carries_such_a_character(odd: str) -> None:
    error = DataError("It failed.", advice=f"The service has {odd}.", request_id=f"{odd}{'1' * 100_000}")
    assert odd[0] not in str(error)
    assert len(str(error)) < 500
    answer = Answer(200, {"X-Request-Id": f"{odd}{'1' * 60_000}"}, b"")
    assert odd[0] not in str(answer.request_id)
    assert len(str(answer.request_id)) < 300


@pytest.mark.parametrize("odd", STEERING)
def test_a_finding_of_a_check_carries_no_such_character(odd: str) -> None:
    # Such as the name of an account, which `--test` and the doctor print.
    [found] = Check("account", lambda: [f"Connected to {odd}{'x' * 500_000}."]).findings()
    assert odd[0] not in str(found)
    assert len(str(found)) < 2_100


def test_a_long_message_is_cut_and_no_secret_with_it() -> None:
    MASKER.add(["a-made-up-secret-of-a-test"])
    text = "x" * 1_990 + "a-made-up-secret-of-a-test" + "y" * 500_000
    told = str(DataError(text))
    assert len(told) < 2_100
    assert "a-made-up" not in told
    assert "characters)" in told


def test_a_problem_of_the_vendor_is_one_plain_line() -> None:
    answer = Answer(400, {"Content-Type": "application/json"}, b'{"ErrorMessage": "bad \\u001b[31m\\nline"}')
    assert read_problem(answer).message == "bad \ufffd[31m line"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """A handler that is not the one on stderr."""
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr("sys.stderr", io.StringIO())
    mask_logs()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger("odd").addHandler(handler)
    yield written
    logging.getLogger("odd").removeHandler(handler)
    logging.setLogRecordFactory(factory)


def test_a_log_line_does_not_steer_or_flood_a_terminal(log: io.StringIO) -> None:
    logging.getLogger("odd").warning("Address %s", "\x1b[2J" + "a" * 500_000)
    try:
        int("\x9b")
    except ValueError:
        logging.getLogger("odd").exception("Broke")

    assert "\x1b" not in log.getvalue()
    assert len(log.getvalue()) < 30_000


@pytest.mark.parametrize("odd", STEERING)
def test_json_keeps_every_character_and_steers_nothing(odd: str) -> None:
    written = json_text({odd: [f"a{odd}Zoë"]})
    assert odd[0] not in written
    assert "Zoë" in written
    assert json.loads(written) == {odd: [f"a{odd}Zoë"]}


def test_a_csv_cell_and_a_cell_of_a_table_are_plain() -> None:
    row = SimpleNamespace(text="\x1b[2J", changes={"A": "\x9b1m\ud800"}, formula="=1\x1b")
    line = "".join(csv_lines(["text", "changes", "formula"], [row]))
    assert not {"\x1b", "\x9b", "\ud800"} & set(line)
    assert "'=1" in line
    assert len(printable("a" * 500_000)) < 600
    assert "\x1b" not in printable("\x1b[2J")


@pytest.mark.parametrize(
    "beginning", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\u2003=", "\uff1d", "\uff20"]
)
def test_no_cell_of_a_spreadsheet_is_a_formula(beginning: str) -> None:
    assert str(spreadsheet_cell(f"{beginning}1")).startswith("'")
    assert spreadsheet_cell("a=1") == "a=1"
