"""Reads an e-mail address out of what people type into an ERP."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from typing import Final

LONGEST_FIELD = 320
"""Characters that are read: 254 of the longest address (RFC 5321) and a name beside it."""

_PLAUSIBLE = re.compile(r"[^\s@]+@[^\s@]+|\"[^\"]+\"@[^\s@]+")
_WORD = re.compile(r"""mailto:[^;,/|\s<>"]+|[^;,/\\|&\s<>"()\[\]{}]+""", re.IGNORECASE)
"""The text between two separators or brackets. A link is one word: its query has separators of its own."""
_OPENING: Final = "<([{"
_BRACKET = re.compile(r"[<>()\[\]{}]")
_WRAPPED: Final = re.compile(r"""=?(["'])(.*)\1""")
"""A field in quotation marks as a whole, or as tools write text for a spreadsheet: `="a@example.com"`."""
_PUNYCODE: Final = "xn--"
_ATOM: Final = r"[\w!#$%&'*+/=?^`{|}~-]+"
_ORDINARY: Final = re.compile(
    rf"(?=[^@]{{1,64}}@)(?=.{{3,254}}\Z){_ATOM}(?:\.{_ATOM})*@([A-Za-z0-9.-]+)", re.ASCII
)
"""A field that is nothing but an address, of which the domain alone is in question: nearly every one."""


class InvalidEmailError(ValueError):
    """The field does not hold a single e-mail address.

    Attributes:
        reason: `empty`, `several_addresses` or `not_an_address`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_email(text: str | None) -> str:
    """The one valid address in a field, without `mailto:`, a display name, angle brackets and stray spaces.

    The spelling stays as it is, capitals included; `email_key` makes what two addresses are compared by.

    Raises:
        InvalidEmailError: There is none, or there are several and which one is meant cannot be known.
    """
    field = _stripped(text)
    ordinary = _ORDINARY.fullmatch(field)
    if ordinary and _is_valid_domain(ordinary[1]):
        return field
    address = find_address(field)
    if not _is_valid(address):
        raise InvalidEmailError("not_an_address")
    return address


def _is_valid(address: str) -> bool:
    # A quarter of what a plugin takes to start beside the SDK, and only records need it.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 (said above)

    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


@lru_cache(maxsize=10_000)
def _is_valid_domain(domain: str) -> bool:
    """Tell whether a domain can be mailed to: remembered, as it takes long and many people share one."""
    return _is_valid(f"a@{domain}")


def find_address(text: str | None) -> str:
    """The one address in a field as `parse_email` reads it, valid or not: to match by, not to write to.

    Carriers have given out addresses such as `a..b.@carrier.example`, and their owners opt out too.

    Raises:
        InvalidEmailError: There is none, or there are several and which one is meant cannot be known.
    """
    field = _stripped(text)
    if not field:
        raise InvalidEmailError("empty")
    if len(field) > LONGEST_FIELD:
        raise InvalidEmailError("not_an_address")
    found = field if _ORDINARY.fullmatch(field) else _without_mailto(_bracketed(field))
    address = found.rstrip(".,;").rstrip()
    if not _PLAUSIBLE.fullmatch(address):
        raise InvalidEmailError("not_an_address")
    return address


def words_in(text: str) -> list[str]:
    """The words of a field, in which no more than one address each can stand."""
    return _WORD.findall(text)


def _stripped(text: str | None) -> str:
    field = (text or "").strip().strip("\u200b\ufeff").strip()
    wrapped = _WRAPPED.fullmatch(field)
    return wrapped[2].strip() if wrapped else field


def _bracketed(field: str) -> str:
    """The part of a field that its one address stands in: in brackets, before them, or all of it.

    Written here instead of asking `email.utils`, whose answer about `<ann@example.com>;` depends on the
    version of Python. Each step reads the field once.

    Raises:
        InvalidEmailError: There is no word with an `@`, or there are several of different addresses.
    """
    words = [word for word in _WORD.finditer(field) if "@" in word[0][1:]]
    if not words:
        raise InvalidEmailError("not_an_address")
    last = words[-1].start()
    before = field[:last].rstrip().rstrip(_OPENING).rstrip()
    if before.endswith((";", ",", "|")) or len({email_key(_without_mailto(word[0])) for word in words}) > 1:
        raise InvalidEmailError("several_addresses")
    opened = max(field.rfind(bracket, 0, last) for bracket in _OPENING) + 1
    return _BRACKET.split(field[opened:], maxsplit=1)[0]


def _without_mailto(address: str) -> str:
    """An address without the scheme and the query of a link to it."""
    address = address.strip()
    if address[:7].lower() == "mailto:":
        address = address[7:].partition("?")[0].strip()
    return address


def email_key(address: str) -> str:
    """The form in which two spellings of one address are equal: Mailchimp and Epicor ignore case."""
    return address.strip().lower()


def normalise_address(text: str) -> str:
    """The form in which two spellings of one address are equal, however their letters are composed.

    Args:
        text: An address, or one that may contain it.
    """
    return unicodedata.normalize("NFC", text.strip()).casefold()


def naming(address: str, *hashes: str) -> re.Pattern[str]:
    """A pattern that finds exactly this address in a text or in JSON, or a hash that stands for it.

    Args:
        address: In the form that addresses have in the text.
        hashes: Of hexadecimal digits.
    """
    in_json = json.dumps(address, ensure_ascii=False)[1:-1]  # quotes may stand in an address
    names = "|".join((*map(re.escape, {address, in_json}), *hashes))
    return re.compile(rf"(?<![\w.+%-])(?:{names})(?![\w-]|\.\w)")


def domain_spellings(key: str) -> tuple[str, ...]:
    """The spellings of an address whose domain has letters beyond ASCII: as they are, and as `xn--…`.

    Mail to either arrives in one mailbox.

    Args:
        key: As `email_key` makes it; it comes first.
    """
    local, at, domain = key.rpartition("@")
    if not at or (domain.isascii() and _PUNYCODE not in domain):
        return (key,)
    labels = [_in_letters(label) for label in unicodedata.normalize("NFC", domain).split(".")]
    spelled = (".".join(labels), ".".join(map(_in_ascii, labels)))
    return tuple(dict.fromkeys((key, *(f"{local}@{other}" for other in spelled))))


def _in_letters(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    try:
        letters = label.removeprefix(_PUNYCODE).encode().decode("punycode")
        return letters if _in_ascii(letters) == label else label
    except UnicodeError:
        return label


def _in_ascii(label: str) -> str:
    return label if label.isascii() else f"{_PUNYCODE}{label.encode('punycode').decode()}"
