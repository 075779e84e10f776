"""How a call ended: the same of an answer and of an error, in the words of a decision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.http.call import Answer, HttpCall


def test_an_answer_has_status_id_and_duration() -> None:
    call = HttpCall.of_answer(Answer(200, {"X-Request-Id": "r-1"}, b"", 0.25))
    assert not call.failed
    assert call.facts() == {"http_status": 200, "request_id": "r-1", "duration_ms": 250.0}


def test_a_failure_has_them_too_and_a_measured_duration_counts_before_that_of_the_last_answer() -> None:
    error = DataError("Refused.", status=400, request_id="r-2")
    error.seconds = 0.5
    assert HttpCall.of_failure(error) == HttpCall(400, "r-2", 0.5, failed=True)
    assert HttpCall.of_failure(error, 0.0).facts()["duration_ms"] == 0.0


def test_a_call_that_was_not_made_has_no_values() -> None:
    assert HttpCall().facts() == {"http_status": None, "request_id": None, "duration_ms": None}


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Sun, 01 Mar 2026 09:30:00 GMT", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("Sun, 01 Mar 2026 09:30:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),  # no time of UTC
        ("99999999999999999999", None),
        ("", None),
    ],
)
def test_the_time_of_the_server_is_in_utc_or_none(header: str, date: datetime | None) -> None:
    assert Answer(200, {"Date": header}, b"").date == date
