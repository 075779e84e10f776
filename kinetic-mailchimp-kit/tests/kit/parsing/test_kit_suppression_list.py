"""Lists of opt-outs as other tools write them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from kinetic_mailchimp.kit.parsing.suppression_list import UnreadableListError, read_suppressions

ROWS = [("ann@example.com", "2024-05-01T10:00:00+00:00", "N/A"), ("böb@example.com", None, "bounced")]


LISTS = {
    "utf-8": (
        "Email Address,UNSUB_TIME,UNSUB_REASON",
        "ann@example.com,2024-05-01 10:00,N/A",
        "böb@example.com,,bounced\n",
    ),
    "utf-8-sig": (
        '"E-Mail";"Opt-out date";"Grund; Reason";Reason\r',
        '"ann@example.com";"01.05.2024 10:00";"a;b";"N/A"\r',
        '"böb@example.com";"";"x";"bounced"\r\n',
    ),
    "utf-16": (
        "\n\nName\temail\ttimestamp\tstatus",
        '"Ann\nLee"\tAnn <ann@example.com>\t2024-05-01T12:00:00+02:00\tN/A',
        "Bob\tmailto:böb@example.com\tsoon\tbounced",
    ),
    "cp1252": (
        "Subscriber|Created At|Type",
        "ANN@example.com|2024-05-01 10:00:00|N/A",
        "böb@example.com|?|bounced",
        "ann@example.com|2020-01-01|x",
    ),
}


@pytest.mark.parametrize(("encoding", "lines"), LISTS.items())
def test_columns_separators_quotes_and_encodings_are_found_out(encoding: str, lines: Sequence[str]) -> None:
    text = "\n".join(lines)
    found = read_suppressions(text.encode(encoding))
    assert [(row.key, row.at and row.at.isoformat(), row.reason) for row in found.rows][1] == ROWS[1]
    first = found.rows[0]
    assert first.at is not None
    assert (first.key, first.at.timestamp(), first.reason) == ("ann@example.com", 1714557600.0, "N/A")
    assert [row.status for row in found.rows] == ["unsubscribed", "cleaned"]
    assert found.repeated == text.count("2020")


def test_a_list_without_names_is_read_and_rows_that_name_nobody_keep_their_line() -> None:
    found = read_suppressions(
        b'1,ann@example.com\n2,"a@example.com, b@example.com"\n3,nobody\n4\n5,bob@example.com\n'
    )
    assert found.columns == ("", "", "")
    assert [(row.line, row.problem) for row in found.rows] == [
        (1, ""),
        (5, ""),
        (2, "several_addresses"),
        (3, "not_an_address"),
        (4, "empty"),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "none of its columns"),
        (b"\x00\x01", "none of its columns"),
        (b"PK\x03\x04\x14\x00", "it is a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is a workbook"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableListError, match=why):
        read_suppressions(content)


def test_a_complaint_is_told_from_an_unsubscribe() -> None:
    found = read_suppressions(b"email,reason\nann@example.com,Spam complaint\n")
    assert [row.status for row in found.rows] == ["complaint"]
