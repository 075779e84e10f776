"""Reads a list of people who opted out, as another tool exported it: CSV in whatever form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, email_key, find_address
from kinetic_mailchimp.kit.parsing.timestamps import parse_timestamp

_EMAIL: Final = re.compile(
    r"(subscriber|contact|customer)?e?mail(addr(ess)?|id)?|address|subscriber|recipient"
)
_WHEN: Final = r"(on|at|time|date|timestamp|datetime)"
_OUT: Final = (
    r"(unsub(scribed?|scription)?|opt(ed)?out|suppress(ed|ion)|bounced?|clean(ed)?|complaint"
    r"|bl(ock|ack)listed)"
)
_TIMES: Final = tuple(
    re.compile(form)
    for form in (
        rf"(email|confirmed)*{_OUT}{_WHEN}+|(date|time)(of)?{_OUT}",
        rf"ts|{_WHEN}+",
        rf"(last)?(updated?|modified|changed?)({_WHEN}+)?",
        rf"(created|added)({_WHEN}+)?",
    )
)
"""Names of columns of times, the surest first: contacts were often made long before they opted out."""
_OPTED_IN: Final = re.compile(rf"(opt(ed)?in|confirm(ed)?|subscribed){_WHEN}+")
_REASONS: Final = tuple(
    re.compile(rf"(confirmed)?(unsub(scribed?)?|optout|suppression)?({name})|status")
    for name in ("reason", "type|source|category")
)
_CONSENT: Final = (
    (
        re.compile(r"(e?mail|member|subscriber|subscription|marketing|permission)*(status|consent)"),
        frozenset({"subscribed", "active", "confirmed", "optedin", "optin", "express", "implied"}),
    ),
    (
        re.compile(rf"(is|has|e?mail)*{_OUT}((from|of).*)?"),
        frozenset({"false", "no", "0"}),
    ),
)
"""Names of columns, and values in them by which a person has not opted out."""
_END: Final = "\x02"
"""A last row, which an open quotation mark would swallow."""
_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 100
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of .xlsx, .ods and .numbers, and of .xls."""
_TIME_FORMS: Final = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S")


class UnreadableListError(ValueError):
    """The text has no column of addresses, or cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A person who opted out elsewhere, or a row that names nobody who can be found.

    Attributes:
        line: Where the row ends in the file, from 1.
        address: The field as it is.
        at: When, where the row says so in a form that is read.
        reason: Why, in the words of the other tool.
        problem: Why nobody can be found by the field; empty where it has an address.
        is_time_unread: Whether the row has a time in a form that is not read.
    """

    line: int
    address: str
    at: datetime | None = None
    reason: str = ""
    problem: str = ""
    is_time_unread: bool = False

    @property
    def key(self) -> str:
        """The form by which addresses are compared."""
        return email_key(find_address(self.address))

    @property
    def status(self) -> str:
        """The status that the reason speaks of: `cleaned`, `complaint` or else `unsubscribed`."""
        words = self.reason.lower()
        if re.search(r"bounc|cleaned|invalid", words):
            return "cleaned"
        return "complaint" if re.search(r"complain|abuse|spam", words) else "unsubscribed"


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """A list that was read.

    Attributes:
        columns: The names of the columns of addresses, times and reasons; empty where there is none.
        rows: Those with an address, once each, and those that name nobody.
        repeated: The number of further rows about people who are there already.
    """

    columns: tuple[str, str, str]
    rows: list[Suppression]
    repeated: int


def read_suppressions(content: bytes) -> SuppressionList:
    """Read a list: UTF-8 with or without a mark, UTF-16, or Windows-1252; separated by , ; | or tabs.

    Raises:
        UnreadableListError: No column holds addresses, the quoting is broken, or it lists people who have not
            opted out.
    """
    if content.startswith(_WORKBOOKS):
        raise UnreadableListError("it is a workbook of Excel or another program, not a text")
    text = _decode(content)
    delimiter = _find_delimiter(text)
    reader = csv.reader(io.StringIO(f"{text}\n{_END}", newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise UnreadableListError(f"line {reader.line_num} cannot be read: {error}") from error
    if rows.pop()[1] != [_END]:
        before = rows[-1][0] if rows else 0
        raise UnreadableListError(f"a quotation mark after line {before} is never closed")
    if rows and rows[0][1] == ["sep=", ""]:  # a hint for spreadsheets
        del rows[0]
    if not rows:
        raise UnreadableListError("it is empty")
    head = rows[0][1]
    places = _find_columns(head, [row for _, row in rows[1 : _SAMPLE + 1]])
    has_head = not any("@" in cell for cell in head)
    if has_head:
        _check_consent(head, rows[1:])
    # Some lists have a kind of opt-out each, which only the name of the column of times tells.
    time_column = "" if places[1] is None else _normalise(head[places[1]])
    kind = "bounced" if re.search("clean|bounce", time_column) else ""
    found: dict[str, Suppression] = {}
    problems: list[Suppression] = []
    repeated = 0
    for line, row in rows[has_head:]:
        address, time, reason = ("" if at is None or at >= len(row) else row[at].strip() for at in places)
        try:
            key = email_key(find_address(address))
        except InvalidEmailError as error:
            problems.append(Suppression(line, address, problem=error.reason))
            continue
        at, former = _time(time), found.get(key)
        repeated += former is not None
        if former is None or (at and former.at and at > former.at):
            is_unread = bool(time) and not at
            found[key] = Suppression(line, address, at, reason or kind, is_time_unread=is_unread)
    names = tuple(head[at] if at is not None and has_head else "" for at in places)
    return SuppressionList((names[0], names[1], names[2]), [*found.values(), *problems], repeated)


def _check_consent(head: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> None:
    words = [_normalise(name) for name in head]
    opted_in = [name for name, word in zip(head, words, strict=True) if _OPTED_IN.fullmatch(word)]
    if opted_in and _named(words, range(len(words)), (_TIMES[0], *_REASONS)) is None:
        raise UnreadableListError(
            f"its column {opted_in[0]!r} tells when people opted in, and none when they opted out"
        )
    columns = [
        (at, name, subscribed)
        for at, name in enumerate(head)
        for form, subscribed in _CONSENT
        if form.fullmatch(_normalise(name))
    ]
    for line, row in rows if columns else ():
        for at, name, subscribed in columns:
            if at < len(row) and _normalise(row[at]) in subscribed:
                raise UnreadableListError(
                    f"line {line} has {row[at]!r} in {name!r}, so it also lists people who have not opted out"
                )


def _normalise(text: str) -> str:
    """A name or value without case, blanks and punctuation."""
    return re.sub(r"[\W_]+", "", text).lower()


def _decode(content: bytes) -> str:
    encodings = ["utf-8-sig", "cp1252", "latin-1"]
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encodings = ["utf-16"]
    elif b"\0" in content[:2]:
        encodings = ["utf-16-be" if content[:1] == b"\0" else "utf-16-le"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableListError("it is cut off, or in an encoding that is not known")


def _find_delimiter(text: str) -> str:
    """The character that separates the cells of the first line, outside of quotes."""
    first = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(_DELIMITERS, key=first.count)


def _find_columns(head: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[int, int | None, int | None]:
    """The places of the columns: by their names, and that of addresses also by what is in it."""
    names = list(map(_normalise, head))
    rows = [head, *sample]
    counts = [sum(_is_address(row[at]) for row in rows if at < len(row)) for at in range(len(head))]
    named = [at for at, name in enumerate(names) if _EMAIL.fullmatch(name)]
    holding = [at for at in named if counts[at]] or [at for at, count in enumerate(counts) if count] or named
    if not holding:
        raise UnreadableListError(f"none of its columns holds addresses: {', '.join(head)[:200]}")
    address = max(holding, key=counts.__getitem__)
    rest = [at for at in range(len(names)) if at != address]
    time = _named(names, rest, _TIMES)
    return address, time, _named(names, [at for at in rest if at != time], _REASONS)


def _named(names: Sequence[str], places: Sequence[int], forms: Iterable[re.Pattern[str]]) -> int | None:
    """The place of the name that has the surest of some forms; None where none has one."""
    return next((at for form in forms for at in places if form.fullmatch(names[at])), None)


def _is_address(cell: str) -> bool:
    try:
        return bool(find_address(cell))
    except InvalidEmailError:
        return False


def _time(text: str) -> datetime | None:
    if not text:
        return None
    if re.fullmatch(r"\d{10}(\d{3})?", text, re.ASCII):  # seconds or milliseconds since 1970
        return datetime.fromtimestamp(int(text[:10]), UTC)
    try:
        return parse_timestamp(text)
    except ValueError:
        pass
    for form in _TIME_FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
