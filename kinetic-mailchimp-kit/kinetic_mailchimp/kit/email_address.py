"""Reads an e-mail address out of what people type into an ERP."""

from __future__ import annotations

import re
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email

_SEVERAL = re.compile(r"[;,]\s*\S+@|\s\S+@\S+.*@|@[^@]*[;,/\s]+[^@\s]+@")


class InvalidEmailError(ValueError):
    """What stands in the field is no e-mail address.

    Attributes:
        reason: `empty`, `several_addresses` or `not_an_address`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_email(text: str | None) -> str:
    """The one address in a field, without `mailto:`, a display name, angle brackets and stray spaces.

    The spelling stays as it is, capitals included; `email_key` makes what two addresses are compared by.

    Raises:
        InvalidEmailError: There is none, or there are several and which one is meant cannot be known.
    """
    field = (text or "").strip().strip("\u200b\ufeff")
    if not field:
        raise InvalidEmailError("empty")
    if _SEVERAL.search(field):
        raise InvalidEmailError("several_addresses")
    address = field.removeprefix("<").removesuffix(">")
    if "<" in field:
        address = parseaddr(field)[1]
    if address[:7].lower() == "mailto:":
        address = address[7:].partition("?")[0]
    address = address.strip().rstrip(".,;")
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidEmailError("not_an_address") from error
    return address


def email_key(address: str) -> str:
    """What two spellings of one address have in common: Mailchimp and Epicor ignore case."""
    return address.strip().lower()
