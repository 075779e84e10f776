"""Odd inputs for everything that parses what others send: no crash, and work in proportion to the input.

`make fuzz` runs it; the corpora beside it hold what an input is grown from: pieces are joined, repeated, cut
and mixed with odd characters. The bound is processor time of the thread for each byte, so that a busy machine
does not fail it; what takes the square of its input exceeds it by far.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.console.alerts.collect import read_webhook_status
from kinetic_mailchimp.console.receiver_probe import read_status
from kinetic_mailchimp.epicor.auth import read_token
from kinetic_mailchimp.epicor.classification import classify as classify_epicor
from kinetic_mailchimp.epicor.metadata import parse_metadata
from kinetic_mailchimp.epicor.row_values import normalize_values
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, parse_email
from kinetic_mailchimp.kit.parsing.suppression_list import UnreadableListError, read_suppressions
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp
from kinetic_mailchimp.kit.redaction.secret_names import passwords_in_url, references
from kinetic_mailchimp.kit.singer.messages import MessageReader
from kinetic_mailchimp.mailchimp.errors import classify as classify_mailchimp
from kinetic_mailchimp.mailchimp.merge_field import MergeField, UnfitValueError, coerce
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.webhooks.signature import SignatureError, verify
from tap_mailchimp_webhooks.webhooks.urls import mask_url
from target_epicor_contacts.contract.contact_update import parse_update
from target_epicor_contacts.epicor.column_values import same
from target_mailchimp.contract.member_record import MemberRecord, read_record
from target_mailchimp.contract.purchase_record import read_purchase

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
LONGEST = 120_000
SECONDS_AT_LEAST, SECONDS_PER_BYTE = 0.25, 20e-6
"""CPU of an input: a fixed part for the first call of everything, and a part in proportion."""

CORPORA = Path(__file__).with_name("corpora")
ODD = [
    *(
        "\x00",
        "\x1b[2J",
        "\ud800",
        "\u202e",
        "²",
        "ß",
        " ",
        "\r\n",
        "&",
        "=",
        "%",
        "%5B",
        "[",
        "]",
        "[]",
        "{",
    ),
    *("}", '"', "\\", "\\ud800", "<", ">", "</", "@", ",", ";", "1e999999", "-0", "9" * 5000, "null", "NaN"),
]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = [
    MergeField("A", kind, date_format=form, phone_format="US", choices=("x",))
    for kind, form in (
        *(("text", ""), ("number", ""), ("date", "DD/MM/YYYY"), ("birthday", "DD/MM"), ("phone", "")),
        *(("zip", ""), ("url", ""), ("dropdown", ""), ("address", "")),
    )
]
TYPES = {"A": "Edm.Decimal", "B": "Edm.DateTimeOffset", "C": "Edm.Boolean", "D": "Edm.Int32", "E": "Edm.Guid"}


def inputs(corpus: str) -> st.SearchStrategy[str]:
    """Texts grown from a corpus."""
    seeds = [file.read_text(encoding="utf-8") for file in sorted((CORPORA / corpus).iterdir())]
    cut = st.tuples(st.sampled_from(seeds), st.integers(0, 400), st.integers(0, 400)).map(
        lambda drawn: drawn[0][drawn[1] : drawn[1] + drawn[2]]
    )
    piece = st.sampled_from([*seeds, *ODD]) | cut | st.text(max_size=20)
    repeated = st.tuples(piece, st.sampled_from([1, 1, 1, 2, 50, 5_000, LONGEST])).map(
        lambda drawn: (drawn[0] * drawn[1])[:LONGEST] if len(drawn[0]) < LONGEST else drawn[0][:LONGEST]
    )
    return st.lists(repeated, min_size=1, max_size=6).map(lambda pieces: "".join(pieces)[:LONGEST])


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def form(text: str) -> None:
    from_delivery(as_bytes(text), FORM, NOW)  # never fails


def email(text: str) -> None:
    with suppress(InvalidEmailError):
        parse_email(text)


def singer(text: str) -> None:
    with suppress(ConnectorError):
        parse_update("s", MessageReader().deserialize_json(text).get("record") or {}, {"FirstName": "FNAME"})


def metadata(text: str) -> None:
    with suppress(ConnectorError):
        parse_metadata("Svc", text)


def rows(text: str) -> None:
    answer = Answer(200, {"Content-Type": "application/json"}, as_bytes(text))
    with suppress(ValueError):
        document = answer.document
        found = document.get("value") if isinstance(document, dict) else None
        read = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        normalize_values(read, TYPES)
        for row in read:
            for name, edm_type in TYPES.items():
                same(row.get(name), "1", edm_type)


def errors(text: str) -> None:
    request = Request("POST", "https://example.com/a")
    for kind in ("application/json", "application/xml", "text/plain"):
        answer = Answer(400, {"Content-Type": kind, "Retry-After": text[:50]}, as_bytes(text))
        for classify in (classify_epicor, classify_mailchimp):
            error = classify(request, answer)
            assert error is not None
            assert len(str(error)) < 5_000
            assert "\x1b" not in str(error)
        assert answer.retry_after is None or answer.retry_after >= 0
        with suppress(ConnectorError):
            read_token(answer)


def member(text: str) -> None:
    with suppress(ConnectorError):
        record = MessageReader().deserialize_json(text).get("record")
        if not isinstance(record, dict):
            return
        read_purchase("s", record)
        read = read_record("s", record)
        values = read.merge_values.values() if isinstance(read, MemberRecord) else record.values()
        for value, kind in itertools.product(values, KINDS):
            with suppress(UnfitValueError):
                coerce(value, kind)


def suppressions(text: str) -> None:
    with suppress(UnreadableListError):
        read_suppressions(as_bytes(text))


def signature(text: str) -> None:
    with suppress(SignatureError):
        verify(text, as_bytes(text), ["a-made-up-secret"], NOW.timestamp())


def times(text: str) -> None:
    with suppress(ValueError):
        format_timestamp(parse_timestamp(text))
    for piece in text.split()[:50]:
        with suppress(ValueError):
            format_timestamp(parse_timestamp(piece))


def urls(text: str) -> None:
    mask_url(text)
    passwords_in_url(text)
    references(text)
    with suppress(ConfigurationError):
        web_url(text, "base_url")


def receiver(text: str) -> None:
    read_webhook_status(text)
    answer = Answer(200, {}, as_bytes(text))
    assert all(len(problem) < 600 for problem in read_status(answer, answer).problems)


PARSERS = (
    *(form, email, singer, metadata, rows, errors),
    *(member, suppressions, signature, times, urls, receiver),
)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
def test_fuzz(parse: Callable[[str], None]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(parse.__name__))
    def run(text: str) -> None:
        begun = time.thread_time()
        parse(text)
        used = time.thread_time() - begun
        allowed = SECONDS_AT_LEAST + SECONDS_PER_BYTE * len(as_bytes(text))
        each = used / max(len(as_bytes(text)), 1) * 1e6
        assert used <= allowed, f"{each:.1f} µs of CPU for each of {len(text):,} characters"

    run()
