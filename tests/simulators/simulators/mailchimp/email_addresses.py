"""Which addresses Mailchimp takes, and its words for those that it refuses."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[^\W_]([\w-]{0,61}[^\W_])?")
_TOP = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9-]+", re.IGNORECASE)
_LONGEST, _LONGEST_LOCAL = 254, 64

_KNOWN_FAKES = frozenset({"foo@bar.com", "test@test.com"})
_EXAMPLE_DOMAINS = ("example.com", "example.net", "example.org")


def complaint_about(email_address: str, *, reject_examples: bool) -> str | None:
    """What is wrong with an address, in the vendor's words; None if it is accepted."""
    local, at, domain = email_address.partition("@")
    if not at or not local or not domain or len(email_address) > _LONGEST:
        return "Please provide a valid email address."
    if "@" in domain:
        return "An email address must contain a single @"
    if len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        return f"The username portion of the email address is invalid (the portion before the @: {local})"
    labels = domain.split(".")
    if len(labels) == 1 or not all(map(_LABEL.fullmatch, labels)) or not _TOP.fullmatch(labels[-1]):
        return f"The domain portion of the email address is invalid (the portion after the @: {domain})"
    lowered = email_address.lower()
    if lowered in _KNOWN_FAKES or (reject_examples and lowered.endswith(_EXAMPLE_DOMAINS)):
        return f"{email_address} looks fake or invalid, please enter a real email address."
    return None
