"""Ids that look like Mailchimp's and are the same for the same seed."""

from __future__ import annotations

import hashlib


def subscriber_hash(email_address: str) -> str:
    return hashlib.md5(email_address.lower().encode(), usedforsecurity=False).hexdigest()


def derived_id(length: int, *parts: object) -> str:
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:length]


def made_up_api_key(seed: int) -> str:
    """A key of the vendor's shape that nobody can take for a real one."""
    return f"{seed % 16**6:032x}-us1"
