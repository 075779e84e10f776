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
_TIME: Final = re.compile(
    r"(unsub(scribed?)?|optout|optedout|suppressed|suppression|bounced?|complaint|created|added|updated)?"
    r"(on|at|time|date|timestamp|datetime)+"
)
_REASON: Final = re.compile(r"(unsub(scribed?)?|optout|suppression)?(reason|type|source|category)|status")
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
    """

    line: int
    address: str
    at: datetime | None = None
    reason: str = ""
    problem: str = ""

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
        UnreadableListError: No column holds addresses, or the quoting is broken.
    """
    if content.startswith(_WORKBOOKS):
        raise UnreadableListError("it is a workbook of Excel or another program, not a text")
    text = _decoded(content)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnreadableListError(f"line {reader.line_num} cannot be read: {error}") from error
    if not rows:
        raise UnreadableListError("it is empty")
    head = rows[0][1]
    places = _places(head, [row for _, row in rows[1 : _SAMPLE + 1]])
    has_head = not any(_is_address(cell) for cell in head)
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
        repeated += key in found
        # The first one stays: which of several is the latest, not every tool says.
        found.setdefault(key, Suppression(line, address, _time(time), reason))
    names = tuple(head[at] if at is not None and has_head else "" for at in places)
    return SuppressionList((names[0], names[1], names[2]), [*found.values(), *problems], repeated)


def _decoded(content: bytes) -> str:
    encodings = ["utf-16"] if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _delimiter(text: str) -> str:
    """The character that separates the cells of the first line, outside of quotes."""
    first = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(_DELIMITERS, key=first.count)


def _places(head: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[int, int | None, int | None]:
    """The places of the columns: by their names, and that of addresses also by what is in it."""
    names = [re.sub(r"[\W_]+", "", name).lower() for name in head]
    counts = [sum(_is_address(cell) for cell in _column([head, *sample], at)) for at in range(len(head))]
    named = [at for at, name in enumerate(names) if _EMAIL.fullmatch(name)]
    address = max(named or range(len(head)), key=counts.__getitem__)
    if not (counts[address] or named):
        raise UnreadableListError(f"none of its columns holds addresses: {', '.join(head)[:200]}")
    rest = [at for at in range(len(names)) if at != address]
    time = next((at for at in rest if _TIME.fullmatch(names[at])), None)
    return address, time, next((at for at in rest if at != time and _REASON.fullmatch(names[at])), None)


def _column(rows: Iterable[Sequence[str]], at: int) -> list[str]:
    return [row[at] for row in rows if at < len(row)]


def _is_address(cell: str) -> bool:
    try:
        return bool(find_address(cell))
    except InvalidEmailError:
        return False


def _time(text: str) -> datetime | None:
    if not text:
        return None
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
