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


@pytest.mark.rule("R2")
def test_an_address_that_is_text_for_a_spreadsheet_is_the_person() -> None:
    found = read_suppressions(b'Email\n="Ann@example.com"\n"""bob@example.com"""\nann@example.com\n')
    assert [row.key for row in found.rows] == ["ann@example.com", "bob@example.com"]
    assert found.repeated == 1


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
        (b"\xff\xfea", "cut off"),
        (b'email\n"a@example.com\nb@example.com\nc@example.com\n', "quotation mark after line 1 is never"),
        (b"email,Status\na@example.com,Unsubscribed\nb@example.com,Subscribed\n", "line 3 has 'Subscribed'"),
        (b"email,Email Marketing Consent\na@example.com,SUBSCRIBED\n", "have not opted out"),
        (b"Unsubscribed from all email,Email\nfalse,a@example.com\n", "have not opted out"),
        (b"Email,HasOptedOutOfEmail\na@example.com,1\nb@example.com,0\n", "line 3 has '0'"),
        (b"Email,Email permission status\na@example.com,Implied\n", "have not opted out"),
        (b"EMAIL;EMAIL_BLOCKLISTED\na@example.com;Yes\nb@example.com;No\n", "line 3 has 'No'"),
        (b"Email,Is Unsubscribed\na@example.com,0\n", "have not opted out"),
        (b"Email Address,OPTIN_TIME,LAST_CHANGED\na@example.com,2018-01-01,\n", "'OPTIN_TIME' tells when"),
        (b"PK\x03\x04\x14\x00", "it is a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is a workbook"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableListError, match=why):
        read_suppressions(content)


@pytest.mark.rule("R2")
def test_of_several_rows_of_a_person_the_latest_opt_out_stays() -> None:
    text = b"email,date\nann@example.com,2020-01-01\nANN@example.com,2024-05-01\nann@example.com,2022-01-01\n"
    found = read_suppressions(text)
    assert ([(row.line, row.at and row.at.year) for row in found.rows], found.repeated) == ([(3, 2024)], 2)


def test_a_complaint_is_told_from_an_unsubscribe() -> None:
    found = read_suppressions(b"email,reason\nann@example.com,Spam complaint\n")
    assert [row.status for row in found.rows] == ["complaint"]


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        # Exports of other tools, by the names of their columns.
        ("Created At,Email,Unsubscribed At\n2019-01-01,X,2024-05-01\n", "2024-05-01", ""),
        ("email,created\nX,1714521600\n", "2024-05-01", ""),
        (
            "Email,Reason,Timestamp\nX,USER_SUPPRESSED,2024-05-01T00:00:00+00:00\n",
            "2024-05-01",
            "USER_SUPPRESSED",
        ),
        (
            "Email address,Confirmed Opt-Out Source,Confirmed Opt-Out Reason\nX,Contact,Too many\n",
            None,
            "Too many",
        ),
        ("Email,Confirmed Opt-Out Date,Created At\nX,2024-05-01 10:00:00,2015-01-01\n", "2024-05-01", ""),
        ("Email Address,Date Unsubscribed\nX,2024-05-01\n", "2024-05-01", ""),
        ("Email,ADDED_TIME,MODIFIED_TIME\nX,2018-01-01,2024-05-01\n", "2024-05-01", ""),
        ("Email Address,OPTIN_TIME,CLEAN_TIME\nX,2018-01-01,2024-05-01 10:00:00\n", "2024-05-01", "bounced"),
        ("sep=;\nE-Mail-Adresse;Adresse;ts\nX;Ring 1;01.05.2024\n", "2024-05-01", ""),
        ("Address,E-Mail-Adresse\nRing 1,X\n", None, ""),
        ("Email,Portal Unsubscribe,Portal Bounce\nX,FALSE,TRUE\n", None, ""),
        ('"X","2024-05-01"\n"y@@example.com","soon"\n', None, ""),
    ],
)
def test_columns_are_found_by_what_they_say_about_the_opt_out(text: str, at: str | None, reason: str) -> None:
    found = read_suppressions(text.replace("X", "ann@example.com").encode())
    [row] = [row for row in found.rows if not row.problem]
    assert (row.key, row.at and row.at.date().isoformat(), row.reason) == ("ann@example.com", at, reason)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_letter_are_read_without_a_mark(encoding: str) -> None:
    found = read_suppressions("email\nann@example.com\n".encode(encoding))
    assert [row.key for row in found.rows] == ["ann@example.com"]


def test_a_time_in_a_form_of_its_own_is_told() -> None:
    found = read_suppressions(b"email,date\nann@example.com,5/1/24 9am\nbob@example.com,\n")
    assert [(row.at, row.is_time_unread) for row in found.rows] == [(None, True), (None, False)]


def test_a_first_row_with_a_wrong_address_is_no_head() -> None:
    found = read_suppressions(b"ann@@example.com\nbob@example.com\n")
    assert [(row.line, row.problem) for row in found.rows] == [(2, ""), (1, "not_an_address")]
